import { clock, span } from "../model/format";
import { useNow } from "../state/clock";

/** Time that is left, ticking; the exact time on hover. */
export function Until({ at, past = "any moment" }: { at: string; past?: string }) {
  const left = Date.parse(at) - useNow();
  return (
    <time dateTime={at} title={clock(at)} className="tabular whitespace-nowrap">
      {left > 0 ? `in ${span(left)}` : past}
    </time>
  );
}
