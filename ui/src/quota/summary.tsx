import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { bytes } from "../model/format";
import { Link } from "../parts/link";
import { Meter } from "../parts/meter";
import { Section } from "../parts/page";
import { usePulse } from "../state/pulse";
import { agentPath } from "../state/route";
import { QuotaForm } from "./form";

type Summary = Operations["quota.summary"]["output"];

const PULSE_MS = 5_000;
const SHOWN = 100;

/** What every agent uses just now, and the most that any may. */
export function QuotaSummary() {
  const [found, setFound] = useState<Summary | null>(null);
  const look = useCallback(() => client.quota.summary({ limit: SHOWN }).then(setFound, () => {}), []);
  usePulse(look, PULSE_MS);
  if (!found) return null;
  const runs = found.agents.flatMap((each) => each.runs);
  const sum = (values: (number | null)[]) => values.reduce<number>((all, value) => all + (value ?? 0), 0);
  const memory = sum(runs.map((each) => each.memory_bytes));
  const disk = sum(found.agents.map((each) => each.disk_bytes));
  const busy = found.agents.filter((each) => each.runs.length > 0);
  return (
    <>
      <Section title="What agents use" note={`${found.cores} cores, measured every ${PULSE_MS / 1000} seconds`}>
        <div className="rounded-xl border border-line bg-panel p-4" data-testid="quota-summary">
          <div className="grid gap-x-8 gap-y-4 sm:grid-cols-3">
            <Meter label="memory" value={bytes(memory)} of={bytes(found.memory_bytes)} fraction={memory / found.memory_bytes} />
            <Meter label="homes on disk" value={bytes(disk)} of={`${bytes(disk + found.disk_free_bytes)}`} fraction={disk / (disk + found.disk_free_bytes)} />
            <Meter label="processes and threads" value={String(sum(runs.map((each) => each.processes)))} />
          </div>
          {busy.length > 0 && (
            <ul className="mt-4 border-t border-line pt-2 text-sm">
              {busy.map((each) =>
                each.runs.map((run) => (
                  <li key={run.pid} className="grid grid-cols-[minmax(0,1fr)_auto_auto] gap-x-4 py-1 sm:grid-cols-[minmax(0,12rem)_5rem_repeat(3,minmax(0,1fr))]">
                    <Link href={agentPath(run.pid, "walls")} className="min-w-0 truncate font-medium hover:underline">
                      {each.name} <span className="font-mono text-xs font-normal text-faint">{run.pid}</span>
                    </Link>
                    <span className={run.tier === "host" ? "text-fail" : "text-faint"}>{run.tier}</span>
                    <span className="text-right text-dim tabular">{run.memory_bytes === null ? "" : bytes(run.memory_bytes)}</span>
                    <span className="text-right text-dim tabular max-sm:hidden">{run.processes === null ? "" : `${run.processes} ${run.processes === 1 ? "process" : "processes"}`}</span>
                    <span className="text-right text-dim tabular max-sm:hidden">{each.disk_bytes === null ? "" : `${bytes(each.disk_bytes)} on disk`}</span>
                  </li>
                )),
              )}
            </ul>
          )}
          {busy.length === 0 && <p className="mt-3 text-sm text-faint">No agent runs just now.</p>}
        </div>
      </Section>
      <Section title="The most that any agent may use">
        <QuotaForm agent={null} />
      </Section>
    </>
  );
}
