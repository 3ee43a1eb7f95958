import { useState } from "react";
import { client } from "../generated/client";
import { dollars } from "../model/format";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Modal } from "../parts/modal";
import { go } from "../state/route";
import { attempt } from "../state/toasts";
import { type Flow, flowPath } from "./looks";

const EXAMPLE = `name: review
steps:
  - name: look
    agent: Read the newest commit and list what could break.
  - name: go-on
    ask: Shall it be mended?
  - name: mend
    agent: "Mend this: {{ steps.look.output }}"
`;

/** A flow as text: checked first, with its plan and its worst case, then run. */
export function NewFlow({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [inputs, setInputs] = useState("");
  const [plan, setPlan] = useState<Flow["plan"] | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async (dry_run: boolean) => {
    setBusy(true);
    const made = await attempt(dry_run ? "Checking" : "Starting the flow", () => client.flow.run({ flow: text, dry_run, ...(inputs.trim() && { inputs: JSON.parse(inputs) as Record<string, unknown> }) }));
    setBusy(false);
    if (!made) return;
    if (dry_run) return setPlan(made.plan ?? null);
    onClose();
    if (made.id) go(flowPath(made.id));
  };
  return (
    <Modal title="Run a flow" wide onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void run(!plan);
        }}
      >
        <Labelled label="Definition" hint="YAML">
          <textarea data-testid="flow-text" spellCheck={false} className="field block min-h-64 font-mono text-xs leading-relaxed" placeholder={EXAMPLE} value={text} onChange={(event) => (setPlan(null), setText(event.target.value))} />
        </Labelled>
        <Labelled label="Inputs" hint="JSON, if it names any">
          <input className="field font-mono text-xs" placeholder="{}" value={inputs} onChange={(event) => (setPlan(null), setInputs(event.target.value))} />
        </Labelled>
        {plan && <PlanView plan={plan} />}
        <div className="flex flex-wrap items-center justify-end gap-2">
          {!text && (
            <Button look="quiet" className="mr-auto" onClick={() => setText(EXAMPLE)}>
              Begin with the example
            </Button>
          )}
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="primary" data-testid="flow-submit" disabled={busy || !text.trim()}>
            {plan ? "Run it" : "Check it"}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function PlanView({ plan }: { plan: NonNullable<Flow["plan"]> }) {
  const { most_steps, most_agents, worst_case_usd, unbounded, budget } = plan;
  return (
    <div data-testid="flow-plan" className="rounded-xl border border-line bg-ground/50 px-4 py-3 text-sm">
      <ol className="space-y-1">
        {plan.steps.map((each) => (
          <li key={each.step} className="flex flex-wrap items-baseline gap-x-2" style={{ paddingLeft: `${1.1 * Math.min(each.step.split("/").length - 1, 6)}rem` }}>
            <span className="font-medium">{each.step.split("/").at(-1)}</span>
            <span className="text-xs text-faint">
              {each.kind}
              {each.times > 1 && `, ${each.times} times`}
              {each.max_parallel !== null && `, ${each.max_parallel} at a time`}
              {each.needs.length > 0 && `, after ${each.needs.join(", ")}`}
            </span>
            <span className="min-w-0 flex-1 truncate text-xs text-dim">{each.what}</span>
          </li>
        ))}
      </ol>
      <p className="mt-2 text-xs text-dim">
        At most {most_steps === 1 ? "1 step" : `${most_steps} steps`} and {most_agents === 1 ? "1 agent" : `${most_agents} agents`};{" "}
        {worst_case_usd !== null ? `${dollars(worst_case_usd)} at worst` : budget !== null ? `stopped at ${dollars(budget)}` : <span className="text-limit">what it may cost has no bound: {unbounded.join(", ")}</span>}.
      </p>
    </div>
  );
}
