import { useSyncExternalStore } from "react";

const PAGES = ["inbox", "messages", "tasks", "flows", "worktrees", "workspaces", "memories", "skills", "templates", "system", "runtimes", "models", "consent"] as const;

/** Where we are: `/`, `/agents/7/terminal`, `/inbox`, `/flows/flow_1`, `/skills/review`, `/system`, `/consent?…`. */
export interface Route {
  page: "agents" | "agent" | (typeof PAGES)[number];
  pid: number;
  /** the tab of an agent or of the system; else which one of the page's things */
  tab: string;
}

const EVENT = "aether:navigate";

export function routeOf(path: string): Route {
  const [page = "", key = "", tab = ""] = path.split("/").filter(Boolean);
  if (page === "agents" && Number(key) > 0) return { page: "agent", pid: Number(key), tab: tab || "timeline" };
  const found = PAGES.find((each) => each === page);
  return found ? { page: found, pid: 0, tab: decodeURIComponent(key) } : { page: "agents", pid: 0, tab: "" };
}

export function go(path: string, replace = false): void {
  if (path === location.pathname) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  dispatchEvent(new Event(EVENT));
}

function watch(changed: () => void): () => void {
  addEventListener("popstate", changed);
  addEventListener(EVENT, changed);
  return () => {
    removeEventListener("popstate", changed);
    removeEventListener(EVENT, changed);
  };
}

export function useRoute(): Route {
  const path = useSyncExternalStore(watch, () => location.pathname);
  return routeOf(path);
}

export function agentPath(pid: number, tab = ""): string {
  return `/agents/${pid}${tab && tab !== "timeline" ? `/${tab}` : ""}`;
}
