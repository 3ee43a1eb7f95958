import { useSyncExternalStore } from "react";

/** One ticking second for the whole page. */
let now = Date.now();
const watchers = new Set<() => void>();
let timer = 0;

function watch(changed: () => void): () => void {
  watchers.add(changed);
  if (watchers.size === 1)
    timer = window.setInterval(() => {
      now = Date.now();
      for (const each of watchers) each();
    }, 1000);
  return () => {
    watchers.delete(changed);
    if (!watchers.size) clearInterval(timer);
  };
}

export function useNow(): number {
  return useSyncExternalStore(watch, () => now);
}
