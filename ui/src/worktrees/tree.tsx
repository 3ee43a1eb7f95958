import { GitBranch, GitMerge, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { client } from "../generated/client";
import { bytes } from "../model/format";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { attempt } from "../state/toasts";
import { TreeDiff } from "./diff";
import { MergeState } from "./merge-state";
import type { Worktree } from "./page";
import { RemoveTree } from "./remove";

const AT_WORK = new Set(["queued", "rebasing", "testing"]);

/** One branch: whose, how far from its base, what lies uncommitted, what it would clash with. */
export function Tree({ tree, onChanged }: { tree: Worktree; onChanged: () => void }) {
  const { id, branch, state, merge } = tree;
  const [diff, setDiff] = useState(false);
  const [removing, setRemoving] = useState(false);
  const gone = state === "removed";
  const merging = merge !== null && AT_WORK.has(merge.state);
  const queue = async () => {
    if (await attempt("Queueing the merge", () => client.worktree.merge({ worktree: id }))) onChanged();
  };
  return (
    <article className="rounded-xl border border-line bg-panel px-4 py-3" data-testid={`worktree-${branch}`} data-state={state}>
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <GitBranch size={16} className="shrink-0 text-faint" />
        <h3 className="min-w-0 truncate font-mono text-sm font-semibold">{branch}</h3>
        <span className="text-sm text-dim">{tree.name}</span>
        <span className="ml-auto flex flex-wrap gap-1.5 text-xs">
          {tree.merged && tree.merge?.state === "merged" && <Chip tone="work">merged</Chip>}
          {tree.pushed !== null && <Chip>{tree.pushed === tree.tip ? "pushed" : "pushed in part"}</Chip>}
          {gone && <Chip>removed</Chip>}
          {state === "making" && <Chip>being made</Chip>}
          {state === "broken" && <Chip tone="fail">broken</Chip>}
        </span>
      </header>
      <Distance tree={tree} />
      {tree.trouble && <p className="mt-1.5 text-sm text-fail wrap-anywhere">{tree.trouble}</p>}
      {gone && tree.archive && (
        <p className="mt-1.5 text-xs text-dim">
          What was not merged or pushed is kept in <code className="font-mono wrap-anywhere">{tree.archive}</code>
        </p>
      )}
      <Forecast tree={tree} />
      {merge && <MergeState merge={merge} base={tree.base} />}
      {!gone && (
        <footer className="mt-3 flex flex-wrap gap-2">
          <Button small aria-expanded={diff} onClick={() => setDiff(!diff)}>
            {diff ? "Hide the diff" : "Diff"}
          </Button>
          <Button small icon={<GitMerge size={13} />} disabled={merging || state !== "active" || !tree.ahead} title={tree.ahead ? "" : "it has no commit that its base lacks"} onClick={() => void queue()}>
            Merge into {tree.base}
          </Button>
          <Button small look="quiet" onClick={() => setRemoving(true)}>
            Remove…
          </Button>
        </footer>
      )}
      {diff && <TreeDiff tree={tree} />}
      {removing && <RemoveTree tree={tree} onGone={onChanged} onClose={() => setRemoving(false)} />}
    </article>
  );
}

/** Only what git could tell. */
function Distance({ tree }: { tree: Worktree }) {
  const facts = [
    tree.ahead !== null && tree.behind !== null && (tree.ahead || tree.behind ? `${tree.ahead} ahead, ${tree.behind} behind ${tree.base}` : `as ${tree.base}`),
    tree.bytes !== null && `${tree.bytes_complete ? "" : "over "}${bytes(tree.bytes)}`,
  ].filter(Boolean);
  return (
    <p className="mt-1 flex flex-wrap gap-x-3 text-xs text-dim tabular">
      {facts.map((each) => (
        <span key={String(each)}>{each}</span>
      ))}
      {tree.dirty_files > 0 && (
        <span className="text-limit" title={tree.dirty.join("\n")}>
          {tree.dirty_files === 1 ? "1 file" : `${tree.dirty_files} files`} not committed
        </span>
      )}
      <code className="min-w-0 truncate font-mono text-faint">{tree.path}</code>
    </p>
  );
}

function Forecast({ tree }: { tree: Worktree }) {
  if (!tree.conflicts.length) return null;
  return (
    <ul className="mt-2 space-y-1 border-t border-line pt-2 text-sm" aria-label="Would conflict">
      {tree.conflicts.map((clash) => (
        <li key={clash.worktree} className="flex flex-wrap items-baseline gap-x-2">
          <TriangleAlert size={13} className="self-center text-limit" />
          <span className="text-dim">
            would conflict with <code className="font-mono text-xs text-ink">{clash.branch}</code> ({clash.name}) in{" "}
          </span>
          <code className="min-w-0 font-mono text-xs wrap-anywhere">{clash.files.join(", ")}</code>
        </li>
      ))}
      {!tree.forecast_complete && <li className="text-xs text-faint">there are too many to compare all</li>}
    </ul>
  );
}
