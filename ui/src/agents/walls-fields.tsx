import { TriangleAlert } from "lucide-react";
import { type Tier, autoTier } from "../model/doctor";
import { Labelled } from "../parts/labelled";
import { Radios } from "../parts/radios";
import { Choice } from "./spawn-fields";
import { LIMITS, type WallsForm, rulesOf } from "./walls";

const MEANS: Record<Tier["name"], string> = {
  bwrap: "namespaces: its home, its workspaces, the system's programs",
  docker: "a hardened container with an image of its own",
  host: "NO SANDBOX",
};
const EXAMPLES = "api.anthropic.com\n*.pythonhosted.org\n127.0.0.1:4567";

interface Props {
  form: WallsForm;
  tiers: readonly Tier[];
  /** how agents without a sandbox are kept apart here */
  alone: string;
  /** an agent that has a policy already */
  again: boolean;
  onChange: (form: WallsForm) => void;
}

/** Which walls a new agent gets, what reaches through them, and how much it may use. */
export function WallsFields({ form, tiers, alone, again, onChange }: Props) {
  const put = (change: Partial<WallsForm>) => onChange({ ...form, ...change });
  const auto = autoTier(tiers, form.image.trim() !== "");
  const host = (form.tier || auto) === "host";
  const networks = [
    ...(again ? [{ value: "" as const, label: "As before" }] : []),
    { value: again ? ("all" as const) : ("" as const), label: "Public" },
    { value: "list" as const, label: "Listed hosts" },
    { value: "none" as const, label: "None" },
  ];
  return (
    <div className="space-y-4" data-testid="walls-fields">
      <fieldset className="min-w-0">
        <legend className="mb-1.5 text-xs text-dim">Sandbox</legend>
        <div className="space-y-1.5">
          <Choice name="tier" testid="tier-auto" chosen={form.tier === ""} onChoose={() => put({ tier: "" })} title="auto" alarm={auto === "host"} note={auto === "host" ? "host, as the daemon is set: no sandbox" : auto ? `here: ${auto}` : "nothing but host works here: choose it by its name, or mend what is said below"} />
          {tiers.map((tier) => (
            <div key={tier.name}>
              <Choice
                name="tier"
                testid={`tier-${tier.name}`}
                chosen={form.tier === tier.name}
                disabled={!tier.works}
                alarm={tier.name === "host"}
                onChoose={() => put({ tier: tier.name })}
                title={tier.name}
                note={tier.name === "host" || tier.works ? MEANS[tier.name] : "does not work here"}
              />
              {tier.reason && <p className="mt-1 px-3 text-xs text-dim wrap-anywhere">{tier.reason}</p>}
            </div>
          ))}
        </div>
        {host && (
          <p data-testid="host-warning" className="mt-2 flex gap-2 rounded-lg border border-fail/40 bg-fail/10 px-3 py-2 text-xs text-fail">
            <TriangleAlert size={14} className="mt-px shrink-0" />
            <span className="wrap-anywhere">
              No sandbox: it sees this machine's files, processes and network, and no network policy can hold it.{alone && ` On this machine: ${alone}.`}
            </span>
          </p>
        )}
      </fieldset>
      {!host && (
        <>
          {(form.tier === "docker" || (form.tier === "" && tiers.some((each) => each.name === "docker" && each.works))) && (
            <Labelled label="Image" hint="for docker; ours if empty">
              <input className="field font-mono text-xs" placeholder="aetherd/base" value={form.image} onChange={(event) => put({ image: event.target.value })} />
            </Labelled>
          )}
          <fieldset className="min-w-0">
            <legend className="mb-1.5 text-xs text-dim">Network</legend>
            <Radios label="Network" options={networks} chosen={form.network} onChoose={(network) => put({ network })} />
            <p className="mt-1.5 text-xs text-dim">
              {form.network === "none"
                ? "Nothing but aetherd's own tools. A model that is reached over the network is not reached either."
                : form.network === "list"
                  ? "Only these, one per line; everything else is refused and written down. *.name is every host below that name. A service of this machine is opened by 127.0.0.1 and its port."
                  : form.network === "" && again
                    ? "The policy this agent has."
                    : "Public addresses. This machine and the networks it stands in stay closed. Every request is written down."}
            </p>
            {form.network === "list" && (
              <textarea
                aria-label="Hosts it may reach"
                data-testid="network-rules"
                className="field mt-2 block min-h-24 font-mono text-xs"
                placeholder={EXAMPLES}
                value={form.rules}
                onChange={(event) => put({ rules: event.target.value })}
              />
            )}
            {form.network === "list" && rulesOf(form.rules).length === 0 && <p className="mt-1 text-xs text-limit">No host yet: as it stands it reaches nothing.</p>}
          </fieldset>
        </>
      )}
      <label className="flex items-baseline gap-2.5 text-sm">
        <input type="checkbox" data-testid="graphical" className="accent-(--ink)" checked={form.graphical} onChange={(event) => put({ graphical: event.target.checked })} />
        <span>
          With a desktop <span className="text-xs text-faint">a screen of its own for programs with windows; you can watch it and take it over</span>
        </span>
      </label>
      <fieldset className="min-w-0">
        <legend className="mb-1.5 text-xs text-dim">Limits, for all its programs together; empty is what the daemon is set to</legend>
        <div className="grid grid-cols-2 gap-3 sm:grid-cols-3">
          {LIMITS.map(({ name, label, unit, least }) => (
            <Labelled key={name} label={label} hint={unit}>
              <input
                type="number"
                inputMode="decimal"
                min={least}
                step="any"
                data-testid={`limit-${name}`}
                className="field tabular"
                value={form.limits[name]}
                onChange={(event) => put({ limits: { ...form.limits, [name]: event.target.value } })}
              />
            </Labelled>
          ))}
          <Labelled label="GPUs" hint="of its own">
            <input type="number" inputMode="numeric" min={0} step={1} data-testid="spawn-gpu" className="field tabular" value={form.gpu} onChange={(event) => put({ gpu: event.target.value })} />
          </Labelled>
        </div>
      </fieldset>
    </div>
  );
}
