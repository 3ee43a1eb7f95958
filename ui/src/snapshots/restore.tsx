import { CircleStop } from "lucide-react";
import { useEffect, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { ended } from "../model/conditions";
import type { Process } from "../model/names";
import { Ask } from "../parts/ask";
import { Button } from "../parts/button";
import { putProcess, useFleet } from "../state/fleet";
import { agentPath, go } from "../state/route";
import { attempt } from "../state/toasts";
import { Files, counts } from "./difference";
import { GoesOn, NO_START, startOf } from "./goes-on";
import type { Snapshot } from "./page";

type Restored = Operations["snapshot.restore"]["output"];

/** What would be undone, before it is; the state of now is kept beside. */
export function Restore({ shot, process, onClose }: { shot: Snapshot; process: Process; onClose: () => void }) {
  const processes = useFleet((fleet) => fleet.processes);
  const living = Object.values(processes).find((each) => each.agent === process.agent && !ended(each));
  const [plan, setPlan] = useState<Restored | null>(null);
  const [refused, setRefused] = useState("");
  const [start, setStart] = useState(NO_START);
  const stopped = living === undefined;
  useEffect(() => {
    let stale = false;
    client.snapshot.restore({ snapshot: shot.id, dry_run: true }).then(
      (found) => {
        if (stale) return;
        setPlan(found);
        setRefused("");
      },
      (error: Error) => !stale && setRefused(error.message),
    );
    return () => {
      stale = true;
    };
  }, [shot.id, stopped]);
  const restore = async () => {
    const made = await attempt("Going back", () => client.snapshot.restore({ snapshot: shot.id, ...startOf(start) }));
    if (!made?.pid) return false;
    const next = await client.process.get({ pid: made.pid }).catch(() => null);
    if (next) putProcess(next);
    go(agentPath(made.pid));
    return true;
  };
  const changes = plan?.changes;
  return (
    <Ask title={shot.name ? `Go back to “${shot.name}”?` : "Go back to this snapshot?"} keep="Leave it as it is" act="Go back" disabled={!plan || !stopped} onAct={restore} onClose={onClose}>
      {living && (
        <div data-testid="still-runs" className="flex flex-wrap items-center gap-3 rounded-lg border border-need/50 px-3 py-2 text-sm text-need">
          <span className="min-w-0 flex-1">{process.name} runs (pid {living.pid}). It must be stopped before its files are put back.</span>
          <Button small icon={<CircleStop size={13} />} data-testid="stop-first" onClick={() => void attempt("Stopping it", () => client.process.kill({ pid: living.pid }))}>
            Stop it
          </Button>
        </div>
      )}
      {refused && stopped && <p className="text-sm text-fail wrap-anywhere">{refused}</p>}
      {plan && (
        <div data-testid="preview">
          <p>
            A new process of {process.name} starts with the files as they were
            {plan.conversation === "resumed" ? " and goes on in that conversation." : ". Its runtime cannot go on in an old conversation, so it begins a new one."} What is now is kept as a snapshot first.
          </p>
          {changes &&
            (counts(changes) ? (
              <>
                <p className="mt-3 text-xs font-semibold text-dim">What is undone</p>
                <div className="max-h-64 overflow-y-auto text-ink">
                  <Files diff={changes} quiet />
                </div>
              </>
            ) : (
              <p className="mt-2 text-sm">No file differs from then.</p>
            ))}
          {plan.left.length > 0 && (
            <ul className="mt-2 list-disc pl-5 text-xs">
              {plan.left.map((each) => (
                <li key={each.path}>
                  <code className="font-mono">{each.path}</code> stays as it is: {each.why}
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
      <GoesOn start={start} runtime={shot.runtime} onChange={setStart} />
    </Ask>
  );
}
