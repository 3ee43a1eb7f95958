import type { Process } from "./names";

/** What a person needs to know about a process first: one word out of state, phase, exit and who holds it. */
export type Condition =
  | "approval"
  | "requested"
  | "failed"
  | "limited"
  | "input"
  | "controlled"
  | "paused"
  | "working"
  | "running"
  | "starting"
  | "queued"
  | "stopping"
  | "idle"
  | "done"
  | "unknown"
  | "killed"
  | "exited";

export type Tone = "need" | "fail" | "limit" | "wait" | "hold" | "work" | "calm";
export type Group = "needs" | "working" | "quiet" | "ended";

interface Look {
  word: string;
  tone: Tone;
  group: Group;
}

/** In the order of who needs me. */
export const CONDITIONS: Record<Condition, Look> = {
  approval: { word: "Needs approval", tone: "need", group: "needs" },
  requested: { word: "Asks for you", tone: "need", group: "needs" },
  failed: { word: "Failed", tone: "fail", group: "needs" },
  limited: { word: "Limited", tone: "limit", group: "needs" },
  unknown: { word: "Unknown", tone: "limit", group: "needs" },
  input: { word: "Waits for input", tone: "wait", group: "needs" },
  controlled: { word: "In your hands", tone: "hold", group: "working" },
  working: { word: "Working", tone: "work", group: "working" },
  running: { word: "Running", tone: "work", group: "working" },
  starting: { word: "Starting", tone: "work", group: "working" },
  stopping: { word: "Stopping", tone: "calm", group: "working" },
  paused: { word: "Paused", tone: "wait", group: "working" },
  queued: { word: "Queued", tone: "calm", group: "working" },
  idle: { word: "Idle", tone: "calm", group: "quiet" },
  done: { word: "Done", tone: "work", group: "quiet" },
  killed: { word: "Stopped", tone: "calm", group: "ended" },
  exited: { word: "Ended", tone: "calm", group: "ended" },
};

const ORDER = Object.keys(CONDITIONS) as Condition[];
const ENDED = new Set(["exited", "lost"]);

export function ended(process: Pick<Process, "state">): boolean {
  return ENDED.has(process.state);
}

export function conditionOf(process: Process, requested?: string | null): Condition {
  if (process.state === "exited") {
    if (process.outcome === "killed" || process.exit_signal !== null) return "killed";
    if (process.outcome === "failed" || (process.exit_code ?? 0) !== 0) return "failed";
    if (process.outcome === "limited") return "limited";
    return process.outcome === "completed" ? "done" : "exited";
  }
  if (process.state === "lost") return "failed";
  if (process.state === "unknown") return "unknown";
  if (process.state === "paused") return "paused";
  if (process.state === "stopping") return "stopping";
  if (process.limited) return "limited"; // it waits without a program, so it is queued as well
  if (process.state === "queued") return "queued";
  if (process.state === "created" || process.state === "starting") return "starting";
  if (process.controller) return "controlled";
  if (process.approvals > 0) return "approval";
  if (requested) return "requested";
  switch (process.phase) {
    case "waiting_approval":
      return "approval";
    case "failed":
      return "failed";
    case "limited":
      return "limited";
    case "waiting_input":
      return "input";
    case "controlled":
      return "controlled";
    case "idle":
      return "idle";
    case "completed":
      return "done";
    case "booting":
      return "starting";
    default:
      // Without a structured protocol nobody knows what it does: only that it runs.
      return process.phase === null ? "running" : "working";
  }
}

/** What came out wants to be looked at once; after that an ended process needs nobody. */
export function groupOf(condition: Condition, process: Process, seenAt: string | undefined): Group {
  const at = process.exited_at ?? process.phase_at ?? "";
  const fresh = seenAt === undefined || Date.parse(seenAt) < Date.parse(at);
  if (fresh && condition === "done") return "needs";
  if (!ended(process)) return CONDITIONS[condition].group;
  return fresh && (condition === "failed" || condition === "limited") ? "needs" : "ended";
}

export function rank(condition: Condition): number {
  return ORDER.indexOf(condition);
}

const PHASES: Record<string, string> = {
  booting: "booting",
  thinking: "thinking",
  executing: "running a tool",
  observing: "reading the result",
  waiting_approval: "waits for approval",
  waiting_input: "waits for input",
  limited: "usage limit",
  controlled: "under control",
};

/** The phase in words, where it says more than the condition. */
export function phaseWord(process: Process, condition: Condition): string {
  if (condition === "working" || condition === "starting" || condition === "paused")
    return PHASES[process.phase ?? ""] ?? "";
  return "";
}

/** How a process ended, told apart: exit code, signal, by whom. */
export function endingOf(process: Process): string | null {
  if (!ended(process)) return null;
  if (process.state === "lost") return "lost: the process is gone and left no exit status";
  const by = process.ended_by ? ` by ${actorName(process.ended_by)}` : "";
  if (process.exit_signal !== null) return `signal ${process.exit_signal}${by}`;
  if (process.outcome === "killed") return `stopped${by || ", exit " + String(process.exit_code ?? "?")}`;
  return process.exit_code === null ? `ended${by}` : `exit ${process.exit_code}${by}`;
}

export function actorName(actor: string): string {
  return actor.startsWith("user:") ? actor.slice(5) : actor;
}
