import { useEffect, useRef } from "react";

type Keys = Record<string, () => unknown>;

// One listener for all: a sequence such as `g i` must not also be the single key `i` of another part.
const layers = new Set<{ current: Keys }>();
const SEQUENCE_MS = 900;
let leader = "";
let leaderAt = 0;

function pressed(event: KeyboardEvent): void {
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
  const target = event.target as HTMLElement;
  if (target.closest("input, textarea, select, [contenteditable], .xterm")) return;
  if (document.querySelector("dialog[open]")) return;
  const sequence = leader && Date.now() - leaderAt < SEQUENCE_MS ? `${leader} ${event.key}` : event.key;
  leader = "";
  if (sequence === "g") {
    leader = "g";
    leaderAt = Date.now();
    return;
  }
  // A focused button or link keeps its own Enter.
  if (event.key === "Enter" && target.closest("button, a, summary")) return;
  for (const layer of layers) {
    const run = layer.current[sequence];
    if (run) {
      event.preventDefault();
      run();
      return;
    }
  }
}

/** Keys and sequences (`g i`), when nobody is typing and no dialog is open. */
export function useKeys(keys: Keys): void {
  const layer = useRef(keys);
  layer.current = keys;
  useEffect(() => {
    if (!layers.size) addEventListener("keydown", pressed);
    layers.add(layer);
    return () => {
      layers.delete(layer);
      if (!layers.size) removeEventListener("keydown", pressed);
    };
  }, []);
}
