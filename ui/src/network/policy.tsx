import { X } from "lucide-react";
import { useCallback, useState } from "react";
import { rulesOf } from "../agents/walls";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { ended } from "../model/conditions";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { NewLine } from "../parts/new-line";
import { Section } from "../parts/page";
import { Radios } from "../parts/radios";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import { Log } from "./log";

export type Policy = Operations["network.policy"]["output"];
type Mode = Policy["mode"];

const MODES: { value: Mode; label: string }[] = [
  { value: "all", label: "Public" },
  { value: "rules", label: "Listed hosts" },
  { value: "none", label: "None" },
];
const MEANS: Record<Mode, string> = {
  all: "Every public address; of this machine and the networks it stands in only what is listed.",
  rules: "Only what is listed here; everything else is refused, and stands below.",
  none: "Nothing but aetherd's own tools.",
};

/** What the agent may reach, and what it tried: a refused host is one click from being allowed. */
export function Network({ process }: { process: Process }) {
  const { agent } = process;
  const [policy, setPolicy] = useState<Policy | null>(null);
  const look = useCallback(() => client.network.policy({ agent }).then(setPolicy, () => {}), [agent]);
  useFollowed(look, "network");
  const put = async (mode: Mode, rules: readonly string[]) => {
    const found = await attempt("Setting the network policy", () => client.network.set_policy({ agent, mode, rules: [...rules] }));
    if (found) setPolicy(found);
    return !!found;
  };
  if (!policy) return null;
  const allow = (rule: string) => put(policy.mode === "none" ? "rules" : policy.mode, policy.rules.includes(rule) ? policy.rules : [...policy.rules, rule]);
  return (
    <>
      <Section title="Network" note="it holds at once, for all its programs">
        <div className="rounded-xl border border-line bg-panel p-4" data-testid="network" data-mode={policy.mode}>
          <Radios label="What it may reach" options={MODES} chosen={policy.mode} onChoose={(mode) => void put(mode, policy.rules)} />
          <p className="mt-2 text-sm text-dim">{MEANS[policy.mode]}</p>
          {(policy.mode === "rules" || (policy.mode === "all" && policy.rules.length > 0)) && (
            <>
              <ul className="mt-3 divide-y divide-line border-y border-line" data-testid="network-rules" aria-label="Allowed">
                {policy.rules.map((rule) => (
                  <li key={rule} className="flex items-center gap-2 py-1">
                    <code className="min-w-0 flex-1 font-mono text-xs wrap-anywhere">{rule}</code>
                    <Button small look="quiet" icon={<X size={13} />} aria-label={`Close ${rule}`} onClick={() => void put(policy.mode, policy.rules.filter((each) => each !== rule))} />
                  </li>
                ))}
                {policy.rules.length === 0 && <li className="py-2 text-sm text-limit">No host yet: it reaches nothing.</li>}
              </ul>
              <div className="mt-3">
                <NewLine name="rule" field="host" label="A host it may reach" hint="*.pypi.org, api.github.com, 127.0.0.1:4567" most={1000} word="Allow" onMake={(text) => put(policy.mode, [...new Set([...policy.rules, ...rulesOf(text)])])} />
              </div>
            </>
          )}
        </div>
      </Section>
      <Log agent={agent} live={!ended(process)} policy={policy} onAllow={allow} />
    </>
  );
}
