import { ThumbsDown, ThumbsUp } from "lucide-react";
import { type ReactNode, useState } from "react";
import { client } from "../generated/client";
import { actorName } from "../model/conditions";
import { Button } from "../parts/button";
import { type Feedback, type Verdict, readFeedback, useSaid } from "../state/feedback";
import { useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";

const THUMBS = { up: ThumbsUp, down: ThumbsDown };
const WORDS = { up: "good", down: "not good" };

interface Props {
  pid: number;
  /** the event it is about; null: the run as a whole */
  step: number | null;
}

/** A step, and what people think of it: nothing to see until it is pointed at, or until somebody has said it. */
export function Judged({ pid, step, children }: Props & { children: ReactNode }) {
  const [asking, setAsking] = useState<Verdict | null>(null);
  return (
    <div className="group/judged relative outline-none" tabIndex={-1}>
      {children}
      {/* a finger cannot point: there a tap on the step does */}
      <div className="pointer-events-none absolute top-2 right-14 z-1 rounded-lg border border-line bg-panel opacity-0 group-hover/judged:pointer-events-auto group-hover/judged:opacity-100 focus-within:pointer-events-auto focus-within:opacity-100 [@media(hover:none)]:group-focus-within/judged:pointer-events-auto [@media(hover:none)]:group-focus-within/judged:opacity-100">
        <Thumbs pid={pid} step={step} onGiven={setAsking} />
      </div>
      <Said pid={pid} step={step} asking={asking} onAnswered={() => setAsking(null)} />
    </div>
  );
}

/** The run as a whole. */
export function RunJudged({ pid }: { pid: number }) {
  const [asking, setAsking] = useState<Verdict | null>(null);
  return (
    <div data-testid="judge-run">
      <div className="flex items-center gap-2 text-sm text-dim">
        How was this run?
        <Thumbs pid={pid} step={null} onGiven={setAsking} />
      </div>
      <Said pid={pid} step={null} asking={asking} onAnswered={() => setAsking(null)} />
    </div>
  );
}

/** One click says it; why can be said after. */
function Thumbs({ pid, step, onGiven }: Props & { onGiven: (verdict: Verdict) => void }) {
  const mine = useMine(useSaid(pid, step));
  const give = async (verdict: Verdict) => {
    if (!(await attempt("Saying so", () => submit({ pid, step }, verdict, mine?.comment ?? "")))) return;
    void readFeedback(pid);
    onGiven(verdict);
  };
  return (
    <span className="inline-flex">
      {(["up", "down"] as const).map((verdict) => {
        const Icon = THUMBS[verdict];
        const said = mine?.verdict === verdict;
        return (
          <button key={verdict} type="button" aria-label={`${WORDS[verdict]}${step === null ? ", the run" : ""}`} aria-pressed={said} onClick={() => void give(verdict)} className={`rounded-md p-1.5 hover:text-ink ${said ? (verdict === "up" ? "text-work" : "text-fail") : "text-faint"}`}>
            <Icon size={13} fill={said ? "currentColor" : "none"} />
          </button>
        );
      })}
    </span>
  );
}

function Said({ pid, step, asking, onAnswered }: Props & { asking: Verdict | null; onAnswered: () => void }) {
  const said = useSaid(pid, step);
  const me = useFleet((fleet) => fleet.me);
  const mine = useMine(said);
  if (!said.length && asking === null) return null;
  return (
    <div className="mb-1 space-y-1 text-xs text-dim" data-testid={`said-${step ?? "run"}`}>
      {said.map((each) => {
        const Icon = THUMBS[each.verdict];
        return (
          <p key={each.id} className="flex items-start gap-1.5">
            <Icon size={12} fill="currentColor" className={`mt-0.5 shrink-0 ${each.verdict === "up" ? "text-work" : "text-fail"}`} aria-label={WORDS[each.verdict]} />
            <span className="min-w-0 wrap-anywhere">
              {each.created_by === me ? "you" : actorName(each.created_by)}
              {each.comment && `: ${each.comment}`}
            </span>
          </p>
        );
      })}
      {asking && <Why pid={pid} step={step} verdict={asking} before={mine?.comment ?? ""} onClose={onAnswered} />}
    </div>
  );
}

function Why({ pid, step, verdict, before, onClose }: Props & { verdict: Verdict; before: string; onClose: () => void }) {
  const [comment, setComment] = useState(before);
  const say = async () => {
    if (comment.trim() !== before && !(await attempt("Saying so", () => submit({ pid, step }, verdict, comment.trim())))) return;
    void readFeedback(pid);
    onClose();
  };
  return (
    <form
      className="flex max-w-xl gap-2 py-1"
      onSubmit={(event) => {
        event.preventDefault();
        void say();
      }}
    >
      <input autoFocus aria-label="Why" className="field h-7 !py-0 text-xs" maxLength={2000} placeholder="Why? It is told so when it runs the next time." value={comment} onChange={(event) => setComment(event.target.value)} onKeyDown={(event) => event.key === "Escape" && onClose()} />
      <Button small type="submit">
        {comment.trim() ? "Say it" : "Leave it"}
      </Button>
    </form>
  );
}

function useMine(said: readonly Feedback[]): Feedback | undefined {
  const me = useFleet((fleet) => fleet.me);
  return said.find((each) => each.created_by === me);
}

function submit({ pid, step }: Props, verdict: Verdict, comment: string) {
  return client.feedback.submit({ pid, verdict, comment, ...(step !== null && { step }) });
}
