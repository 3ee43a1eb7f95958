import { useState } from "react";
import { actorName } from "../model/conditions";
import { clock, gist, homely, toolName } from "../model/format";
import type { Approval } from "../model/names";
import { Preview } from "./preview";
import { Verdict, signOf } from "./verdict";

/** One decision in one line; the call and the reason on a click. */
export function DecidedRow({ approval }: { approval: Approval }) {
  const [open, setOpen] = useState(false);
  const { Icon, tone, word } = signOf(approval);
  const title = homely(approval.title) || toolName(approval.tool ?? "");
  const about = gist(approval.input);
  return (
    <div data-testid={`approval-${approval.id}`} data-state={approval.state} className="border-b border-line last:border-0">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex w-full items-center gap-x-3 px-4 py-2 text-left text-sm hover:bg-raised/60">
        <Icon size={15} className={`shrink-0 ${tone}`} aria-label={word} />
        <span className="w-20 shrink-0 truncate text-dim">{approval.agent_name ?? "outside"}</span>
        <span className="min-w-0 flex-1 truncate">
          {title}
          {!title.includes(about) && <span className="ml-2 hidden font-mono text-xs text-faint lg:inline">{about}</span>}
        </span>
        <span className="shrink-0 text-xs text-faint tabular">
          {approval.rule ? <span className="hidden sm:inline">by rule · </span> : approval.decided_by ? <span className="hidden sm:inline">{actorName(approval.decided_by)} · </span> : null}
          {clock(approval.decided_at ?? approval.created_at)}
        </span>
      </button>
      {open && (
        <div className="border-t border-line bg-ground/50">
          <div className="px-4 py-3">
            <Preview tool={approval.tool ?? ""} input={approval.input} title={approval.title} />
          </div>
          <Verdict approval={approval} />
        </div>
      )}
    </div>
  );
}
