import { Check, CircleDashed, CircleQuestionMark, CircleX, Clock, LoaderCircle, MessageCircleQuestionMark, Minus, SkipForward } from "lucide-react";
import type { Operations } from "../generated/types";

export type Flow = Operations["flow.get"]["output"];
export type FlowStep = Flow["steps"][number];

interface Look {
  icon: typeof Check;
  tone: string;
  word: string;
  turns?: boolean;
}

export const FLOWS: Record<Flow["state"], Look> = {
  planned: { icon: CircleDashed, tone: "text-faint", word: "planned" },
  running: { icon: LoaderCircle, tone: "text-work", word: "running", turns: true },
  waiting: { icon: MessageCircleQuestionMark, tone: "text-need", word: "waits for you" },
  completed: { icon: Check, tone: "text-work", word: "completed" },
  failed: { icon: CircleX, tone: "text-fail", word: "failed" },
  cancelled: { icon: Minus, tone: "text-faint", word: "cancelled" },
};

export const STEPS: Record<FlowStep["state"], Look> = {
  running: { icon: LoaderCircle, tone: "text-work", word: "running", turns: true },
  waiting: { icon: MessageCircleQuestionMark, tone: "text-need", word: "waits for you" },
  unknown: { icon: CircleQuestionMark, tone: "text-limit", word: "nobody knows whether it was done" },
  delayed: { icon: Clock, tone: "text-limit", word: "tried again later" },
  completed: { icon: Check, tone: "text-work", word: "completed" },
  failed: { icon: CircleX, tone: "text-fail", word: "failed" },
  skipped: { icon: SkipForward, tone: "text-faint", word: "skipped" },
  cancelled: { icon: Minus, tone: "text-faint", word: "cancelled" },
};

export function flowPath(id: string): string {
  return `/flows/${encodeURIComponent(id)}`;
}

/** What it came to, as text. */
export function written(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
