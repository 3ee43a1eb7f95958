import { Check, CircleX, FlaskConical, Minus } from "lucide-react";
import { useState } from "react";
import { client } from "../../generated/client";
import type { Operations } from "../../generated/types";
import { span } from "../../model/format";
import { Button } from "../../parts/button";
import { Section } from "../../parts/page";
import { attempt } from "../../state/toasts";

type Tested = Operations["skill.test"]["output"];

/** Its own tests, really run in the sandbox of a throw-away agent. */
export function Trial({ skill }: { skill: string }) {
  const [tested, setTested] = useState<Tested | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    const found = await attempt("Testing", () => client.skill.test({ skill }));
    setBusy(false);
    if (found) setTested(found);
  };
  return (
    <Section
      title="Test"
      note={
        <Button small icon={<FlaskConical size={13} />} disabled={busy} onClick={() => void run()}>
          {busy ? "Testing" : "Run its tests"}
        </Button>
      }
    >
      {tested && (
        <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm" data-testid="tested" data-passed={tested.passed}>
          {tested.cases.map((each) => (
            <li key={each.name} className="border-b border-line px-4 py-2 last:border-0">
              <p className="flex items-center gap-2">
                {each.passed ? <Check size={15} className="shrink-0 text-work" aria-label="passed" /> : <CircleX size={15} className="shrink-0 text-fail" aria-label="failed" />}
                <span className="font-medium">{each.name}</span>
                <span className="min-w-0 text-fail wrap-anywhere">{each.problem}</span>
              </p>
              <ul className="mt-1 ml-6 space-y-0.5 text-xs text-dim">
                {each.steps.map((step) => (
                  <li key={step.name} className="flex items-center gap-2">
                    {step.state === "failed" ? <CircleX size={12} className="text-fail" aria-label="failed" /> : step.state === "done" ? <Check size={12} className="text-work" aria-label="done" /> : <Minus size={12} aria-label="skipped" />}
                    {step.name} <span className="text-faint">{step.kind}</span>
                    {step.ms >= 1000 && <span className="text-faint tabular">{span(step.ms)}</span>}
                    {step.problem && <span className="min-w-0 truncate text-fail">{step.problem}</span>}
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
