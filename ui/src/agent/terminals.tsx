import { Plus, SquareTerminal, X } from "lucide-react";
import { Suspense, lazy, useCallback, useEffect, useRef, useState } from "react";
import { client } from "../generated/client";
import { ended } from "../model/conditions";
import type { Process, Terminal } from "../model/names";
import { Button } from "../parts/button";
import { Empty } from "../parts/page";
import { useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";

const Screen = lazy(() => import("./screen"));

/** The process's own screen and the shells opened beside it. */
export default function Terminals({ process }: { process: Process }) {
  const { pid } = process;
  const lease = useFleet((fleet) => fleet.leases[pid]);
  const me = useFleet((fleet) => fleet.me);
  const [shells, setShells] = useState<Terminal[]>([]);
  const [chosen, setChosen] = useState<string | null>(null);
  const own = process.stdio === "pty" || lease?.terminal ? (lease?.terminal ?? String(pid)) : null;
  const over = ended(process);
  // A new holder means another right to type, so attach again; not while the terminal is being given back.
  const holder = useRef("");
  if (lease?.step !== "returning") holder.current = process.controller ?? "";
  const shown = chosen ?? own ?? shells[0]?.terminal ?? null;

  const look = useCallback(async () => {
    const page = await client.terminal.list({ pid }).catch(() => null);
    if (page) setShells(page.terminals.filter((each) => !each.main));
  }, [pid]);
  useEffect(() => void look(), [look]);
  useEffect(() => setChosen(null), [own]);

  const open = async () => {
    const made = await attempt("Opening a shell", () => client.terminal.open({ pid }));
    if (!made) return;
    setShells((old) => [...old.filter((each) => each.terminal !== made.terminal), made]);
    setChosen(made.terminal);
  };
  const close = async (terminal: string) => {
    await attempt("Closing the shell", () => client.terminal.close({ terminal }));
    setChosen(null);
    await look();
  };

  return (
    <div className="flex h-full flex-col">
      <div className="flex shrink-0 items-center gap-1 overflow-x-auto px-4 py-1.5 md:px-6">
        {own && <Name label={process.controller === me ? "its terminal" : "its screen"} here={shown === own} onClick={() => setChosen(own)} />}
        {shells.map((each) => (
          <span key={each.terminal} className="inline-flex items-center">
            <Name label={each.title} here={shown === each.terminal} onClick={() => setChosen(each.terminal)} />
            {shown === each.terminal && <Button look="quiet" small icon={<X size={13} />} aria-label="Close this shell" onClick={() => void close(each.terminal)} />}
          </span>
        ))}
        {!over && (
          <Button look="quiet" small icon={<Plus size={14} />} onClick={() => void open()}>
            Shell beside it
          </Button>
        )}
      </div>
      <div className="min-h-0 flex-1">
        {shown ? (
          <Suspense fallback={null}>
            <Screen key={`${shown}:${shown === own ? process.incarnation : 0}:${holder.current}`} terminal={shown} />
          </Suspense>
        ) : (
          <div className="p-6">
            <Empty title="It runs without a screen">
              <p>This runtime speaks a structured protocol, so there is no terminal to look at; the timeline has everything it does. Take over to open its own terminal on the same conversation.</p>
              {!over && (
                <div className="mt-4">
                  <Button icon={<SquareTerminal size={15} />} onClick={() => void open()}>
                    Open a shell beside it
                  </Button>
                </div>
              )}
            </Empty>
          </div>
        )}
      </div>
    </div>
  );
}

function Name({ label, here, onClick }: { label: string; here: boolean; onClick: () => void }) {
  return (
    <button type="button" aria-pressed={here} onClick={onClick} className={`max-w-48 truncate rounded-md px-2.5 py-1 font-mono text-xs ${here ? "bg-raised text-ink" : "text-dim hover:text-ink"}`}>
      {label}
    </button>
  );
}
