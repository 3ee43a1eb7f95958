import { Plus } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { Button } from "../parts/button";
import { Page, Section } from "../parts/page";
import { HOUSE } from "../shell/places";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import { NewProvider } from "./new-provider";
import { ProviderRow } from "./provider";
import { Together } from "./together";
import { Used } from "./used";

type Providers = Operations["model.providers"]["output"];
export type Provider = Providers["providers"][number];
export type Change = Operations["model.configure"]["input"];

/** Which models agents reach through the house, whose keys never leave it, and what that costs. */
export default function Models() {
  const [found, setFound] = useState<Providers | null>(null);
  const [adding, setAdding] = useState(false);
  const look = useCallback(async () => setFound((await attempt("Listing providers", () => client.model.providers())) ?? null), []);
  useFollowed(look, "model");
  const change = async (wanted: Change) => {
    const now = await attempt("Setting it", () => client.model.configure(wanted));
    if (now) setFound(now);
    return !!now;
  };
  return (
    <Page
      title="Models"
      places={HOUSE}
      lead={<p className="text-sm text-dim">Agents ask models through aetherd. Their keys stay with the daemon: no agent, event or log ever has one.</p>}
      actions={
        <Button icon={<Plus size={15} />} data-testid="provider-new" onClick={() => setAdding(true)}>
          Provider
        </Button>
      }
    >
      <Section title="Providers">
        <ul className="overflow-hidden rounded-xl border border-line bg-panel" data-testid="providers">
          {found?.providers.map((each) => (
            <ProviderRow key={each.name} provider={each} onChange={(wanted) => change({ provider: each.name, ...wanted })} />
          ))}
        </ul>
        {found && (
          <p className="mt-2 text-xs text-faint">
            Prices as of {found.prices_date}, from {found.prices_source}. A budget in USD refuses a model without a known price, unless tokens are bounded, too.
          </p>
        )}
      </Section>
      {found && found.rules.length > 0 && <Rules rules={found.rules} />}
      <Together />
      <Used />
      {adding && <NewProvider onAdd={change} onClose={() => setAdding(false)} />}
    </Page>
  );
}

/** How calls are routed: read only, as who writes rules writes them as JSON. */
function Rules({ rules }: { rules: Providers["rules"] }) {
  const words = (when: Providers["rules"][number]["when"]) =>
    Object.entries(when)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${String(value)}`)
      .join(", ") || "every call";
  return (
    <Section title="Routing" note="the first rule that fits decides; aetherctl model route shows why">
      <ol className="overflow-hidden rounded-xl border border-line bg-panel text-sm">
        {rules.map((rule) => (
          <li key={rule.name} className="flex flex-wrap items-baseline gap-x-3 border-b border-line px-4 py-2 last:border-0">
            <span className="font-medium">{rule.name}</span>
            <span className="text-dim">{words(rule.when)}</span>
            <span className="ml-auto font-mono text-xs text-dim">{rule.to.map((to) => [to.provider, to.model].filter(Boolean).join("/") || "as asked").join(", else ")}</span>
          </li>
        ))}
      </ol>
    </Section>
  );
}
