import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { bytes } from "../model/format";
import { filesOf } from "../model/patch";
import { FileChanges } from "../parts/changes";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import type { Snapshot } from "./page";

type Difference = Operations["snapshot.diff"]["output"];
type Changed = Difference["files"][number];

/** How the agent differs now from what it was then. */
export function SinceThen({ shot: { id } }: { shot: Snapshot }) {
  const [found, setFound] = useState<Difference | null>(null);
  const look = useCallback(() => attempt("Comparing", () => client.snapshot.diff({ snapshot: id })).then((diff) => diff && setFound(diff)), [id]);
  useFollowed(look, "snapshot");
  return found && <Files diff={found} />;
}

/** Files that differ, and what was said meanwhile. */
export function Files({ diff, quiet }: { diff: Difference; quiet?: boolean }) {
  const told = diff.messages.length;
  return (
    <div className="mt-3 space-y-2" data-testid="difference">
      <p className="text-xs text-faint tabular">{counts(diff) || "No file differs."}</p>
      {diff.files.map((file) => (
        <One key={file.path} file={file} quiet={quiet ?? false} />
      ))}
      {diff.more > 0 && <p className="text-xs text-faint">and {diff.more} more</p>}
      {told > 0 && <p className="text-xs text-faint">{told === 1 ? "1 thing was" : `${told} things were`} said since</p>}
    </div>
  );
}

export function counts({ added, changed, removed }: Pick<Difference, "added" | "changed" | "removed">): string {
  return [changed > 0 && `${changed} changed`, added > 0 && `${added} new`, removed > 0 && `${removed} gone`].filter(Boolean).join(", ");
}

const WORDS: Record<Changed["change"], { sign: string; tone: string; word: string }> = {
  added: { sign: "+", tone: "text-work", word: "new since" },
  removed: { sign: "−", tone: "text-fail", word: "gone since" },
  changed: { sign: "~", tone: "text-wait", word: "changed since" },
};

function One({ file, quiet }: { file: Changed; quiet: boolean }) {
  const { sign, tone, word } = WORDS[file.change];
  const patch = !quiet && file.text ? filesOf(`diff --git a/${file.path} b/${file.path}\n${file.text}`)[0] : undefined;
  if (patch?.lines.length) return <FileChanges path={file.path} lines={patch.lines} note={word} />;
  return (
    <p className="flex items-baseline gap-2 text-xs" title={word}>
      <span aria-label={word} className={`w-3 text-center font-mono ${tone}`}>
        {sign}
      </span>
      <code className="min-w-0 font-mono wrap-anywhere">{file.path}</code>
      {file.kind === "file" && <span className="text-faint tabular">{bytes(file.bytes)}</span>}
    </p>
  );
}
