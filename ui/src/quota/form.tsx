import { useCallback, useState } from "react";
import { LIMITS } from "../agents/walls";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";

type Quota = Operations["quota.get"]["output"];
type Bound = keyof Quota["own"];

/** What is spent at models, by the gateway's count. */
const MONEY: readonly { name: Bound; label: string; unit: string; times: number; least: number }[] = [
  { name: "budget", label: "Money of a run", unit: "USD", times: 1, least: 0 },
  { name: "day_usd", label: "in a day", unit: "USD", times: 1, least: 0 },
  { name: "month_usd", label: "in a month", unit: "USD", times: 1, least: 0 },
  { name: "tokens", label: "Tokens of a run", unit: "thousands", times: 1000, least: 1 },
  { name: "steps", label: "Steps of a run", unit: "calls", times: 1, least: 1 },
];
const BOUNDS: typeof MONEY = [...LIMITS, ...MONEY];

/** The most that runs from now on may use: of one agent, or of all. */
export function QuotaForm({ agent }: { agent: string | null }) {
  const [quota, setQuota] = useState<Quota | null>(null);
  const [values, setValues] = useState<Partial<Record<Bound, string>>>({});
  const look = useCallback(() => client.quota.get(agent === null ? {} : { agent }).then(setQuota, () => {}), [agent]);
  useFollowed(look, "quota");
  if (!quota) return null;

  const set = agent === null ? quota.everyone : quota.own;
  const text = (value: number | null | undefined, times: number) => (typeof value === "number" ? String(value / times) : "");
  const changed = BOUNDS.filter(({ name, times }) => values[name] !== undefined && values[name] !== text(set[name], times));
  const save = async () => {
    const wanted = Object.fromEntries(changed.map(({ name, times }) => [name, Number(values[name]) > 0 ? Number(values[name]) * times : null]));
    const found = await attempt("Setting the bounds", () => client.quota.set({ ...(agent !== null && { agent }), ...wanted }));
    if (!found) return;
    setQuota(found);
    setValues({});
  };
  return (
    <form
      data-testid="quota"
      className="rounded-xl border border-line bg-panel p-4"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-5">
        {BOUNDS.map(({ name, label, unit, least, times }) => (
          <Labelled key={name} label={label} hint={unit}>
            <input
              type="number"
              inputMode="decimal"
              min={least}
              step="any"
              data-testid={`quota-${name}`}
              className="field tabular"
              placeholder={agent === null ? "no bound" : text(quota.everyone[name], times) ? `${text(quota.everyone[name], times)}, as all` : "no bound"}
              value={values[name] ?? text(set[name], times)}
              onChange={(event) => setValues({ ...values, [name]: event.target.value })}
            />
          </Labelled>
        ))}
      </div>
      <div className="mt-3 flex flex-wrap items-center gap-3">
        <Button type="submit" small look={changed.length ? "primary" : "plain"} disabled={changed.length === 0}>
          Save
        </Button>
        <span className="min-w-0 flex-1 text-xs text-faint">
          {agent === null ? "For each run of every agent of yours" : "For each run of this agent"}, from the next one on; the disk, days and months from now on. Enforced by {quota.enforced_by}
          {quota.lacking && <span className="text-limit">: {quota.lacking}</span>}.
        </span>
      </div>
    </form>
  );
}
