import type { ReactNode } from "react";

const TONES = { calm: "bg-raised text-dim", work: "bg-work/12 text-work", wait: "bg-wait/12 text-wait", limit: "bg-limit/12 text-limit", fail: "bg-fail/12 text-fail", need: "bg-need/12 text-need" };

/** A word or two that sort a thing. */
export function Chip({ tone = "calm", title, children }: { tone?: keyof typeof TONES; title?: string; children: ReactNode }) {
  return (
    <span title={title} className={`inline-flex max-w-full items-center gap-1 truncate rounded px-1.5 text-2xs leading-5 whitespace-nowrap ${TONES[tone]}`}>
      {children}
    </span>
  );
}
