import { Suspense, lazy, useCallback, useEffect, useState } from "react";
import { decide } from "../approvals/decide";
import { usePending } from "../approvals/inbox";
import { shifting } from "../approvals/shift";
import { conditionOf, ended } from "../model/conditions";
import { Empty } from "../parts/page";
import { client } from "../generated/client";
import { readFeedback } from "../state/feedback";
import { markSeen, putApprovals, putLease, putProcess, useFleet } from "../state/fleet";
import { useFollowed } from "../state/news";
import { useKeys } from "../state/keys";
import { agentPath, go } from "../state/route";
import { openTimeline } from "../state/timelines";
import { Actions } from "./actions";
import { Composer } from "./composer";
import { ControlBanner } from "./control";
import { AgentHeader } from "./header";
import { PlanPanel } from "./plan";
import { TABS, Tabs, type Tab } from "./tabs";
import { Timeline } from "./timeline";
import { RunJudged } from "../timeline/thumbs";

const TerminalTab = lazy(() => import("./terminals"));
const DesktopTab = lazy(() => import("../desktop/page"));
const Files = lazy(() => import("./files"));
const WallsTab = lazy(() => import("../walls/page"));
const BrowserTab = lazy(() => import("../browser/page"));
const SnapshotsTab = lazy(() => import("../snapshots/page"));
const Details = lazy(() => import("./details"));

/** One agent: its story, its terminal, its files, its facts, and the levers. */
export default function AgentPage({ pid, tab }: { pid: number; tab: string }) {
  const process = useFleet((fleet) => fleet.processes[pid]);
  const lease = useFleet((fleet) => fleet.leases[pid]);
  const live = useFleet((fleet) => fleet.link.state === "live");
  const [missing, setMissing] = useState(false);
  const question = usePending().find((each) => each.pid === pid);
  const over = process ? ended(process) : false;

  useEffect(() => {
    void openTimeline(pid);
    client.process.get({ pid }).then(putProcess, () => setMissing(true));
    void client.control.status({ pid }).then(putLease, () => {});
    void client.approval.list({ pid, limit: 500 }).then((page) => putApprovals(page.approvals), () => {});
  }, [pid, live]);
  useFollowed(useCallback(() => readFeedback(pid), [pid]), "feedback");
  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState === "visible") markSeen(pid);
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [pid, process?.phase_at, process?.exited_at]);

  useKeys({
    ...Object.fromEntries(TABS.map((each, n) => [String(n + 1), () => go(agentPath(pid, each))])),
    Escape: () => go("/"),
    c: () => document.querySelector<HTMLTextAreaElement>('[data-testid="composer"]')?.focus(),
    a: () => question && !shifting() && void decide(question, "allow_once"),
    r: () => question && !shifting() && void decide(question, "allow_run"),
    d: () => document.querySelector<HTMLButtonElement>(`[data-testid="approval-${question?.id}"] [data-testid="deny"]`)?.click(),
  });

  if (!process)
    return missing ? (
      <div className="p-8">
        <Empty title={`No process ${pid}`}>It does not exist here, or it belongs to somebody else.</Empty>
      </div>
    ) : null;

  const condition = conditionOf(process, lease?.requested);
  // A runtime without structured output has its story on the screen.
  const shown = tab === "timeline" && location.pathname === agentPath(pid) && process.capabilities["structured"] === false ? "terminal" : (tab as Tab);
  return (
    <div className="flex h-full flex-col">
      <AgentHeader process={process} condition={condition} actions={<Actions process={process} condition={condition} />} />
      <ControlBanner process={process} />
      <Tabs pid={pid} shown={shown} />
      <div className="min-h-0 flex-1">
        <Suspense fallback={null}>
          {shown === "timeline" && (
            <div className="flex h-full flex-col">
              <PlanPanel process={process} />
              <Timeline pid={pid} />
              {over ? (
                <div className="shrink-0 border-t border-line px-4 py-2 md:px-6">
                  <div className="mx-auto max-w-4xl">
                    <RunJudged pid={pid} />
                  </div>
                </div>
              ) : (
                <Composer process={process} />
              )}
            </div>
          )}
          {shown === "terminal" && <TerminalTab process={process} />}
          {shown === "desktop" && <DesktopTab process={process} />}
          {shown === "files" && <Files process={process} />}
          {shown === "walls" && <WallsTab process={process} />}
          {shown === "snapshots" && <SnapshotsTab process={process} />}
          {shown === "browser" && <BrowserTab process={process} />}
          {shown === "details" && <Details process={process} />}
        </Suspense>
      </div>
    </div>
  );
}
