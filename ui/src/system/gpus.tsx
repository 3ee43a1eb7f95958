import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { bytes } from "../model/format";
import { Link } from "../parts/link";
import { Meter } from "../parts/meter";
import { Section } from "../parts/page";
import { useFleet } from "../state/fleet";
import { useFollowed } from "../state/news";
import { usePulse } from "../state/pulse";
import { agentPath } from "../state/route";

type Gpus = Operations["gpu.list"]["output"];
type Reading = Operations["gpu.stats"]["output"]["gpus"][number];

const PULSE_MS = 3_000;

/** The GPUs of this machine, what each does, and who has it. */
export function Gpus() {
  const [found, setFound] = useState<Gpus | null>(null);
  const [readings, setReadings] = useState<Record<string, Reading>>({});
  const processes = useFleet((fleet) => fleet.processes);
  const look = useCallback(() => client.gpu.list().then(setFound, () => {}), []);
  const read = useCallback(() => client.gpu.stats().then((stats) => setReadings(Object.fromEntries(stats.gpus.map((each) => [each.id, each]))), () => {}), []);
  useFollowed(look, "gpu", "process");
  usePulse(read, PULSE_MS, !!found?.gpus.length);
  if (!found) return null;
  return (
    <Section title="GPUs" note={found.driver && `driver ${found.driver}`}>
      {found.gpus.length === 0 ? (
        <p className="rounded-xl border border-line bg-panel px-4 py-3 text-sm text-dim" data-testid="gpus">
          None here: {found.reason ?? "this machine has none"}.
        </p>
      ) : (
        <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm" data-testid="gpus">
          {found.gpus.map((each) => {
            const now = readings[each.id];
            const has = each.pid === null ? undefined : processes[each.pid];
            return (
              <li key={each.id} className="grid gap-x-6 gap-y-2 border-b border-line px-4 py-3 last:border-0 md:grid-cols-[minmax(0,1fr)_12rem_12rem]">
                <div className="min-w-0">
                  <p className="font-medium">
                    {each.index} {each.name}
                  </p>
                  <p className="text-xs text-dim">
                    {each.free ? (
                      "free"
                    ) : each.pid === null ? (
                      "somebody else has it"
                    ) : (
                      <>
                        <Link href={agentPath(each.pid, "walls")} className="underline">
                          {has?.name ?? "an agent"}, pid {each.pid}
                        </Link>{" "}
                        has it
                      </>
                    )}
                    {now?.temperature_c != null && ` · ${now.temperature_c} °C`}
                    {now?.power_w != null && ` · ${Math.round(now.power_w)} W`}
                  </p>
                </div>
                <Meter label="memory" value={now?.memory_used_bytes == null ? "…" : bytes(now.memory_used_bytes)} of={bytes(each.memory_bytes)} fraction={now?.memory_used_bytes == null ? null : now.memory_used_bytes / each.memory_bytes} />
                <Meter label="at work" value={now?.utilisation_percent == null ? "not told" : `${now.utilisation_percent}%`} fraction={now?.utilisation_percent == null ? null : now.utilisation_percent / 100} />
              </li>
            );
          })}
        </ul>
      )}
    </Section>
  );
}
