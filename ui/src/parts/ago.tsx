import { clock, since } from "../model/format";
import { useNow } from "../state/clock";

/** Time since, ticking; the exact time on hover. */
export function Ago({ at, className = "" }: { at: string | null | undefined; className?: string }) {
  const now = useNow();
  if (!at) return null;
  return (
    <time dateTime={at} title={clock(at)} className={`tabular whitespace-nowrap ${className}`}>
      {since(at, now)}
    </time>
  );
}
