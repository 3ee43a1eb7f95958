import { useEffect, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { bytes } from "../model/format";
import { Ask } from "../parts/ask";
import { attempt } from "../state/toasts";
import type { Worktree } from "./page";

type Gone = Operations["worktree.remove"]["output"];

/** What would go and what is kept, before it goes. */
export function RemoveTree({ tree, onGone, onClose }: { tree: Worktree; onGone: () => void; onClose: () => void }) {
  const { id, branch } = tree;
  const [plan, setPlan] = useState<Gone | null>(null);
  useEffect(() => void attempt("Looking what is in it", () => client.worktree.remove({ worktree: id, dry_run: true })).then((found) => found && "dirty" in found && setPlan(found)), [id]);
  const remove = async () => {
    const gone = await attempt("Removing", () => client.worktree.remove({ worktree: id }));
    if (gone) onGone();
    return !!gone;
  };
  const kept = plan && (plan.unmerged > 0 || plan.dirty.length > 0);
  return (
    <Ask title={`Remove ${branch}?`} keep="Keep it" act={kept ? "Archive and remove" : "Remove"} disabled={!plan} onAct={remove} onClose={onClose}>
      {plan && (
        <>
          <p>
            The directory of {tree.name} goes{plan.bytes > 0 && ` (${bytes(plan.bytes)})`}.{" "}
            {kept ? "Archived is what would be lost:" : "Nothing would be lost: all of it is merged or pushed."}
          </p>
          {kept && (
            <ul className="list-disc pl-5" data-testid="archived">
              {plan.unmerged > 0 && <li>{plan.unmerged === 1 ? "1 commit that is" : `${plan.unmerged} commits that are`} neither merged nor pushed</li>}
              {plan.dirty.length > 0 && (
                <li>
                  {plan.dirty.length === 1 ? "1 file" : `${plan.dirty.length} files`} not committed: <span className="font-mono text-xs wrap-anywhere">{plan.dirty.slice(0, 8).join(", ")}</span>
                </li>
              )}
            </ul>
          )}
          {plan.note && <p className="text-xs text-faint wrap-anywhere">{plan.note}</p>}
        </>
      )}
    </Ask>
  );
}
