import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { filesOf } from "../model/patch";
import { Button } from "../parts/button";
import { FileChanges } from "../parts/changes";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import type { Worktree } from "./page";

type Diff = Operations["worktree.diff"]["output"];

/** What it changed since it left its base, what is not committed too. */
export function TreeDiff({ tree: { id, base } }: { tree: Worktree }) {
  const [diff, setDiff] = useState<Diff | null>(null);
  const look = useCallback(() => attempt("Reading the diff", () => client.worktree.diff({ worktree: id })).then((found) => found && setDiff(found)), [id]);
  useFollowed(look, "worktree");
  const more = async () => {
    const next = diff?.cursor && (await attempt("Reading more of it", () => client.worktree.diff({ worktree: id, cursor: diff.cursor })));
    if (next) setDiff({ ...next, files: diff.files, files_total: diff.files_total, patch: diff.patch + next.patch });
  };
  if (!diff) return null;
  if (diff.files_total === 0) return <p className="mt-3 text-sm text-faint">Nothing differs from {base}.</p>;
  return (
    <div className="mt-3 space-y-2" data-testid="diff">
      <p className="text-xs text-faint">{diff.files_total === 1 ? "1 file differs" : `${diff.files_total} files differ`} from where it left {base}</p>
      {filesOf(diff.patch).map((file, n) => (
        <FileChanges key={n} path={file.path} lines={file.lines} note={file.note} />
      ))}
      {diff.cursor && (
        <Button small look="quiet" onClick={() => void more()}>
          More of it
        </Button>
      )}
    </div>
  );
}
