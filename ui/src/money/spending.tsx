import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { ended } from "../model/conditions";
import { count, dollars } from "../model/format";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Section } from "../parts/page";
import { usePulse } from "../state/pulse";
import { attempt } from "../state/toasts";
import { Spent } from "./spent";

type Usage = Operations["quota.usage"]["output"];

const PULSE_MS = 3_000;

/** What this run and its agent have spent, what is set aside for calls under way, and what they may. */
export function Spending({ process }: { process: Process }) {
  const { pid, agent } = process;
  const [usage, setUsage] = useState<Usage | null>(null);
  const look = useCallback(() => client.quota.usage({ agent }).then(setUsage, () => {}), [agent]);
  usePulse(look, PULSE_MS);
  if (!usage) return null;
  const money = usage.runs.find((each) => each.pid === pid)?.money ?? null;
  return (
    <Section title="Money" note={process.metered ? "counted at aetherd's gateway, call by call" : "nothing of this run went through the gateway: only its runtime tells"}>
      <div className="rounded-xl border border-line bg-panel p-4" data-testid="money">
        <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2 lg:grid-cols-3">
          {money && <Spent label="this run, and what it starts" spending={money} testid="money-run" />}
          {usage.spending.map((each) => (
            <Spent key={each.period} label={each.period === "day" ? "this agent today" : "this agent this month"} spending={each} testid={`money-${each.period}`} />
          ))}
        </div>
        {money && <Told money={money} />}
        {!ended(process) && <Budget pid={pid} limit={money?.limit_usd ?? null} onSet={look} />}
      </div>
    </Section>
  );
}

/** What the runtime says of itself, beside what was counted. */
function Told({ money }: { money: NonNullable<Usage["runs"][number]["money"]> }) {
  const words = [
    money.difference_usd === null ? "" : `Its runtime says ${dollars(money.claimed_usd)} and ${count(money.claimed_tokens)} tokens; counted were ${dollars(money.own_usd)} and ${count(money.own_tokens)}.`,
    `${money.calls} ${money.calls === 1 ? "call" : "calls"} to models${money.limit_steps === null ? "" : ` of ${money.limit_steps}`}, ${money.tool_calls} to tools.`,
    money.unpriced ? `${money.unpriced} without a known price: not in the dollars.` : "",
    money.estimated ? `${money.estimated} counted as the most they could cost, because nobody told.` : "",
  ].filter(Boolean);
  return <p className="mt-3 text-xs text-faint">{words.join(" ")}</p>;
}

function Budget({ pid, limit, onSet }: { pid: number; limit: number | null; onSet: () => void }) {
  const now = limit === null ? "" : String(limit);
  const [text, setText] = useState<string | null>(null);
  const changed = text !== null && text !== now;
  const save = async () => {
    const budget = Number(text) > 0 ? Number(text) : null;
    if (!(await attempt("Setting the budget", () => client.quota.set({ pid, budget })))) return;
    setText(null);
    onSet();
  };
  return (
    <form
      className="mt-4 flex flex-wrap items-end gap-3 border-t border-line pt-4"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div className="w-48">
        <Labelled label="Budget of this run" hint="USD">
          <input type="number" inputMode="decimal" min={0} step="any" data-testid="budget" className="field tabular" placeholder="none of its own" value={text ?? now} onChange={(event) => setText(event.target.value)} />
        </Labelled>
      </div>
      <Button type="submit" small look={changed ? "primary" : "plain"} disabled={!changed} data-testid="budget-save">
        Set it now
      </Button>
      <span className="min-w-0 flex-1 text-xs text-faint">A call that could go past it is refused before it is made.</span>
    </form>
  );
}
