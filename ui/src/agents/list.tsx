import { Plus } from "lucide-react";
import { useMemo, useState } from "react";
import { type Condition, type Group, conditionOf, groupOf, rank } from "../model/conditions";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Page } from "../parts/page";
import { useDialogs } from "../state/dialogs";
import { useFleet } from "../state/fleet";
import { useKeys } from "../state/keys";
import { agentPath, go } from "../state/route";
import { FirstAgent } from "./first-agent";
import { AgentRow } from "./row";

const GROUPS: { group: Group; title: string; word: string }[] = [
  { group: "needs", title: "Needs you", word: "need you" },
  { group: "working", title: "Working", word: "working" },
  { group: "quiet", title: "Quiet", word: "quiet" },
  { group: "ended", title: "Ended", word: "ended" },
];
const ENDED_SHOWN = 8;

export interface Standing {
  process: Process;
  condition: Condition;
  group: Group;
}

/** The fleet in the order of who needs me; a stable order within one condition. */
export function useStandings(): Standing[] {
  const processes = useFleet((fleet) => fleet.processes);
  const leases = useFleet((fleet) => fleet.leases);
  const seen = useFleet((fleet) => fleet.seen);
  return useMemo(
    () =>
      Object.values(processes)
        .map((process) => {
          const condition = conditionOf(process, leases[process.pid]?.requested);
          return { process, condition, group: groupOf(condition, process, seen[process.pid]) };
        })
        .sort((a, b) =>
          a.group === "ended" && b.group === "ended"
            ? (b.process.exited_at ?? "").localeCompare(a.process.exited_at ?? "")
            : rank(a.condition) - rank(b.condition) || b.process.pid - a.process.pid,
        ),
    [processes, leases, seen],
  );
}

export function AgentList() {
  const ready = useFleet((fleet) => fleet.ready);
  const standings = useStandings();
  const show = useDialogs((dialogs) => dialogs.show);
  const [only, setOnly] = useState<Group | null>(null);
  const [all, setAll] = useState(false);
  const [chosen, setChosen] = useState(0);

  const groups = GROUPS.map((each) => ({ ...each, rows: standings.filter((row) => row.group === each.group) }));
  const shown = groups
    .filter((each) => each.rows.length && (!only || only === each.group))
    .map((each) => (each.group === "ended" && !all && only !== "ended" ? { ...each, rows: each.rows.slice(0, ENDED_SHOWN), total: each.rows.length } : { ...each, total: each.rows.length }));
  const flat = shown.flatMap((each) => each.rows);
  const at = flat.findIndex((row) => row.process.pid === chosen);
  const move = (step: number) => {
    const next = flat[Math.min(flat.length - 1, Math.max(0, at + step))];
    if (next) {
      setChosen(next.process.pid);
      document.querySelector(`[data-testid="agent-row-${next.process.pid}"]`)?.scrollIntoView({ block: "nearest" });
    }
  };
  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    Enter: () => at >= 0 && go(agentPath(chosen)),
  });

  return (
    <Page
      title="Agents"
      lead={
        standings.length > 0 && (
          <div className="-ml-2 flex flex-wrap gap-x-1 gap-y-1 text-sm md:ml-0" role="group" aria-label="Show only">
            {groups
              .filter((each) => each.rows.length)
              .map((each) => (
                <button
                  key={each.group}
                  type="button"
                  aria-pressed={only === each.group}
                  onClick={() => setOnly(only === each.group ? null : each.group)}
                  className={`rounded-md px-2 py-0.5 tabular ${only === each.group ? "bg-raised text-ink" : each.group === "needs" ? "text-need hover:bg-raised" : "text-dim hover:bg-raised"}`}
                >
                  {each.rows.length} {each.group === "needs" && each.rows.length === 1 ? "needs you" : each.word}
                </button>
              ))}
          </div>
        )
      }
      actions={
        <Button look="primary" data-testid="new-agent" icon={<Plus size={16} />} hotkey="N" onClick={() => show("new-agent")}>
          New agent
        </Button>
      }
    >
      {!ready ? (
        <Skeleton />
      ) : standings.length === 0 ? (
        <FirstAgent />
      ) : (
        <div className="space-y-6">
          {shown.map((each) => (
            <section key={each.group} aria-label={each.title}>
              <h2 className={`mb-1.5 px-1 text-xs font-semibold ${each.group === "needs" ? "text-need" : "text-faint"}`}>{each.title}</h2>
              <div className="overflow-hidden rounded-xl border border-line bg-panel">
                {each.rows.map((row) => (
                  <AgentRow key={row.process.pid} process={row.process} condition={row.condition} fresh={each.group === "needs" && row.condition === "done"} current={row.process.pid === chosen} />
                ))}
              </div>
              {each.rows.length < each.total && (
                <Button look="quiet" small className="mt-2" onClick={() => setAll(true)}>
                  Show {each.total - each.rows.length} more
                </Button>
              )}
            </section>
          ))}
        </div>
      )}
    </Page>
  );
}

function Skeleton() {
  return (
    <div aria-busy className="overflow-hidden rounded-xl border border-line bg-panel">
      {[0, 1, 2].map((n) => (
        <div key={n} className="flex h-[4.5rem] items-center gap-4 border-b border-line px-4 last:border-0">
          <span className="size-4 rounded-full bg-raised" />
          <span className="h-3 w-40 rounded bg-raised" />
          <span className="h-3 flex-1 rounded bg-raised/60" />
        </div>
      ))}
    </div>
  );
}
