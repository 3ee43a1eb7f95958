import { Check, Hand, LoaderCircle, Megaphone, UserLock } from "lucide-react";
import { useEffect, useState } from "react";
import { client } from "../generated/client";
import { actorName, ended } from "../model/conditions";
import { span } from "../model/format";
import type { Lease, Process } from "../model/names";
import { Ago } from "../parts/ago";
import { Button } from "../parts/button";
import { useNow } from "../state/clock";
import { putLease, useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";
import { HandBack } from "./hand-back";
import { takeOver, useTaking } from "./taking";

/** Who has the keyboard, when it is not simply the agent. */
export function ControlBanner({ process }: { process: Process }) {
  const { pid } = process;
  const lease = useFleet((fleet) => fleet.leases[pid]);
  const me = useFleet((fleet) => fleet.me);
  const taking = useTaking((state) => state.pids[pid]);
  if (ended(process)) return null;
  const settled = lease?.step === "held" || lease?.step === "tui";
  if (taking || (lease?.held && lease.holder === me && !settled)) return <Steps lease={lease} since={taking} tui={process.stdio !== "pty"} />;
  if (lease?.step === "returning") return <Returning process={process} />;
  if (process.controller === me && lease) return <Mine process={process} lease={lease} />;
  if (process.controller) return <Theirs process={process} lease={lease} />;
  if (lease?.requested) return <Asked pid={pid} reason={lease.requested} />;
  return null;
}

const STEPS: { step: Lease["step"]; label: string }[] = [
  { step: "interrupting", label: "Interrupting the turn" },
  { step: "draining", label: "Taking in its last output" },
  { step: "tui", label: "Opening its terminal" },
];

function Steps({ lease, since, tui }: { lease: Lease | undefined; since: number | undefined; tui: boolean }) {
  const now = useNow();
  const steps = tui ? STEPS : [{ step: "held" as const, label: "Moving the keyboard to you" }];
  const at = Math.max(0, steps.findIndex((each) => each.step === lease?.step));
  return (
    <div role="status" data-testid="takeover-steps" data-step={lease?.step ?? "free"} className="flex flex-wrap items-center gap-x-5 gap-y-1 border-y border-hold/40 bg-hold/12 px-4 py-2 text-sm md:px-6">
      {steps.map((each, n) => (
        <span key={each.step} className={`inline-flex items-center gap-2 ${n === at ? "font-medium" : n < at ? "text-dim" : "text-faint"}`}>
          {n < at ? <Check size={15} className="text-hold" /> : n === at ? <LoaderCircle size={15} className="turn text-hold" /> : <span className="mx-1 size-1.5 rounded-full bg-edge" />}
          {each.label}
        </span>
      ))}
      {since && <span className="ml-auto text-xs text-dim tabular">{span(now - since)}</span>}
    </div>
  );
}

function Returning({ process }: { process: Process }) {
  return (
    <div role="status" className="flex items-center gap-2 border-y border-hold/40 bg-hold/12 px-4 py-2 text-sm md:px-6">
      <LoaderCircle size={15} className="turn text-hold" /> Giving the keyboard back to {process.name}
    </div>
  );
}

const SOON_MS = 120_000;
const CHECK_MS = 10_000;
const RENEW_MS = 60_000;

function Mine({ process, lease }: { process: Process; lease: Lease }) {
  const { pid } = process;
  const now = useNow();
  const [handing, setHanding] = useState(false);
  const left = lease.expires_at ? Date.parse(lease.expires_at) - now : null;
  useEffect(() => {
    // Whoever still types or clicks here keeps the lease; who went away loses it when it ends.
    let active = Date.now();
    let renewed = active;
    const moved = (): void => void (active = Date.now());
    addEventListener("keydown", moved, true);
    addEventListener("pointerdown", moved, true);
    const timer = setInterval(() => {
      const renew = active > renewed && Date.now() - renewed > RENEW_MS;
      if (renew) renewed = Date.now();
      const asked = renew ? client.control.acquire({ pid, wait_s: 0 }) : client.control.status({ pid });
      void asked.then(putLease, () => {});
    }, CHECK_MS);
    return () => {
      clearInterval(timer);
      removeEventListener("keydown", moved, true);
      removeEventListener("pointerdown", moved, true);
    };
  }, [pid]);
  const keep = async () => {
    const renewed = await attempt("Keeping control", () => client.control.acquire({ pid, wait_s: 0 }));
    if (renewed) putLease(renewed);
  };
  return (
    <div role="status" data-testid="control-banner" className="flex flex-wrap items-center gap-x-4 gap-y-2 bg-hold-fill px-4 py-2 text-sm text-on-hold md:px-6">
      <span className="inline-flex items-center gap-2 font-semibold">
        <Hand size={17} /> You have control
      </span>
      <span className="opacity-90 max-md:hidden">{process.name} waits and cannot type.</span>
      <span className="ml-auto flex items-center gap-3 text-xs tabular">
        {lease.since && (
          <span className="opacity-90 max-md:hidden">
            for <Ago at={lease.since} />
          </span>
        )}
        {left !== null && (
          <span className={left < SOON_MS ? "rounded bg-black/30 px-1.5 py-0.5 font-semibold" : "opacity-90"} title="Typing here renews this">
            {left > 0 ? `returns in ${span(left)}` : "lease ran out"}
          </span>
        )}
        {left !== null && left < SOON_MS && (
          <button type="button" className="rounded-md border border-white/50 px-2 py-1 font-medium hover:bg-white/15" onClick={() => void keep()}>
            Keep control
          </button>
        )}
        <button type="button" data-testid="handback" className="rounded-md bg-white px-2.5 py-1 font-semibold text-black hover:bg-white/90" onClick={() => setHanding(true)}>
          Hand back…
        </button>
      </span>
      {handing && <HandBack process={process} onClose={() => setHanding(false)} />}
    </div>
  );
}

function Theirs({ process, lease }: { process: Process; lease: Lease | undefined }) {
  return (
    <div role="status" data-testid="held-by-other" className="flex flex-wrap items-center gap-x-3 border-y border-hold/40 bg-hold/12 px-4 py-2 text-sm md:px-6">
      <UserLock size={16} className="text-hold" />
      <span className="font-medium">{actorName(process.controller ?? "somebody")} has control</span>
      {lease?.since && <Ago at={lease.since} className="text-dim" />}
      {lease?.reason && <span className="text-dim">“{lease.reason}”</span>}
      <span className="text-dim">You can watch; input is theirs until they hand back{lease?.expires_at ? ` or the lease ends` : ""}.</span>
    </div>
  );
}

function Asked({ pid, reason }: { pid: number; reason: string }) {
  return (
    <div role="alert" className="flex flex-wrap items-center gap-x-3 gap-y-2 border-y border-need/40 bg-need/12 px-4 py-2 text-sm md:px-6">
      <Megaphone size={16} className="text-need" />
      <span className="font-medium">It asks for a person:</span>
      <span className="min-w-0 wrap-anywhere">{reason}</span>
      <Button small look="hold" className="ml-auto" icon={<Hand size={13} />} onClick={() => void takeOver(pid)}>
        Take over
      </Button>
    </div>
  );
}
