import { Brain } from "lucide-react";
import { Markdown } from "../parts/markdown";

/** What is being written now; the finished block takes its place. */
export function LiveText({ text, thought }: { text: string; thought: string }) {
  if (!text && !thought) return null;
  return (
    <div className="py-2" data-testid="live-text" aria-busy>
      {thought && !text && (
        <div className="flex gap-2.5 text-sm text-dim italic">
          <Brain size={15} className="breathe mt-0.5 shrink-0 text-work" />
          <p className="whitespace-pre-wrap wrap-anywhere">{thought.slice(-600)}</p>
        </div>
      )}
      {text && (
        <div className="relative md:pr-14">
          <Markdown text={text} />
          <span className="breathe mt-1 inline-block h-3.5 w-1.5 rounded-sm bg-work" />
        </div>
      )}
    </div>
  );
}
