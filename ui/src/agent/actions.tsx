import { CircleStop, Hand, OctagonX, Pause, Play, RotateCcw } from "lucide-react";
import { useState } from "react";
import { client } from "../generated/client";
import { type Condition, ended } from "../model/conditions";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { useDialogs } from "../state/dialogs";
import { putProcess, useFleet } from "../state/fleet";
import { useKeys } from "../state/keys";
import { attempt } from "../state/toasts";
import { HandBack } from "./hand-back";
import { KillDialog } from "./kill-dialog";
import { takeOver, useTaking } from "./taking";

/** The levers over one process; each shown when it can be pulled. */
export function Actions({ process, condition }: { process: Process; condition: Condition }) {
  const { pid } = process;
  const me = useFleet((fleet) => fleet.me);
  const show = useDialogs((dialogs) => dialogs.show);
  const lease = useFleet((fleet) => fleet.leases[pid]);
  const taking = useTaking((state) => state.pids[pid]);
  const [dialog, setDialog] = useState<"kill" | "hand-back" | null>(null);
  const [busy, setBusy] = useState("");
  const over = ended(process);
  const mine = process.controller === me;
  const held = process.controller !== null && !mine;
  const paused = process.state === "paused";
  const can = process.capabilities;

  const run = async (doing: string, work: () => Promise<unknown>) => {
    setBusy(doing);
    const answer = await attempt(doing, work);
    setBusy("");
    if (answer && typeof answer === "object" && "capabilities" in answer) putProcess(answer as Process);
  };
  const pause = () => run("Pausing", () => client.process.pause({ pid }));
  const resume = () => run("Resuming", () => client.process.resume({ pid }));
  const interrupt = () => run("Interrupting", () => client.process.interrupt({ pid }));
  // Keys given at spawn are not kept, so the person sees the form again.
  const again = () =>
    show("new-agent", {
      agent: process.agent,
      name: process.name,
      runtime: process.runtime,
      goal: process.goal,
      role: process.role,
      model: process.model,
      template: process.template,
    });
  const takeable = !over && !paused && (can["takeover"] !== false || process.stdio === "pty");
  const interruptible = !over && !paused && can["interrupt"] !== false && (condition === "working" || condition === "approval");

  useKeys({
    T: () => (mine ? setDialog("hand-back") : takeable && !held && void takeOver(pid)),
    P: () => (paused ? void resume() : !over && void pause()),
    I: () => interruptible && void interrupt(),
  });

  if (over)
    return (
      <Button look="primary" data-testid="again" icon={<RotateCcw size={15} />} onClick={again} title="A new run of this agent, with its memory and the same goal">
        Run again
      </Button>
    );
  return (
    <>
      {!mine && (
        <Button
          look="primary"
          data-testid="takeover"
          icon={<Hand size={15} />}
          disabled={!takeable || held || !!taking}
          title={held ? `${process.controller} holds it${lease?.reason ? `: ${lease.reason}` : ""}` : paused ? "Resume it first" : !takeable ? "This runtime has no terminal of its own to take over" : "Stop the agent at the next safe point and give you its keyboard"}
          onClick={() => void takeOver(pid)}
        >
          {taking ? "Taking over" : "Take over"}
        </Button>
      )}
      {paused ? (
        <Button data-testid="resume" icon={<Play size={15} />} disabled={!!busy} onClick={() => void resume()}>
          Resume
        </Button>
      ) : (
        <Button data-testid="pause" icon={<Pause size={15} />} disabled={!!busy || process.state !== "running"} onClick={() => void pause()} title="Freeze the whole process tree; nothing is lost">
          Pause
        </Button>
      )}
      {!mine && <Button data-testid="interrupt" icon={<OctagonX size={15} />} disabled={!interruptible || !!busy} onClick={() => void interrupt()} title="Stop this turn; the agent lives and waits for input">
        <span className="hidden sm:inline">Interrupt</span>
      </Button>}
      <Button look="quiet" data-testid="kill" icon={<CircleStop size={15} />} onClick={() => setDialog("kill")} title="End the process">
        <span className="hidden sm:inline">Stop</span>
      </Button>
      {dialog === "kill" && <KillDialog process={process} onClose={() => setDialog(null)} />}
      {dialog === "hand-back" && <HandBack process={process} onClose={() => setDialog(null)} />}
    </>
  );
}
