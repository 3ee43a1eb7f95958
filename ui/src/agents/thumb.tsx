import { useNow } from "../state/clock";
import { useThumbnails } from "../state/thumbnails";

const OLD_MS = 15_000;

/** What is on an agent's desktop now, small; nothing when it has none. */
export function Thumb({ pid }: { pid: number }) {
  const shown = useThumbnails((state) => state.pids[pid]);
  return shown ? <Fresh pid={pid} src={shown.src} at={shown.at} /> : null;
}

function Fresh({ pid, src, at }: { pid: number; src: string; at: number }) {
  const now = useNow();
  if (now - at > OLD_MS) return null;
  return <img src={src} alt="its desktop" data-testid={`thumb-${pid}`} className="hidden h-12 rounded border border-line md:block" />;
}
