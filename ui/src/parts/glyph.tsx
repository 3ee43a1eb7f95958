import type { ReactNode } from "react";
import type { Condition, Tone } from "../model/conditions";
import { CONDITIONS } from "../model/conditions";

export const TEXT_TONE: Record<Tone, string> = {
  need: "text-need",
  fail: "text-fail",
  limit: "text-limit",
  wait: "text-wait",
  hold: "text-hold",
  work: "text-work",
  calm: "text-faint",
};

const line = { fill: "none", stroke: "currentColor", strokeWidth: 1.8, strokeLinecap: "round", strokeLinejoin: "round" } as const;

/** One shape per condition, so that none is told by colour alone. */
const SHAPES: Record<Condition, ReactNode> = {
  approval: (
    <>
      <path d="M8 1.2 14.8 8 8 14.8 1.2 8Z" fill="currentColor" />
      <path d="M8 5v3.6M8 10.9v.1" fill="none" stroke="var(--ground)" strokeWidth="1.7" strokeLinecap="round" />
    </>
  ),
  requested: (
    <>
      <path d="M8 1.2 14.8 8 8 14.8 1.2 8Z" {...line} />
      <path d="M8 5v3.6M8 10.9v.1" {...line} />
    </>
  ),
  failed: (
    <>
      <rect x="1.8" y="1.8" width="12.4" height="12.4" rx="3" fill="currentColor" />
      <path d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8" stroke="var(--ground)" strokeWidth="1.7" strokeLinecap="round" />
    </>
  ),
  limited: <path d="M3.5 2h9M3.5 14h9M4.5 2c0 4 7 8 7 12M11.500 2c0 4-7 8-7 12" {...line} />,
  unknown: (
    <>
      <circle cx="8" cy="8" r="6" {...line} strokeDasharray="2.2 2.6" />
      <path d="M6.4 6.4a1.7 1.7 0 1 1 2.3 1.7c-.5.2-.7.5-.7 1M8 11.200v.1" {...line} strokeWidth={1.5} />
    </>
  ),
  input: <path d="M2 3.500h12v8H8.500L5.500 14v-2.500H2Z" {...line} />,
  controlled: (
    <>
      <circle cx="8" cy="8" r="6.600" fill="currentColor" />
      <path d="M5.300 4.800 11.200 8l-2.700.7-1.300 2.600Z" fill="var(--ground)" />
    </>
  ),
  paused: <path d="M5.200 3v10M10.800 3v10" {...line} strokeWidth={2.6} />,
  working: (
    <>
      <circle cx="8" cy="8" r="6" {...line} strokeOpacity={0.25} />
      <path d="M8 2a6 6 0 0 1 6 6" {...line} className="turn" />
    </>
  ),
  running: <path d="M4.500 2.800v10.400L13 8Z" {...line} />,
  starting: <circle cx="8" cy="8" r="6" {...line} strokeDasharray="3.100 3.180" className="turn" />,
  stopping: <rect x="4" y="4" width="8" height="8" rx="1.500" {...line} className="breathe" />,
  queued: <path d="M3 4h10M3 8h7M3 12h4" {...line} />,
  idle: <circle cx="8" cy="8" r="5.400" {...line} />,
  done: <path d="m2.800 8.600 3.400 3.400 7-7.600" {...line} strokeWidth={2.2} />,
  killed: <rect x="3.400" y="3.400" width="9.200" height="9.200" rx="1.800" {...line} />,
  exited: <path d="M3.400 8h9.200" {...line} strokeWidth={2.2} />,
};

export function Glyph({ condition, size = 16 }: { condition: Condition; size?: number }) {
  const { tone, word } = CONDITIONS[condition];
  return (
    <svg viewBox="0 0 16 16" width={size} height={size} className={`shrink-0 ${TEXT_TONE[tone]}`} role="img" aria-label={word}>
      {SHAPES[condition]}
    </svg>
  );
}
