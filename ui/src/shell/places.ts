import type { Route } from "../state/route";

/** A place one can go to: in the rail, or a tab of a place in the rail. */
export interface Place {
  page: Route["page"];
  label: string;
  path: string;
  /** after `g` */
  key: string;
  /** what else it is found by in the palette */
  words: string;
}

/** Work that goes on, whoever does it. */
export const WORK: readonly Place[] = [
  { page: "tasks", label: "Tasks", path: "/tasks", key: "t", words: "queue work" },
  { page: "flows", label: "Flows", path: "/flows", key: "f", words: "work pipeline steps" },
  { page: "worktrees", label: "Worktrees", path: "/worktrees", key: "b", words: "work git branch merge diff" },
  { page: "workspaces", label: "Workspaces", path: "/workspaces", key: "w", words: "work shared files reservations" },
];

/** What agents know, and what a new one starts with. */
export const KNOWLEDGE: readonly Place[] = [
  { page: "memories", label: "Memories", path: "/memories", key: "k", words: "knowledge remember recall facts" },
  { page: "skills", label: "Skills", path: "/skills", key: "l", words: "knowledge proposals approve" },
  { page: "templates", label: "Templates", path: "/templates", key: "p", words: "knowledge roles start agent" },
];

export const AGENTS: Place = { page: "agents", label: "Agents", path: "/", key: "h", words: "home all" };
export const INBOX: Place = { page: "inbox", label: "Inbox", path: "/inbox", key: "i", words: "approvals questions" };
export const MESSAGES: Place = { page: "messages", label: "Messages", path: "/messages", key: "m", words: "write" };

/** The house, what can be hosted in it, and which models are reached through it. */
export const HOUSE: readonly Place[] = [
  { page: "system", label: "System", path: "/system", key: "s", words: "doctor tokens audit" },
  { page: "runtimes", label: "Runtimes", path: "/runtimes", key: "r", words: "install openclaw codex opencode gemini claude" },
  { page: "models", label: "Models", path: "/models", key: "o", words: "providers keys prices money gateway" },
];

export const PLACES: readonly Place[] = [AGENTS, INBOX, MESSAGES, ...WORK, ...KNOWLEDGE, ...HOUSE];
