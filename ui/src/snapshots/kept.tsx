import { useCallback, useState } from "react";
import { client } from "../generated/client";
import { bytes } from "../model/format";
import { Link } from "../parts/link";
import { Section } from "../parts/page";
import { useFleet } from "../state/fleet";
import { useFollowed } from "../state/news";
import { agentPath } from "../state/route";
import type { Snapshot } from "./page";

const MOST = 500;

/** What snapshots take on this disk, by agent. */
export function KeptSnapshots() {
  const [found, setFound] = useState<{ snapshots: Snapshot[]; more: boolean } | null>(null);
  const processes = useFleet((fleet) => fleet.processes);
  const look = useCallback(() => client.snapshot.list({ limit: MOST }).then((page) => setFound({ snapshots: page.snapshots, more: page.cursor !== null }), () => {}), []);
  useFollowed(look, "snapshot");
  if (!found) return null;
  const stored = (list: readonly Snapshot[]) => list.reduce((sum, each) => sum + each.stored, 0);
  const agents = [...new Set(found.snapshots.map((each) => each.agent))]
    .map((agent) => found.snapshots.filter((each) => each.agent === agent))
    .map((list) => ({ agent: list[0]!.agent, list, stored: stored(list) }))
    .sort((a, b) => b.stored - a.stored);
  return (
    <Section title="Snapshots" note={found.snapshots.length > 0 && `${found.more ? "the newest " : ""}${found.snapshots.length}, ${bytes(stored(found.snapshots))} on disk`}>
      <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm" data-testid="kept-snapshots">
        {agents.map(({ agent, list, stored: size }) => {
          const run = Object.values(processes)
            .filter((each) => each.agent === agent)
            .sort((a, b) => b.pid - a.pid)[0];
          const name = list[0]!.agent_name;
          return (
            <li key={agent} className="flex items-baseline gap-4 border-b border-line px-4 py-2 last:border-0">
              {run ? (
                <Link href={agentPath(run.pid, "snapshots")} className="min-w-0 flex-1 truncate font-medium hover:underline">
                  {name}
                </Link>
              ) : (
                <span className="min-w-0 flex-1 truncate font-medium">{name}</span>
              )}
              <span className="text-dim tabular">{list.length === 1 ? "1 snapshot" : `${list.length} snapshots`}</span>
              <span className="w-20 text-right text-dim tabular">{bytes(size)}</span>
            </li>
          );
        })}
        {agents.length === 0 && <li className="px-4 py-3 text-faint">None yet. An agent's page has a tab for them.</li>}
      </ul>
    </Section>
  );
}
