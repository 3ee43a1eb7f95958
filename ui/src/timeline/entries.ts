import type { EventOf } from "../generated/types";

interface Base {
  /** stable over the life of the entry */
  key: string;
  /** id of the event that made it */
  id: number;
  at: string;
}

export interface ToolResult {
  text: string;
  isError: boolean;
  at: string;
}

/** One line of an agent's story: often several events (call, question, answer, result). */
export type Entry =
  | (Base & { kind: "told"; text: string; by: string; state: string })
  | (Base & { kind: "thought"; text: string })
  | (Base & { kind: "text"; text: string; interrupted: boolean })
  | (Base & {
      kind: "tool";
      call: string;
      tool: string;
      input: Record<string, unknown>;
      result: ToolResult | null;
      approval: string | null;
    })
  | (Base & { kind: "approval"; approval: string; title: string; tool: string | null })
  | (Base & { kind: "turn"; outcome: string; text: string; error: string | null })
  | (Base & { kind: "control"; step: "acquired" | "released" | "requested"; by: string; note: string | null; told?: boolean })
  | (Base & { kind: "limit"; error: string | null; resetsAt: string | null })
  | (Base & { kind: "trouble"; text: string })
  | (Base & { kind: "state"; text: string; detail: string | null; tone: string; minor: boolean })
  | (Base & { kind: "reflection"; rating: number; lessons: string[]; differently: string | null; skill: string | null })
  | (Base & { kind: "session"; data: EventOf<"agent.session_started">["data"] })
  | (Base & { kind: "other"; type: string; data: Record<string, unknown> });

export type Show = "all" | "text" | "tools" | "state";

const SHOWN: Record<Show, ReadonlySet<Entry["kind"]> | null> = {
  all: null,
  text: new Set(["told", "thought", "text", "approval", "reflection"]),
  tools: new Set(["tool", "approval"]),
  state: new Set(["turn", "control", "limit", "trouble", "state", "session", "other", "approval"]),
};

/** What the entry says, for search. */
function words(entry: Entry): string {
  switch (entry.kind) {
    case "told":
    case "thought":
    case "text":
    case "trouble":
      return entry.text;
    case "tool":
      return `${entry.tool} ${JSON.stringify(entry.input)} ${entry.result?.text ?? ""}`;
    case "approval":
      return entry.title;
    case "state":
      return `${entry.text} ${entry.detail ?? ""}`;
    case "control":
      return `${entry.step} ${entry.by} ${entry.note ?? ""}`;
    case "turn":
      return `${entry.outcome} ${entry.error ?? ""}`;
    case "limit":
      return entry.error ?? "limit";
    case "reflection":
      return [...entry.lessons, entry.differently ?? "", entry.skill ?? ""].join(" ");
    case "session":
      return `session ${entry.data.session} ${entry.data.model ?? ""}`;
    case "other":
      return `${entry.type} ${JSON.stringify(entry.data)}`;
  }
}

/** What a tool call beside it says already, or what only an expert asks for: under `state` it is shown. */
function minor(entry: Entry): boolean {
  return entry.kind === "other" || (entry.kind === "state" && entry.minor);
}

export function chosen(entries: readonly Entry[], show: Show, query: string): readonly Entry[] {
  const kinds = SHOWN[show];
  const wanted = query.trim().toLowerCase();
  return entries.filter(
    (entry) =>
      (kinds ? kinds.has(entry.kind) : !minor(entry)) && (!wanted || words(entry).toLowerCase().includes(wanted)),
  );
}
