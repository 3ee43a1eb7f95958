import { Check, X } from "lucide-react";
import { useState } from "react";
import { client } from "../../generated/client";
import { actorName } from "../../model/conditions";
import type { Proposal } from "./shapes";
import { Ago } from "../../parts/ago";
import { Button } from "../../parts/button";
import { Code } from "../../parts/markdown";
import { attempt } from "../../state/toasts";
import { Reasons, RiskChip } from "./marks";

/** What an agent asks a person to take for all: who, why, how risky, and the text itself. */
export function ProposalCard({ proposal, onDecided }: { proposal: Proposal; onDecided?: () => void }) {
  const { id, name, skill, version, state } = proposal;
  const [text, setText] = useState<string | null>(null);
  const [rejecting, setRejecting] = useState(false);
  const [busy, setBusy] = useState(false);
  const waiting = state === "waiting";
  const read = async () => {
    const found = text === null ? await attempt("Reading the skill", () => client.skill.get({ skill, version })) : null;
    setText(found ? found.text : null);
  };
  const decide = async (doing: string, work: () => Promise<unknown>) => {
    setBusy(true);
    const done = await attempt(doing, work);
    setBusy(false);
    if (done) onDecided?.();
  };
  return (
    <article data-testid={`proposal-${name}`} data-state={state} className={`overflow-hidden rounded-xl border bg-panel ${waiting ? "border-l-[3px] border-need/50 border-l-need" : "border-line"}`}>
      <header className="flex flex-wrap items-baseline gap-x-2.5 gap-y-1 px-4 pt-3">
        <span className="font-medium">{name}</span>
        <span className="text-xs text-dim">
          {proposal.new ? "a new skill" : `version ${version}`} by {proposal.agent_name || "a person"}
        </span>
        <RiskChip risk={proposal.risk} />
        <Ago at={proposal.decided_at ?? proposal.created_at} className="ml-auto text-xs text-faint" />
      </header>
      <div className="space-y-3 px-4 pt-1.5 pb-3">
        {proposal.note && <p className="text-sm whitespace-pre-wrap text-dim wrap-anywhere">{proposal.note}</p>}
        {waiting && <Reasons reasons={proposal.reasons} />}
        {text !== null && <Code text={text} label="SKILL.md" wrap />}
      </div>
      {waiting ? (
        <footer className="border-t border-line px-4 py-2.5">
          {rejecting ? (
            <Reject busy={busy} onCancel={() => setRejecting(false)} onReject={(reason) => void decide("Rejecting", () => client.skill.reject({ proposal: id, reason }))} />
          ) : (
            <div className="flex flex-wrap items-center gap-2">
              <Button look="work" icon={<Check size={15} />} disabled={busy} onClick={() => void decide("Approving", () => client.skill.approve({ proposal: id }))}>
                Approve for all agents
              </Button>
              {proposal.new && proposal.agent !== null && (
                <Button disabled={busy} onClick={() => void decide("Approving", () => client.skill.approve({ proposal: id, everyone: false }))}>
                  Only for {proposal.agent_name}
                </Button>
              )}
              <Button icon={<X size={15} />} disabled={busy} onClick={() => setRejecting(true)}>
                Reject…
              </Button>
              <Button look="quiet" onClick={() => void read()}>
                {text === null ? "Read it" : "Close it"}
              </Button>
            </div>
          )}
        </footer>
      ) : (
        <p className="border-t border-line px-4 py-2 text-sm text-dim wrap-anywhere">
          <span className={state === "approved" ? "text-work" : "text-fail"}>{state}</span>
          {proposal.decided_by && ` by ${actorName(proposal.decided_by)}`}
          {proposal.reason && `: ${proposal.reason}`}
        </p>
      )}
    </article>
  );
}

function Reject({ busy, onCancel, onReject }: { busy: boolean; onCancel: () => void; onReject: (reason: string) => void }) {
  const [reason, setReason] = useState("");
  return (
    <form
      className="space-y-2"
      onSubmit={(event) => {
        event.preventDefault();
        onReject(reason.trim());
      }}
    >
      <label className="block text-xs text-dim">
        Why not? The agent reads this.
        <textarea autoFocus className="field mt-1 block min-h-16" value={reason} onChange={(event) => setReason(event.target.value)} onKeyDown={(event) => event.key === "Escape" && onCancel()} />
      </label>
      <div className="flex gap-2">
        <Button type="submit" look="danger" disabled={busy || !reason.trim()}>
          Reject with this reason
        </Button>
        <Button look="quiet" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
