import { useEffect, useRef } from "react";
import { agentPath, go } from "../state/route";

export type Tab = "timeline" | "terminal" | "desktop" | "files" | "details" | "walls" | "snapshots" | "browser";

const NAMES: Record<Tab, string> = { timeline: "Timeline", terminal: "Terminal", files: "Files", details: "Details", walls: "Walls", snapshots: "Snapshots", browser: "Browser", desktop: "Desktop" };

/** In the order of the keys 1, 2, 3, … */
export const TABS = Object.keys(NAMES) as Tab[];

export function tabPath(pid: number, tab: Tab): string {
  return tab === "timeline" ? `/agents/${pid}/timeline` : agentPath(pid, tab);
}

export function Tabs({ pid, shown }: { pid: number; shown: Tab }) {
  const list = useRef<HTMLDivElement>(null);
  // on a phone not all fit
  useEffect(() => void list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" }), [shown]);
  return (
    <div ref={list} role="tablist" className="flex shrink-0 gap-5 overflow-x-auto border-b border-line px-4 md:px-6">
      {TABS.map((tab) => (
        <button
          key={tab}
          type="button"
          role="tab"
          aria-selected={tab === shown}
          data-testid={`tab-${tab}`}
          onClick={() => go(tabPath(pid, tab))}
          className={`-mb-px border-b-2 py-2 text-sm font-medium ${tab === shown ? "border-ink text-ink" : "border-transparent text-dim hover:text-ink"}`}
        >
          {NAMES[tab]}
        </button>
      ))}
    </div>
  );
}
