import { BellOff, BellRing, Bot, Inbox, Keyboard, MessagesSquare, Moon, Search, Server, Sun } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Key } from "../parts/button";
import { useDialogs } from "../state/dialogs";
import { useFleet } from "../state/fleet";
import { noticesOn, switchNotices } from "../state/notices";
import { type Route, go } from "../state/route";
import { ConnectionState } from "./connection";
import { Mark } from "./mark";

/** Few places: a column on the left, a bar at the bottom on a phone. */
export function Rail({ route, pending }: { route: Route; pending: number }) {
  const warned = useFleet((fleet) => fleet.warnings.length);
  const show = useDialogs((dialogs) => dialogs.show);
  return (
    <nav
      aria-label="Main"
      className="flex shrink-0 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] md:w-16 md:flex-col md:border-t-0 md:border-r md:px-2 md:py-4 lg:w-52 lg:px-3"
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
      <Place icon={<MessagesSquare size={18} />} label="Messages" path="/messages" here={route.page === "messages"} />
      <Place icon={<Server size={18} />} label="System" path="/system" here={route.page === "system"} alarm={warned > 0} />
      <div className="hidden flex-1 md:block" />
      <div className="hidden flex-col gap-1 md:flex">
        <Small icon={<Search size={16} />} label="Find" onClick={() => show("palette")} hint={<Key>⌘K</Key>} />
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
  alarm?: boolean;
}

function Place({ icon, label, path, here, badge = 0, alarm }: PlaceProps) {
  return (
    <a
      href={path}
      aria-current={here ? "page" : undefined}
      data-testid={`nav-${label.toLowerCase()}`}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(path);
      }}
      className={`relative flex flex-1 flex-col items-center gap-0.5 py-2 text-2xs font-medium md:mb-0.5 md:flex-none md:rounded-lg md:py-2 lg:flex-row lg:gap-3 lg:px-2.5 lg:py-1.5 lg:text-sm ${here ? "text-ink md:bg-raised" : "text-dim hover:text-ink md:hover:bg-raised/60"}`}
    >
      {icon}
      <span>{label}</span>
      {badge > 0 && (
        <span className="absolute top-1 left-1/2 ml-1.5 min-w-4.5 rounded-full bg-need px-1 text-center text-2xs leading-4.5 font-semibold text-ground tabular lg:static lg:ml-auto" data-testid="inbox-badge">
          {badge}
        </span>
      )}
      {alarm && <span className="absolute top-1.5 left-1/2 ml-2 size-2 rounded-full bg-fail lg:static lg:ml-auto" title="System has warnings" />}
    </a>
  );
}

function Small({ icon, label, hint, onClick }: { icon: ReactNode; label: string; hint?: ReactNode; onClick: () => void }) {
  return (
    <button
      type="button"
      title={label}
      aria-label={label}
      onClick={onClick}
      className="flex items-center justify-center gap-3 rounded-lg px-2.5 py-1.5 text-sm text-dim hover:bg-raised hover:text-ink lg:justify-start"
    >
      {icon}
      <span className="hidden lg:inline">{label}</span>
      {hint && <span className="ml-auto hidden lg:inline">{hint}</span>}
    </button>
  );
}

function NoticeSwitch() {
  const [on, setOn] = useState(noticesOn);
  if (!("Notification" in window)) return null;
  return <Small icon={on ? <BellRing size={16} /> : <BellOff size={16} />} label={on ? "Notices on" : "Notices off"} onClick={() => void switchNotices().then(setOn)} />;
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(document.documentElement.dataset["theme"] ?? "dark");
  const other = theme === "dark" ? "light" : "dark";
  return (
    <Small
      icon={theme === "dark" ? <Sun size={16} /> : <Moon size={16} />}
      label={other === "dark" ? "Dark" : "Light"}
      onClick={() => {
        document.documentElement.dataset["theme"] = other;
        dispatchEvent(new Event("aether:theme"));
        setTheme(other);
        try {
          localStorage.setItem("theme", other);
        } catch {
          // private mode: for this page only
        }
      }}
    />
  );
}
