import { Ban, Check, Clock, X } from "lucide-react";
import { actorName } from "../model/conditions";
import { clock } from "../model/format";
import type { Approval } from "../model/names";

const HOW: Record<string, string> = {
  allow_once: "once",
  allow_run: "for this run",
  allow_pattern: "by pattern",
};

export function signOf({ state }: Approval) {
  if (state === "allowed") return { Icon: Check, tone: "text-work", word: "Allowed" };
  if (state === "denied") return { Icon: X, tone: "text-fail", word: "Denied" };
  if (state === "expired") return { Icon: Clock, tone: "text-limit", word: "Expired without an answer" };
  return { Icon: Ban, tone: "text-faint", word: "Closed: the process ended or withdrew it" };
}

/** What was decided stays: who, when, by which rule, and why. */
export function Verdict({ approval }: { approval: Approval }) {
  const { decision, decided_by, decided_at, reason, rule } = approval;
  const { Icon, tone, word } = signOf(approval);
  return (
    <footer className="flex flex-wrap items-baseline gap-x-2 gap-y-0.5 border-t border-line px-4 py-2 text-xs text-dim" data-testid="verdict">
      <span className={`inline-flex items-center gap-1.5 self-center font-medium ${tone}`}>
        <Icon size={14} /> {word}
      </span>
      {decision && HOW[decision] && !rule && <span>{HOW[decision]}</span>}
      {rule && (
        <span>
          by the rule <code className="rounded bg-raised px-1 font-mono text-2xs">{rule}</code>
        </span>
      )}
      {decided_by && <span>{rule ? "of" : "by"} {actorName(decided_by)}</span>}
      {decided_at && <time title={decided_at}>at {clock(decided_at)}</time>}
      {reason && <span className="basis-full text-ink">“{reason}”</span>}
    </footer>
  );
}
