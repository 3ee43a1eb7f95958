import { useState } from "react";
import { client } from "../generated/client";
import { Ask } from "../parts/ask";
import { Labelled } from "../parts/labelled";
import { putProcess } from "../state/fleet";
import { agentPath, go } from "../state/route";
import { attempt } from "../state/toasts";
import { GoesOn, NO_START, startOf } from "./goes-on";
import type { Snapshot } from "./page";

/** A new agent that has been where this one was, and goes on its own way. */
export function Fork({ shot, runtime, onClose }: { shot: Snapshot; runtime: string; onClose: () => void }) {
  const [name, setName] = useState("");
  const [start, setStart] = useState(NO_START);
  const fork = async () => {
    const made = await attempt("Forking", () => client.snapshot.fork({ snapshot: shot.id, ...(name.trim() && { name: name.trim() }), ...startOf(start) }));
    if (!made?.pid) return false;
    const next = await client.process.get({ pid: made.pid }).catch(() => null);
    if (next) putProcess(next);
    go(agentPath(made.pid));
    return true;
  };
  return (
    <Ask calm title="Go on from here as another" keep="Cancel" act="Start it" onAct={fork} onClose={onClose}>
      <p>A new agent gets copies of the files and of the conversation as they were. {shot.agent_name} is not touched.</p>
      <div className="text-ink">
        <Labelled label="Name" hint="made up if empty">
          <input className="field" data-testid="fork-name" maxLength={64} value={name} onChange={(event) => setName(event.target.value)} />
        </Labelled>
      </div>
      <GoesOn start={start} runtime={shot.runtime ?? runtime} onChange={setStart} />
    </Ask>
  );
}
