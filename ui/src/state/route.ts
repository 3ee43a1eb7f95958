import { useSyncExternalStore } from "react";

/** Where we are: `/`, `/agents/7/terminal`, `/inbox`, `/messages`, `/tasks`, `/workspaces`, `/system`, `/consent?…`. */
export interface Route {
  page: "agents" | "agent" | "inbox" | "messages" | "tasks" | "workspaces" | "system" | "consent";
  pid: number;
  tab: string;
}

const EVENT = "aether:navigate";

export function routeOf(path: string): Route {
  const [page = "", key = "", tab = ""] = path.split("/").filter(Boolean);
  if (page === "agents" && Number(key) > 0) return { page: "agent", pid: Number(key), tab: tab || "timeline" };
  if (page === "inbox" || page === "messages" || page === "tasks" || page === "workspaces" || page === "system" || page === "consent") return { page, pid: 0, tab: key };
  return { page: "agents", pid: 0, tab: "" };
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
