import { useCallback, useRef, useState } from "react";
import { LIMITS, type LimitName } from "../agents/walls";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { ended } from "../model/conditions";
import { bytes, span } from "../model/format";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Meter } from "../parts/meter";
import { Section } from "../parts/page";
import { usePulse } from "../state/pulse";
import { attempt } from "../state/toasts";

type Stats = Operations["sandbox.stats"]["output"];

const PULSE_MS = 2_000;
const MB = 1 << 20;
// Time is set at the start; the others can change while it runs.
const LIVE = LIMITS.filter(({ name }) => name !== "wall_s");

/** What all its programs use together, against what they may. */
export function Use({ process }: { process: Process }) {
  const { pid } = process;
  const over = ended(process);
  const [stats, setStats] = useState<Stats | null>(null);
  const [cores, setCores] = useState<number | null>(null);
  const [editing, setEditing] = useState(false);
  const last = useRef<{ at: number; cpu: number } | null>(null);
  const look = useCallback(async () => {
    const found = await client.sandbox.stats({ pid }).catch(() => null);
    if (!found) return;
    const at = performance.now();
    if (found.cpu_s !== null) {
      if (last.current && found.cpu_s >= last.current.cpu) setCores((1000 * (found.cpu_s - last.current.cpu)) / (at - last.current.at));
      last.current = { at, cpu: found.cpu_s };
    }
    setStats(found);
  }, [pid]);
  usePulse(look, PULSE_MS, !over);

  if (over) return null;
  const limit = (name: LimitName): number | null => (typeof stats?.limits[name] === "number" ? stats.limits[name] : null);
  const part = (value: number | null | undefined, most: number | null) => (value === null || value === undefined || most === null ? null : value / most);
  const memory = limit("memory_mb");
  return (
    <Section
      title="Use"
      note={
        <Button small look="quiet" data-testid="limits-change" aria-expanded={editing} disabled={!stats} onClick={() => setEditing(!editing)}>
          {editing ? "Leave them as they are" : "Change limits"}
        </Button>
      }
    >
      {stats && (
        <div className="rounded-xl border border-line bg-panel p-4" data-testid="use">
          <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2 lg:grid-cols-3">
            <Meter
              testid="use-memory"
              label="memory"
              value={stats.memory_bytes === null ? "not measured" : bytes(stats.memory_bytes)}
              of={memory === null ? undefined : bytes(memory * MB)}
              fraction={part(stats.memory_bytes, memory === null ? null : memory * MB)}
              note={stats.memory_peak === null ? undefined : `${bytes(stats.memory_peak)} at most so far`}
            />
            <Meter testid="use-pids" label="processes and threads" value={stats.processes === null ? "not measured" : String(stats.processes)} of={limit("pids") === null ? undefined : String(limit("pids"))} fraction={part(stats.processes, limit("pids"))} />
            <Meter
              testid="use-cpu"
              label="cores"
              calm
              value={cores === null ? "…" : cores.toFixed(2)}
              of={limit("cpu") === null ? undefined : String(limit("cpu"))}
              fraction={part(cores, limit("cpu"))}
              note={stats.cpu_s === null ? undefined : `${span(stats.cpu_s * 1000)} of processor time so far`}
            />
          </div>
          {stats.oom_kills > 0 && (
            <p className="mt-3 text-sm text-fail" data-testid="oom">
              {stats.oom_kills === 1 ? "A program was" : `${stats.oom_kills} programs were`} killed because the memory it may use was full. Give it more, or less to do at once.
            </p>
          )}
          <p className="mt-3 text-xs text-faint">
            {stats.source === "cgroup" ? "Counted by its control group, with all it ever started." : "Added up over the programs that live now: this machine gives it no control group."}
            {[limit("disk_mb") !== null && ` Its home may hold ${bytes(limit("disk_mb")! * MB)}.`, limit("wall_s") !== null && ` It is stopped after ${span(limit("wall_s")! * 1000)}.`].filter(Boolean)}
          </p>
          {editing && (
            <Limits
              stats={stats}
              pid={pid}
              onSet={() => {
                setEditing(false);
                void look();
              }}
            />
          )}
        </div>
      )}
    </Section>
  );
}

function Limits({ stats, pid, onSet }: { stats: Stats; pid: number; onSet: () => void }) {
  const now = (name: LimitName) => (typeof stats.limits[name] === "number" ? String(stats.limits[name]) : "");
  const [values, setValues] = useState<Partial<Record<LimitName, string>>>({});
  const changed = LIVE.filter(({ name }) => values[name] !== undefined && values[name] !== now(name));
  const save = async () => {
    // 0 lifts a limit, as an empty field does here
    const wanted = Object.fromEntries(changed.map(({ name }) => [name, Number(values[name]) || 0]));
    if (await attempt("Changing the limits", () => client.sandbox.set_limits({ pid, ...wanted }))) onSet();
  };
  return (
    <form
      className="mt-4 border-t border-line pt-4"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        {LIVE.map(({ name, label, unit, least }) => (
          <Labelled key={name} label={label} hint={unit}>
            <input type="number" inputMode="decimal" min={least} step="any" data-testid={`limit-${name}`} className="field tabular" placeholder="no limit" value={values[name] ?? now(name)} onChange={(event) => setValues({ ...values, [name]: event.target.value })} />
          </Labelled>
        ))}
      </div>
      <div className="mt-3 flex flex-wrap items-center gap-3">
        <Button type="submit" look="primary" small data-testid="limits-save" disabled={changed.length === 0}>
          Set them now
        </Button>
        <span className="text-xs text-faint">They hold at once, for all its programs. An empty field lifts a limit.</span>
      </div>
    </form>
  );
}
