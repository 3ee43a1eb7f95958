import { Check, ChevronDown, ShieldQuestion, X } from "lucide-react";
import { useState } from "react";
import { clock, homely, toolName } from "../model/format";
import type { Approval, Decision } from "../model/names";
import { Button } from "../parts/button";
import { Link } from "../parts/link";
import { TierMark } from "../parts/tier-mark";
import { useFleet } from "../state/fleet";
import { agentPath, go } from "../state/route";
import { decide } from "./decide";
import { Expiry } from "./expiry";
import { PatternForm } from "./pattern-form";
import { Preview } from "./preview";
import { useShift } from "./shift";
import { Verdict } from "./verdict";

interface Props {
  approval: Approval;
  /** names the agent too: in the inbox */
  named?: boolean;
  /** hide the preview: the call is shown around it */
  bare?: boolean;
  hotkeys?: boolean;
  asking?: "deny" | "pattern" | null;
  onAsk?: (what: "deny" | "pattern" | null) => void;
}

/** One question to a person; the same card in the timeline, in the inbox and on a phone. */
export function ApprovalCard({ approval, named, bare, hotkeys, asking, onAsk }: Props) {
  const [own, setOwn] = useState<"deny" | "pattern" | null>(null);
  const [busy, setBusy] = useState(false);
  const shifting = useShift((state) => state.shifting);
  const open = asking === undefined ? own : asking;
  const ask = onAsk ?? setOwn;
  const pending = approval.state === "pending";
  const tool = approval.tool ?? "this";
  const headline = headlineOf(approval);
  const flow = flowOf(approval);
  const process = useFleet((fleet) => (approval.pid ? fleet.processes[approval.pid] : undefined));

  const answer = async (decision: Decision, more = {}) => {
    setBusy(true);
    await decide(approval, decision, more);
    setBusy(false);
    ask(null);
  };

  return (
    <article
      data-testid={`approval-${approval.id}`}
      data-state={approval.state}
      className={`overflow-hidden rounded-xl border bg-panel ${pending ? "border-need/50 border-l-[3px] border-l-need" : "border-line"}`}
    >
      <header className="flex items-start gap-x-2.5 px-4 pt-3 pb-2">
        <ShieldQuestion size={16} className={`mt-0.5 shrink-0 ${pending ? "text-need" : "text-faint"}`} />
        <span className="min-w-0 flex-1">
          <span className="mr-2 font-medium wrap-anywhere">{headline}</span>
          {approval.tool && <span className="rounded bg-raised px-1.5 py-0.5 align-[1px] font-mono text-2xs whitespace-nowrap text-dim">{toolName(approval.tool)}</span>}
        </span>
        <span className="shrink-0 pt-0.5 text-xs text-faint">
          {pending ? <Expiry at={approval.expires_at} from={approval.created_at} /> : <time title={approval.created_at}>{clock(approval.created_at)}</time>}
        </span>
      </header>
      {named && (
        <p className="px-4 pb-2 text-xs text-dim">
          {approval.pid ? (
            <button type="button" className="font-medium text-ink underline decoration-edge underline-offset-2 hover:decoration-ink" onClick={() => go(agentPath(approval.pid!))}>
              {approval.agent_name ?? approval.agent} · pid {approval.pid}
            </button>
          ) : flow ? (
            <Link href={`/flows/${encodeURIComponent(flow)}`} className="font-medium text-ink underline decoration-edge underline-offset-2 hover:decoration-ink">
              flow {approval.origin[0] ?? flow}
            </Link>
          ) : (
            <span>{approval.agent_name ?? approval.agent ?? "someone outside"}</span>
          )}
          {process && (
            <span className="ml-2">
              <TierMark process={process} />
            </span>
          )}
          {approval.origin.length > 1 && <span className="text-faint"> · on behalf of {approval.origin.join(" → ")}</span>}
        </p>
      )}
      {!bare && !flow && (
        <div className="px-4 pb-3">
          <Preview tool={tool} input={approval.input} title={headline} />
        </div>
      )}
      {flow && typeof approval.input["detail"] === "string" && <p className="px-4 pb-3 text-sm whitespace-pre-wrap text-dim wrap-anywhere">{approval.input["detail"]}</p>}
      {pending ? (
        <footer className={`border-t border-line px-4 py-2.5 ${shifting ? "pointer-events-none" : ""}`}>
          {open === "deny" ? (
            <DenyForm busy={busy} onCancel={() => ask(null)} onDeny={(reason) => void answer("deny", reason ? { reason } : {})} />
          ) : open === "pattern" ? (
            <PatternForm approval={approval} busy={busy} onCancel={() => ask(null)} onAllow={(pattern, until) => void answer("allow_pattern", { pattern, until })} />
          ) : (
            <div className="flex flex-wrap items-center gap-2">
              <Button look="work" data-testid="approve-once" disabled={busy} icon={<Check size={15} />} {...(hotkeys ? { hotkey: "A" } : {})} onClick={() => void answer("allow_once")}>
                {flow ? "Yes" : "Allow once"}
              </Button>
              <Button data-testid="deny" disabled={busy} icon={<X size={15} />} {...(hotkeys ? { hotkey: "D" } : {})} onClick={() => ask("deny")}>
                {flow ? "No…" : "Deny…"}
              </Button>
              {!flow && (
                <>
                  <span className="hidden h-5 w-px bg-line sm:block" />
                  <Button look="quiet" data-testid="approve-run" disabled={busy} {...(hotkeys ? { hotkey: "R" } : {})} onClick={() => void answer("allow_run")} title={`Allow ${toolName(tool)} until this run ends`}>
                    Allow for this run
                  </Button>
                  <Button look="quiet" data-testid="approve-pattern" disabled={busy} icon={<ChevronDown size={14} />} onClick={() => ask("pattern")}>
                    Allow pattern
                  </Button>
                </>
              )}
            </div>
          )}
        </footer>
      ) : (
        <Verdict approval={approval} />
      )}
    </article>
  );
}

/** The flow that asks, of a question that is no tool call. */
function flowOf({ kind, tool, input }: Approval): string | null {
  return kind === "request" && tool === null && typeof input["flow"] === "string" ? input["flow"] : null;
}

/** What is asked, once: a command stands below in full, so what it is for is said above. */
function headlineOf({ title, tool, input }: Approval): string {
  const { command, description } = input;
  if (typeof command === "string" && title.startsWith("Run:")) return typeof description === "string" && description ? description : "Run this command";
  return homely(title) || `Use ${toolName(tool ?? "this")}`;
}

function DenyForm({ busy, onCancel, onDeny }: { busy: boolean; onCancel: () => void; onDeny: (reason: string) => void }) {
  const [reason, setReason] = useState("");
  return (
    <form
      className="space-y-2"
      onSubmit={(event) => {
        event.preventDefault();
        onDeny(reason.trim());
      }}
    >
      <label className="block text-xs text-dim">
        Why not? The agent reads this and can do something else.
        <textarea
          autoFocus
          data-testid="deny-reason"
          className="field mt-1 block min-h-16"
          placeholder="e.g. Use the staging database, never production."
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") onCancel();
            if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) onDeny(reason.trim());
          }}
        />
      </label>
      <div className="flex gap-2">
        <Button type="submit" look="danger" data-testid="deny-confirm" disabled={busy}>
          {reason.trim() ? "Deny with this reason" : "Deny without a reason"}
        </Button>
        <Button look="quiet" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
