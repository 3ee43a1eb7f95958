import { useEffect, useMemo, useRef } from "react";
import type { AnyEvent } from "../generated/types";
import { useFleet } from "./fleet";

/** Stands for every room: the log moved on without us. */
export const ALL = "";

/** Count what happened in each room: what shows a room's things reads them again when its number goes up. */
export function countNews(rooms: readonly string[]): void {
  useFleet.setState(({ news }) => {
    const next = { ...news };
    for (const room of rooms) next[room] = (next[room] ?? 0) + 1;
    return { news: next };
  });
}

export function roomOf({ type }: AnyEvent): string {
  return type.slice(0, type.indexOf("."));
}

const CALM_MS = 300; // events come in bursts; what they changed is read once after one

/** Read now, when `read` changes, and soon after news of the rooms. Give `read` by useCallback. */
export function useFollowed(read: () => unknown, ...rooms: string[]): void {
  const news = useFleet((fleet) => [ALL, ...rooms].reduce((sum, room) => sum + (fleet.news[room] ?? 0), 0));
  const newest = useRef({ read, news });
  newest.current = { read, news };
  const seen = useRef(news);
  const timer = useRef(0);
  useEffect(() => void read(), [read]);
  useEffect(() => {
    if (news === seen.current || timer.current) return;
    timer.current = window.setTimeout(() => {
      timer.current = 0;
      seen.current = newest.current.news;
      void newest.current.read();
    }, CALM_MS);
  }, [news]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = 0;
    },
    [],
  );
}

/** Names of agents by their ids. */
export function useAgentNames(): ReadonlyMap<string, string> {
  const processes = useFleet((fleet) => fleet.processes);
  return useMemo(() => new Map(Object.values(processes).map((each) => [each.agent, each.name])), [processes]);
}
