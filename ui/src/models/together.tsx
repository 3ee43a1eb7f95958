import { type FormEvent, useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { Spent } from "../money/spent";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Section } from "../parts/page";
import { useFollowed } from "../state/news";
import { usePulse } from "../state/pulse";
import { attempt } from "../state/toasts";

type Quota = Operations["quota.get"]["output"];

const FIELDS = [
  { name: "day_usd", label: "At most in a day", unit: "USD" },
  { name: "month_usd", label: "At most in a month", unit: "USD" },
] as const;
const PULSE_MS = 5_000;

/** What all agents of a person spend together, and the most they may. */
export function Together() {
  const [quota, setQuota] = useState<Quota | null>(null);
  const [values, setValues] = useState<Partial<Record<(typeof FIELDS)[number]["name"], string>>>({});
  const look = useCallback(() => client.quota.get({}).then(setQuota, () => {}), []);
  useFollowed(look, "quota");
  usePulse(look, PULSE_MS);
  if (!quota) return null;
  const text = (name: (typeof FIELDS)[number]["name"]) => (quota.user[name] === null || quota.user[name] === undefined ? "" : String(quota.user[name]));
  const changed = FIELDS.filter(({ name }) => values[name] !== undefined && values[name] !== text(name));
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const wanted = Object.fromEntries(changed.map(({ name }) => [name, Number(values[name]) > 0 ? Number(values[name]) : null]));
    const found = await attempt("Setting the budget", () => client.quota.set({ of: "user", ...wanted }));
    if (!found) return;
    setQuota(found);
    setValues({});
  };
  return (
    <Section title="Spent by all your agents" note="days and months are those of UTC">
      <form className="rounded-xl border border-line bg-panel p-4" data-testid="together" onSubmit={(event) => void save(event)}>
        <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
          {quota.spending
            .filter((each) => each.budget === "user")
            .map((each) => (
              <Spent key={each.period} label={each.period === "day" ? "today" : "this month"} spending={each} testid={`together-${each.period}`} />
            ))}
          {FIELDS.map(({ name, label, unit }) => (
            <Labelled key={name} label={label} hint={unit}>
              <input type="number" inputMode="decimal" min={0} step="any" data-testid={`together-${name}`} className="field tabular" placeholder="no bound" value={values[name] ?? text(name)} onChange={(event) => setValues({ ...values, [name]: event.target.value })} />
            </Labelled>
          ))}
        </div>
        <div className="mt-3 flex flex-wrap items-center gap-3">
          <Button type="submit" small look={changed.length ? "primary" : "plain"} disabled={changed.length === 0} data-testid="together-save">
            Save
          </Button>
          <span className="min-w-0 flex-1 text-xs text-faint">A call that could go past a bound is refused before it is made; from four fifths on you are told.</span>
        </div>
      </form>
    </Section>
  );
}
