import { RefreshCw, TriangleAlert } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { span } from "../model/format";
import { Button } from "../parts/button";
import { Page, Section } from "../parts/page";
import { QuotaSummary } from "../quota/summary";
import { ConnectionState } from "../shell/connection";
import { HOUSE } from "../shell/places";
import { NoticeSwitch, ThemeSwitch } from "../shell/switches";
import { useFleet } from "../state/fleet";
import { KeptSnapshots } from "../snapshots/kept";
import { healthOf } from "../state/session";
import { attempt } from "../state/toasts";
import { Audit } from "./audit";
import { Doctor } from "./doctor";
import { Gpus } from "./gpus";
import { Sandboxes } from "./sandboxes";
import { SignOut } from "./sign-out";
import { Tokens } from "./tokens";

type Status = Operations["system.status"]["output"];

/** The house itself: is it well, what is missing, what its walls are, who may enter, who did what. */
export default function SystemPage({ tab }: { tab: string }) {
  const [status, setStatus] = useState<Status | null>(null);
  const link = useFleet((fleet) => fleet.link.state);
  const look = useCallback(async () => {
    const found = await attempt("Reading the status", () => client.system.status());
    if (!found) return;
    setStatus(found);
    useFleet.setState(healthOf(found));
  }, []);
  useEffect(() => void look(), [look, link]);
  useEffect(() => void document.getElementById(tab)?.scrollIntoView(), [tab, status]);

  return (
    <Page
      title="System"
      places={HOUSE}
      lead={status && <span className="text-sm text-dim tabular">aetherd {status.version} · up {span(status.uptime_s * 1000)}</span>}
      actions={
        <>
          <Button icon={<RefreshCw size={15} />} onClick={() => void look()}>
            Check again
          </Button>
          <SignOut />
        </>
      }
    >
      {status && status.warnings.length > 0 && (
        <ul data-testid="warnings" className="mb-8 space-y-2">
          {status.warnings.map((warning) => (
            <li key={warning} className="flex gap-3 rounded-xl border border-fail/40 bg-fail/10 px-4 py-3 text-sm">
              <TriangleAlert size={17} className="mt-0.5 shrink-0 text-fail" />
              <span className="wrap-anywhere">{warning}</span>
            </li>
          ))}
        </ul>
      )}
      {status && <Health status={status} />}
      <div className="md:hidden">
        <Section title="This device">
          <div className="rounded-xl border border-line bg-panel p-1.5">
            <NoticeSwitch wide />
            <ThemeSwitch wide />
            <div className="py-1.5">
              <ConnectionState wide />
            </div>
          </div>
        </Section>
      </div>
      <Doctor />
      <Sandboxes />
      <Gpus />
      <QuotaSummary />
      <KeptSnapshots />
      <Tokens />
      <Audit />
    </Page>
  );
}

function Health({ status }: { status: Status }) {
  const rooms = Object.entries(status.health);
  const bad = rooms.filter(([, room]) => !room.ok);
  const processes = Object.entries(status.processes).filter(([, n]) => n > 0);
  return (
    <Section title="Health" note={<span className="font-mono">{status.home}</span>}>
      <div className="rounded-xl border border-line bg-panel p-4">
        <p className="flex flex-wrap items-baseline gap-x-6 gap-y-1 text-sm">
          <span className={`font-medium ${bad.length ? "text-fail" : "text-work"}`}>{bad.length ? `${bad.map(([name]) => name).join(", ")}: not well` : "Everything is well"}</span>
          <span className="text-dim tabular">{processes.length ? processes.map(([state, n]) => `${n} ${state}`).join(", ") : "no processes yet"}</span>
          <span className="text-dim tabular">event {status.newest_event}</span>
        </p>
        <ul className="mt-3 grid gap-x-6 gap-y-1 text-xs sm:grid-cols-2 lg:grid-cols-3">
          {rooms.map(([name, room]) => (
            <li key={name} className="flex items-baseline gap-2">
              <span className={`size-1.5 shrink-0 self-center rounded-full ${room.ok ? "bg-work" : "bg-fail"}`} />
              <span className={room.ok ? "text-dim" : "font-medium text-fail"}>{name}</span>
              <span className="min-w-0 truncate text-faint" title={room.detail ?? ""}>
                {room.detail}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </Section>
  );
}
