import { create } from "zustand";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";

export type Feedback = Operations["feedback.list"]["output"]["feedback"][number];
export type Verdict = Feedback["verdict"];

/** What people said of one run, by step; 0 is the run as a whole. */
type Said = Record<number, Feedback[]>;

export const useFeedback = create<{ byPid: Record<number, Said> }>()(() => ({ byPid: {} }));

const NONE: Feedback[] = [];

export function useSaid(pid: number, step: number | null): Feedback[] {
  return useFeedback(({ byPid }) => byPid[pid]?.[step ?? 0] ?? NONE);
}

/** Read what was said of a run: quietly, for without it the story is still the story. */
export async function readFeedback(pid: number): Promise<void> {
  const page = await client.feedback.list({ pid, limit: 500 }).catch(() => null);
  if (!page) return;
  const said: Said = {};
  for (const each of page.feedback) (said[each.step ?? 0] ??= []).push(each);
  useFeedback.setState(({ byPid }) => ({ byPid: { ...byPid, [pid]: said } }));
}
