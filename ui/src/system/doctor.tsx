import { Check, TriangleAlert, X } from "lucide-react";
import { useEffect, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { Section } from "../parts/page";
import { attempt } from "../state/toasts";

type Report = Operations["system.doctor"]["output"];

/** What this machine has and lacks, and how to get it. */
export function Doctor() {
  const [report, setReport] = useState<Report | null>(null);
  useEffect(() => {
    void attempt("Asking the doctor", () => client.system.doctor()).then((found) => setReport(found ?? null));
  }, []);
  if (!report) return null;
  return (
    <Section title="Doctor">
      <ul className="overflow-hidden rounded-xl border border-line bg-panel">
        {report.runtimes.map((each) => (
          <Row key={each.name} state={each.available ? "ok" : "missing"} name={each.title} detail={each.version ?? each.summary} fix={each.missing} />
        ))}
        {report.checks.map((each) => (
          <Row key={each.name} state={each.state} name={each.name} detail={each.detail} fix={each.fix} />
        ))}
      </ul>
    </Section>
  );
}

const SIGNS = {
  ok: <Check size={15} className="self-center max-sm:self-start max-sm:mt-0.5 text-work" aria-label="ok" />,
  warning: <TriangleAlert size={15} className="self-center max-sm:self-start max-sm:mt-0.5 text-limit" aria-label="warning" />,
  missing: <X size={15} className="self-center max-sm:self-start max-sm:mt-0.5 text-limit" aria-label="missing" />,
  failed: <X size={15} className="self-center max-sm:self-start max-sm:mt-0.5 text-fail" aria-label="failed" />,
};

function Row({ state, name, detail, fix }: { state: keyof typeof SIGNS; name: string; detail: string | null; fix: string | null }) {
  return (
    <li className="grid grid-cols-[1.25rem_minmax(0,1fr)] items-baseline gap-x-3 sm:grid-cols-[1.25rem_minmax(0,11rem)_minmax(0,1fr)] border-b border-line px-4 py-2 text-sm last:border-0">
      {SIGNS[state]}
      <span className="font-medium wrap-anywhere">{name}</span>
      <span className="min-w-0 text-dim wrap-anywhere max-sm:col-start-2">
        {detail}
        {state !== "ok" && fix && <span className="block text-xs text-limit">{fix}</span>}
      </span>
    </li>
  );
}
