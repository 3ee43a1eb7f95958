import { Bot, Inbox, Keyboard, Library, ListChecks, MessagesSquare, Search, Server } from "lucide-react";
import type { ReactNode } from "react";
import { Key, MOD } from "../parts/button";
import { Link } from "../parts/link";
import { useDialogs } from "../state/dialogs";
import { useFleet } from "../state/fleet";
import { type Route, go } from "../state/route";
import { ConnectionState } from "./connection";
import { FleetList } from "./fleet-list";
import { Mark } from "./mark";
import { HOUSE, KNOWLEDGE, WORK } from "./places";
import { NoticeSwitch, Small, ThemeSwitch } from "./switches";

/** Few places: a column on the left, a bar at the bottom on a phone. */
export function Rail({ route, pending }: { route: Route; pending: number }) {
  const warned = useFleet((fleet) => fleet.warnings.length);
  const unread = useFleet((fleet) => fleet.unread);
  const proposals = useFleet((fleet) => fleet.proposals);
  const show = useDialogs((dialogs) => dialogs.show);
  return (
    <nav
      aria-label="Main"
      className="flex shrink-0 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] md:w-18 md:flex-col md:border-t-0 md:border-r md:px-2 md:py-4 lg:w-52 lg:px-3"
    >
      <button type="button" onClick={() => go("/")} className="mb-5 hidden self-center rounded-md px-1.5 lg:self-start md:block" aria-label="aetherd, home">
        <span className="lg:hidden">
          <Mark small />
        </span>
        <span className="hidden lg:inline">
          <Mark />
        </span>
      </button>
      <Place icon={<Bot size={18} />} label="Agents" path="/" here={route.page === "agents" || route.page === "agent"} />
      <Place icon={<Inbox size={18} />} label="Inbox" path="/inbox" here={route.page === "inbox"} badge={pending} />
      <Place icon={<MessagesSquare size={18} />} label="Messages" path="/messages" here={route.page === "messages"} badge={unread} calm />
      <Place icon={<ListChecks size={18} />} label="Work" path={WORK[0]!.path} here={WORK.some((each) => each.page === route.page)} />
      <Place icon={<Library size={18} />} label="Knowledge" path={proposals ? "/skills" : KNOWLEDGE[0]!.path} here={KNOWLEDGE.some((each) => each.page === route.page)} badge={proposals} calm />
      <Place icon={<Server size={18} />} label="System" path="/system" here={HOUSE.some((each) => each.page === route.page)} alarm={warned > 0} />
      {route.page !== "agents" && <FleetList pid={route.pid} />}
      <div className="hidden flex-1 md:block" />
      <div className="hidden flex-col gap-1 pt-3 md:flex">
        <Small icon={<Search size={16} />} label="Find" onClick={() => show("palette")} hint={<Key>{MOD}K</Key>} />
        <Small icon={<Keyboard size={16} />} label="Keyboard" onClick={() => show("keyboard")} hint={<Key>?</Key>} />
        <NoticeSwitch />
        <ThemeSwitch />
        <div className="mt-2 border-t border-line pt-3">
          <ConnectionState />
        </div>
      </div>
    </nav>
  );
}

interface PlaceProps {
  icon: ReactNode;
  label: string;
  path: string;
  here: boolean;
  badge?: number;
  /** the badge tells, it does not call */
  calm?: boolean;
  alarm?: boolean;
}

function Place({ icon, label, path, here, badge = 0, calm, alarm }: PlaceProps) {
  return (
    <Link
      href={path}
      aria-current={here ? "page" : undefined}
      data-testid={`nav-${label.toLowerCase()}`}
      className={`relative flex flex-1 flex-col items-center gap-0.5 py-2 text-2xs font-medium md:mb-0.5 md:flex-none md:rounded-lg md:py-2 lg:flex-row lg:gap-3 lg:px-2.5 lg:py-1.5 lg:text-sm ${here ? "text-ink md:bg-raised" : "text-dim hover:text-ink md:hover:bg-raised/60"}`}
    >
      {icon}
      <span>{label}</span>
      {badge > 0 && (
        <span className={`absolute top-1 left-1/2 ml-1.5 min-w-4.5 rounded-full px-1 text-center text-2xs leading-4.5 font-semibold tabular lg:static lg:ml-auto ${calm ? "bg-edge text-ink" : "bg-need text-ground"}`} data-testid={`${label.toLowerCase()}-badge`}>
          {badge}
        </span>
      )}
      {alarm && <span className="absolute top-1.5 left-1/2 ml-2 size-2 rounded-full bg-fail lg:static lg:ml-auto" title="System has warnings" />}
    </Link>
  );
}
