import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { count, dollars } from "../model/format";
import { Section } from "../parts/page";
import { usePulse } from "../state/pulse";

type Usage = Operations["model.usage"]["output"];

const DAYS = 30;
const PULSE_MS = 5_000;

/** What each model came to, by the providers' own figures. */
export function Used() {
  const [usage, setUsage] = useState<Usage | null>(null);
  const look = useCallback(() => client.model.usage({ days: DAYS }).then(setUsage, () => {}), []);
  usePulse(look, PULSE_MS);
  if (!usage) return null;
  return (
    <Section title={`By model, the last ${DAYS} days`} note={usage.lines.length > 0 && <span className="tabular">{dollars(usage.cost_usd)} together</span>}>
      {usage.lines.length === 0 && <p className="rounded-xl border border-dashed border-edge px-4 py-6 text-sm text-dim">No call went through the gateway yet.</p>}
      {usage.lines.length > 0 && (
        <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm" data-testid="used">
          {usage.lines.map((each) => (
            <li key={`${each.provider}/${each.model}`} className="grid grid-cols-[minmax(0,1fr)_auto] items-baseline gap-x-4 border-b border-line px-4 py-2 last:border-0 sm:grid-cols-[minmax(0,1fr)_5rem_repeat(3,7rem)_5rem]">
              <span className="min-w-0 truncate">
                {each.model} <span className="text-xs text-faint">{each.provider}</span>
              </span>
              <span className="text-right text-xs text-dim tabular max-sm:hidden">{each.calls} {each.calls === 1 ? "call" : "calls"}</span>
              <span className="text-right text-xs text-dim tabular max-sm:hidden">{count(each.input_tokens)} in</span>
              <span className="text-right text-xs text-dim tabular max-sm:hidden">{count(each.output_tokens)} out</span>
              <span className="text-right text-xs text-dim tabular max-sm:hidden">{count(each.cache_read_tokens)} from cache</span>
              <span className="text-right tabular" title={each.estimated ? `${each.estimated} calls counted as the most they could cost` : ""}>
                {each.unpriced === each.calls ? <span className="text-limit">no price</span> : dollars(each.cost_usd)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
