import { Check, CircleX, Clock, LoaderCircle, Minus } from "lucide-react";
import { Ago } from "../parts/ago";
import { Code } from "../parts/markdown";
import type { Worktree } from "./page";

type Merge = NonNullable<Worktree["merge"]>;

const LOOKS: Record<Merge["state"], { icon: typeof Check; tone: string; word: string; turns?: boolean }> = {
  queued: { icon: Clock, tone: "text-dim", word: "in the merge queue" },
  rebasing: { icon: LoaderCircle, tone: "text-work", word: "being put onto its base", turns: true },
  testing: { icon: LoaderCircle, tone: "text-work", word: "being tested", turns: true },
  merged: { icon: Check, tone: "text-work", word: "merged" },
  conflict: { icon: CircleX, tone: "text-fail", word: "conflicts" },
  failed_tests: { icon: CircleX, tone: "text-fail", word: "its test failed" },
  failed: { icon: CircleX, tone: "text-fail", word: "could not be merged" },
  cancelled: { icon: Minus, tone: "text-faint", word: "merge cancelled" },
};

/** Where it stands in the merge queue, and why it came to nothing. */
export function MergeState({ merge, base }: { merge: Merge; base: string }) {
  const { icon: Icon, tone, word, turns } = LOOKS[merge.state];
  const bad = merge.state === "conflict" || merge.state === "failed_tests" || merge.state === "failed";
  return (
    <div className="mt-2 border-t border-line pt-2 text-sm" data-testid="merge" data-state={merge.state}>
      <p className="flex flex-wrap items-center gap-x-2">
        <Icon size={14} className={`shrink-0 ${tone} ${turns ? "turn" : ""}`} aria-hidden />
        <span className={tone}>
          {word}
          {merge.state === "merged" && ` into ${base}`}
          {merge.ahead > 0 && `, ${merge.ahead} before it`}
        </span>
        {merge.test && <code className="min-w-0 truncate font-mono text-xs text-faint">{merge.test}</code>}
        <Ago at={merge.ended_at ?? merge.created_at} className="ml-auto text-xs text-faint" />
      </p>
      {bad && merge.reason && <p className="mt-1 text-dim wrap-anywhere">{merge.reason}</p>}
      {bad && merge.files.length > 0 && <p className="mt-1 font-mono text-xs wrap-anywhere">{merge.files.join(", ")}</p>}
      {bad && merge.output && (
        <div className="mt-2">
          <Code text={merge.output} label="the last it printed" />
        </div>
      )}
    </div>
  );
}
