import { Eye, Hand, MonitorPlay, MonitorX } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { takeOver } from "../agent/taking";
import { client } from "../generated/client";
import { ended } from "../model/conditions";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Empty } from "../parts/page";
import { useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";
import { DesktopLine, type DesktopState } from "./line";

/** The process's desktop: watched by everybody who may, touched by whoever has control. */
export default function DesktopTab({ process }: { process: Process }) {
  const { pid } = process;
  const me = useFleet((fleet) => fleet.me);
  const mine = process.controller !== null && process.controller === me;
  const place = useRef<HTMLDivElement>(null);
  const line = useRef<DesktopLine | null>(null);
  const [state, setState] = useState<{ state: DesktopState; why: string | null }>({ state: "connecting", why: null });
  const [starting, setStarting] = useState(false);
  const over = ended(process);
  // Without one, look again when desktops are started; with one, others' do not matter.
  const news = useFleet((fleet) => (state.state === "none" ? (fleet.news["desktop"] ?? 0) : -1));

  useEffect(() => {
    if (over) return;
    const made = new DesktopLine(pid, place.current!, (next, why) => setState({ state: next, why }));
    line.current = made;
    return () => made.dispose();
  }, [pid, over, news]);
  useEffect(() => line.current?.control(mine), [mine, news]);

  const start = async () => {
    setStarting(true);
    await attempt("Starting a desktop", () => client.desktop.start({ pid }));
    setStarting(false);
  };
  const stop = () => attempt("Stopping the desktop", () => client.desktop.stop({ pid }));
  const none = over || state.state === "none";

  return (
    <div className="flex h-full flex-col">
      {!none && (
        <div className="flex shrink-0 items-center gap-3 border-b border-line px-4 py-1.5 text-xs text-dim md:px-6">
          {mine ? (
            <span className="inline-flex items-center gap-1.5 text-hold"><Hand size={13} /> Your clicks and keys go to this desktop.</span>
          ) : (
            <>
              <span className="inline-flex items-center gap-1.5"><Eye size={13} /> You watch.</span>
              {process.controller === null && (
                <Button small look="hold" icon={<Hand size={13} />} data-testid="desktop-take" onClick={() => void takeOver(pid)}>
                  Take control
                </Button>
              )}
            </>
          )}
          {state.state === "away" && <span className="text-need">{state.why ?? "Connection lost"}; trying again.</span>}
          <Button small look="quiet" className="ml-auto" icon={<MonitorX size={13} />} onClick={() => void stop()}>
            Stop desktop
          </Button>
        </div>
      )}
      <div className="relative min-h-0 flex-1 bg-(--terminal)">
        <div ref={place} data-testid="desktop" data-state={none ? "none" : state.state} data-writable={mine} className={`absolute inset-0 ${none ? "hidden" : ""}`} />
        {none && (
          <div className="h-full bg-ground p-6">
            <Empty title={over ? "The desktop ended with the process" : "No desktop"}>
              {!over && (
                <>
                  <p>A desktop is a screen of its own in this process's place. The agent sees and uses it with its desktop tools; you watch here and take over when you like.</p>
                  <div className="mt-4">
                    <Button icon={<MonitorPlay size={15} />} data-testid="desktop-start" disabled={starting} onClick={() => void start()}>
                      Start a desktop
                    </Button>
                  </div>
                </>
              )}
            </Empty>
          </div>
        )}
      </div>
    </div>
  );
}
