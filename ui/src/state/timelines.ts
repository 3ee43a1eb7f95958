import { create } from "zustand";
import { client } from "../generated/client";
import type { AnyEvent } from "../generated/types";
import { type Story, fold, newStory } from "../timeline/fold";
import { attempt } from "./toasts";

/** The loaded part of one process's story. */
export interface Loaded {
  events: AnyEvent[];
  story: Story;
  /** older events exist */
  more: boolean;
  state: "loading" | "ready" | "failed";
  /** events that arrived live since it was opened */
  fresh: number;
}

interface Timelines {
  byPid: Record<number, Loaded>;
}

const PAGE = 200;
const KEPT = 6; // stories kept in memory; the oldest opened goes first
const opened: number[] = [];

export const useTimelines = create<Timelines>()(() => ({ byPid: {} }));

function put(pid: number, change: (old: Loaded) => Loaded): void {
  useTimelines.setState(({ byPid }) => {
    const old = byPid[pid];
    return old ? { byPid: { ...byPid, [pid]: change(old) } } : {};
  });
}

function merged(old: readonly AnyEvent[], more: readonly AnyEvent[]): AnyEvent[] {
  const byId = new Map<number, AnyEvent>();
  for (const event of old) byId.set(event.id, event);
  for (const event of more) byId.set(event.id, event);
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

function rebuilt(old: Loaded, events: AnyEvent[], change: Partial<Loaded>): Loaded {
  return { ...old, events, story: fold(newStory(), events), ...change };
}

/** Load the newest page, once; events that arrive meanwhile are merged. */
export async function openTimeline(pid: number, again = false): Promise<void> {
  const known = useTimelines.getState().byPid[pid];
  if (known && known.state !== "failed" && !again) return; // one that failed is tried again, as when we are live again
  opened.push(pid);
  const drop = opened.length > KEPT ? opened.shift() : undefined;
  useTimelines.setState(({ byPid }) => {
    const kept = { ...byPid };
    if (drop !== undefined && drop !== pid) delete kept[drop];
    kept[pid] = { events: [], story: newStory(), more: false, state: "loading", fresh: 0 };
    return { byPid: kept };
  });
  const page = await attempt("Loading the timeline", () => client.process.timeline({ pid, limit: PAGE }));
  put(pid, (old) =>
    page
      ? rebuilt(old, merged(page.events as unknown as AnyEvent[], old.events), { more: page.more, state: "ready" })
      : { ...old, state: "failed" },
  );
}

const paging = new Set<number>();

export async function olderEvents(pid: number): Promise<void> {
  const oldest = useTimelines.getState().byPid[pid]?.events[0];
  if (!oldest || paging.has(pid)) return;
  paging.add(pid);
  const page = await attempt("Loading older events", () =>
    client.process.timeline({ pid, limit: 500, before: oldest.id }),
  );
  paging.delete(pid);
  if (page)
    put(pid, (old) => rebuilt(old, merged(page.events as unknown as AnyEvent[], old.events), { more: page.more }));
}

/** Take live events in. */
export function extendTimelines(events: readonly AnyEvent[]): void {
  const { byPid } = useTimelines.getState();
  const mine = new Map<number, AnyEvent[]>();
  for (const event of events) {
    if (event.pid === null || !byPid[event.pid]) continue;
    const list = mine.get(event.pid);
    if (list) list.push(event);
    else mine.set(event.pid, [event]);
  }
  for (const [pid, list] of mine)
    put(pid, (old) => {
      const last = old.events.at(-1)?.id ?? 0;
      const fresh = list.filter((event) => event.id > last);
      return {
        ...old,
        events: old.events.concat(fresh),
        story: fold(old.story, fresh),
        fresh: old.fresh + fresh.length,
      };
    });
}

/** Forget everything loaded: the log moved on without us. */
export function reloadTimelines(): void {
  for (const pid of Object.keys(useTimelines.getState().byPid)) void openTimeline(Number(pid), true);
}
