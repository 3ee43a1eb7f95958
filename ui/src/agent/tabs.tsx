import { agentPath, go } from "../state/route";

export type Tab = "timeline" | "terminal" | "files" | "details";

const NAMES: Record<Tab, string> = { timeline: "Timeline", terminal: "Terminal", files: "Files", details: "Details" };

export function Tabs({ pid, shown }: { pid: number; shown: Tab }) {
  return (
    <div role="tablist" className="flex shrink-0 gap-5 overflow-x-auto border-b border-line px-4 md:px-6">
      {(Object.keys(NAMES) as Tab[]).map((tab) => (
        <button
          key={tab}
          type="button"
          role="tab"
          aria-selected={tab === shown}
          data-testid={`tab-${tab}`}
          onClick={() => go(tab === "timeline" ? `/agents/${pid}/timeline` : agentPath(pid, tab))}
          className={`-mb-px border-b-2 py-2 text-sm font-medium ${tab === shown ? "border-ink text-ink" : "border-transparent text-dim hover:text-ink"}`}
        >
          {NAMES[tab]}
        </button>
      ))}
    </div>
  );
}
