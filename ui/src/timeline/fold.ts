import type { AnyEvent } from "../generated/types";
import type { Entry } from "./entries";

/** The story so far. `entries` is replaced when it changes; an entry that did not change stays the same object. */
export interface Story {
  entries: Entry[];
  tools: Map<string, number>;
  inputs: Map<string, number>;
  approvals: Set<string>;
  lastText: string;
  /** place of a hand-back whose terminal is not read yet: what was done in it comes afterwards, and belongs before */
  handed: number;
}

export function newStory(): Story {
  return { entries: [], tools: new Map(), inputs: new Map(), approvals: new Set(), lastText: "", handed: -1 };
}

/** Take events in; the story given must not be used afterwards. */
export function fold(story: Story, events: readonly AnyEvent[]): Story {
  const next = { ...story, entries: story.entries.slice() };
  for (const event of events) add(next, event);
  return next;
}

const MINOR_PHASES = new Set(["booting", "thinking", "executing", "observing", "waiting_approval", "idle", "controlled"]);
const DONE_IN_TERMINAL = new Set<Entry["kind"]>(["told", "thought", "text", "tool"]);
const UNSHOWN = new Set(["agent.usage", "process.spawned", "control.stepped", "approval.decided", "process.priority_changed", "feedback.submitted"]);

function add(story: Story, event: AnyEvent): void {
  const { id, at } = event;
  const base = { key: `e${id}`, id, at };
  const push = (entry: Entry): number => {
    if (story.handed >= 0 && DONE_IN_TERMINAL.has(entry.kind)) return insert(story, story.handed++, entry);
    return story.entries.push(entry) - 1;
  };
  switch (event.type) {
    case "agent.told": {
      const known = event.data.input ? story.inputs.get(event.data.input) : undefined;
      const told = known === undefined ? undefined : story.entries[known];
      if (told?.kind === "told") {
        story.entries[known!] = { ...told, state: event.data.state };
        return;
      }
      if (told?.kind === "control") return;
      const back = story.handed < 0 ? undefined : story.entries[story.handed];
      if (event.data.input && back?.kind === "control" && event.data.by === "aetherd") {
        story.entries[story.handed] = { ...back, told: true };
        story.inputs.set(event.data.input, story.handed);
        return;
      }
      const place = push({ ...base, kind: "told", text: event.data.text, by: event.data.by, state: event.data.state });
      if (event.data.input) story.inputs.set(event.data.input, place);
      return;
    }
    case "agent.thought":
      if (event.data.text.trim()) push({ ...base, kind: "thought", text: event.data.text });
      return;
    case "agent.text":
      story.lastText = event.data.text.trim();
      if (story.lastText) push({ ...base, kind: "text", text: event.data.text, interrupted: event.data.interrupted });
      return;
    case "agent.tool_call": {
      const { tool_call, tool, input } = event.data;
      const entry: Entry = { ...base, kind: "tool", call: tool_call, tool, input, result: null, approval: null };
      const known = story.tools.get(tool_call);
      const asked = known === undefined ? undefined : story.entries[known];
      if (asked?.kind === "tool") story.entries[known!] = { ...entry, key: asked.key, approval: asked.approval };
      else story.tools.set(tool_call, push(entry));
      return;
    }
    case "agent.tool_result": {
      const place = story.tools.get(event.data.tool_call);
      const entry = place === undefined ? undefined : story.entries[place];
      if (entry?.kind === "tool")
        story.entries[place!] = { ...entry, result: { text: event.data.text, isError: event.data.is_error, at } };
      return;
    }
    case "agent.permission_requested": {
      const { approval, tool, title, input, tool_call } = event.data;
      if (story.approvals.has(approval)) {
        const place = story.entries.findIndex((each) => each.kind === "approval" && each.approval === approval);
        const shown = tool_call ? story.tools.get(tool_call) : undefined;
        if (place < 0 || shown === undefined) return;
        story.entries.splice(place, 1); // the same question was announced before its tool call was known
        reindex(story);
      }
      story.approvals.add(approval);
      const place = tool_call ? story.tools.get(tool_call) : undefined;
      const entry = place === undefined ? undefined : story.entries[place];
      if (entry?.kind === "tool") story.entries[place!] = { ...entry, approval };
      else if (tool_call)
        story.tools.set(
          tool_call,
          push({ ...base, kind: "tool", call: tool_call, tool, input, result: null, approval }),
        );
      else push({ ...base, kind: "approval", approval, title, tool });
      return;
    }
    case "approval.requested":
      if (story.approvals.has(event.data.approval)) return;
      story.approvals.add(event.data.approval);
      push({ ...base, kind: "approval", approval: event.data.approval, title: event.data.title, tool: event.data.tool });
      return;
    case "agent.turn_ended": {
      const { outcome, error } = event.data;
      const text = event.data.text.trim() === story.lastText ? "" : event.data.text.trim();
      push({ ...base, kind: "turn", outcome, text, error });
      return;
    }
    case "agent.limit_reached":
      push({ ...base, kind: "limit", error: event.data.error, resetsAt: event.data.resets_at });
      return;
    case "agent.trouble":
      push({ ...base, kind: "trouble", text: event.data.text });
      return;
    case "agent.session_started":
      push({ ...base, kind: "session", data: event.data });
      return;
    case "reflection.added": {
      const { rating, lessons, differently, skill } = event.data;
      push({ ...base, kind: "reflection", rating, lessons, differently, skill });
      return;
    }
    case "control.acquired":
      push({ ...base, kind: "control", step: "acquired", by: event.data.holder, note: event.data.reason });
      return;
    case "control.released":
      story.handed = push({ ...base, kind: "control", step: "released", by: event.data.holder, note: event.data.note });
      return;
    case "control.requested":
      push({ ...base, kind: "control", step: "requested", by: "agent", note: event.data.reason });
      return;
    default:
      addState(story, event, base);
  }
}

function addState(story: Story, event: AnyEvent, base: { key: string; id: number; at: string }): void {
  const state = (text: string, detail: string | null, tone = "calm", minor = false): void => {
    story.entries.push({ ...base, kind: "state", text, detail, tone, minor });
  };
  switch (event.type) {
    case "process.state_changed": {
      const { to, reason } = event.data;
      const minor = to === "starting" || to === "created" || to === "stopping" || to === "exited";
      const by = event.actor.startsWith("user:") ? `by ${event.actor.slice(5)}` : null;
      return state(to, reason ?? by, "calm", minor);
    }
    case "process.phase_changed": {
      const { to, reason, source } = event.data;
      const detail = [reason, source].filter(Boolean).join(" · ") || null;
      return state(to.replaceAll("_", " "), detail, "calm", MINOR_PHASES.has(to) || !reason);
    }
    case "process.started":
      story.handed = -1;
      return state(
        `started ${event.data.mode === "tui" ? "its own terminal" : "headless"}`,
        `os pid ${event.data.os_pid}, incarnation ${event.data.incarnation}`,
        "calm",
        event.data.incarnation === 1,
      );
    case "process.adopted":
      return state("found alive after a daemon restart", `os pid ${event.data.os_pid}`, "work");
    case "process.blocked":
      return state(event.data.blocked ? "made to wait: output is not taken fast enough" : "output flows again", null, "limit");
    case "process.exited": {
      const { exit_code, exit_signal, outcome, error, ended_by } = event.data;
      const how = exit_signal !== null ? `signal ${exit_signal}` : `exit ${exit_code ?? "unknown"}`;
      const detail = [error, ended_by ? `by ${ended_by}` : null].filter(Boolean).join(" · ") || null;
      return state(`${outcome}, ${how}`, detail, outcome === "failed" ? "fail" : outcome === "completed" ? "work" : "calm");
    }
    default:
      if (!UNSHOWN.has(event.type))
        story.entries.push({ ...base, kind: "other", type: event.type, data: { ...event.data } });
  }
}

/** Put an entry in the middle; what lies behind it moves. */
function insert(story: Story, place: number, entry: Entry): number {
  story.entries.splice(place, 0, entry);
  for (const places of [story.tools, story.inputs])
    for (const [key, at] of places) if (at >= place) places.set(key, at + 1);
  return place;
}

function reindex(story: Story): void {
  story.tools.clear();
  story.entries.forEach((entry, place) => {
    if (entry.kind === "tool") story.tools.set(entry.call, place);
  });
  const byKey = new Map(story.entries.map((entry, place) => [entry.key, place]));
  for (const [input, place] of story.inputs) {
    const entry = story.entries[place];
    if (entry && byKey.get(entry.key) !== place) story.inputs.delete(input);
  }
}
