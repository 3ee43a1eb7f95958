import type { AnyEvent } from "../generated/types";
import { gist, oneLine, toolName } from "../model/format";
import type { Process } from "../model/names";
import type { Fleet } from "./fleet";

/** The last thing an agent did, in one line. */
export interface Activity {
  kind: "text" | "thought" | "tool" | "told" | "trouble";
  label: string;
  text: string;
  at: string;
}

export function activityOf(event: AnyEvent): Activity | null {
  const { at } = event;
  switch (event.type) {
    case "agent.text":
      return { kind: "text", label: "", text: oneLine(event.data.text), at };
    case "agent.thought":
      return event.data.text.trim() ? { kind: "thought", label: "", text: oneLine(event.data.text), at } : null;
    case "agent.tool_call":
      return { kind: "tool", label: toolName(event.data.tool), text: gist(event.data.input), at };
    case "agent.told":
      return { kind: "told", label: "told", text: oneLine(event.data.text), at };
    case "agent.trouble":
      return { kind: "trouble", label: "", text: oneLine(event.data.text), at };
    case "agent.turn_ended":
      return event.data.outcome === "failed" && event.data.error ? { kind: "trouble", label: "", text: oneLine(event.data.error), at } : null;
    case "agent.limit_reached":
      return { kind: "trouble", label: "", text: oneLine(event.data.error ?? "usage limit reached"), at };
    case "process.exited":
      return event.data.error ? { kind: "trouble", label: "", text: oneLine(event.data.error), at } : null;
    default:
      return null;
  }
}

function changed(process: Process, event: AnyEvent): Process {
  switch (event.type) {
    case "process.state_changed":
      return { ...process, state: event.data.to, reason: event.data.reason };
    case "process.phase_changed":
      return {
        ...process,
        phase: event.data.to,
        phase_source: event.data.source,
        phase_at: event.at,
        reason: event.data.reason,
      };
    case "process.started": {
      const { os_pid, incarnation, mode, stdio } = event.data;
      return {
        ...process,
        os_pid,
        incarnation,
        mode: mode === "tui" ? "tui" : "headless",
        stdio: stdio === "pty" ? "pty" : "pipes",
        started_at: process.started_at ?? event.at,
      };
    }
    case "process.adopted":
      return { ...process, os_pid: event.data.os_pid, incarnation: event.data.incarnation };
    case "process.exited": {
      const { exit_code, exit_signal, outcome, ended_by } = event.data;
      return { ...process, state: "exited", exit_code, exit_signal, outcome, ended_by, exited_at: event.at };
    }
    case "process.priority_changed":
      return { ...process, priority: event.data.priority };
    case "agent.session_started": {
      const { session, model, permission_mode, tools_connected } = event.data;
      return {
        ...process,
        session,
        model: model ?? process.model,
        permission_mode: permission_mode ?? process.permission_mode,
        tools_connected: tools_connected ?? process.tools_connected,
      };
    }
    case "control.acquired":
      return { ...process, controller: event.data.holder };
    case "control.released":
      return { ...process, controller: null };
    default:
      return process;
  }
}

function lease(fleet: Fleet, event: AnyEvent): Fleet["leases"] {
  const { pid } = event;
  if (pid === null || !event.type.startsWith("control.")) return fleet.leases;
  const old = fleet.leases[pid] ?? {
    pid,
    held: false,
    holder: null,
    step: "free",
    terminal: null,
    reason: null,
    since: null,
    expires_at: null,
    requested: null,
  };
  switch (event.type) {
    case "control.acquired": {
      const { holder, reason } = event.data;
      return { ...fleet.leases, [pid]: { ...old, held: true, holder, reason, since: event.at, requested: null } };
    }
    case "control.stepped":
      return { ...fleet.leases, [pid]: { ...old, step: event.data.to as typeof old.step } };
    case "control.released":
      return {
        ...fleet.leases,
        [pid]: { ...old, held: false, holder: null, step: "free", terminal: null, since: null, expires_at: null },
      };
    case "control.requested":
      return { ...fleet.leases, [pid]: { ...old, requested: event.data.reason } };
    default:
      return fleet.leases;
  }
}

function approvals(fleet: Fleet, event: AnyEvent): Fleet["approvals"] {
  if (event.type !== "approval.decided") return fleet.approvals; // a new one is fetched whole
  const old = fleet.approvals[event.data.approval];
  if (!old) return fleet.approvals;
  const { state, decision, by, reason, rule } = event.data;
  return {
    ...fleet.approvals,
    [old.id]: { ...old, state: state as typeof old.state, decision, decided_by: by, reason, rule, decided_at: event.at },
  };
}

/** One event onto the snapshot; applying one twice changes nothing. */
export function applied(fleet: Fleet, event: AnyEvent): Fleet {
  const process = event.pid === null ? undefined : fleet.processes[event.pid];
  const next = process && changed(process, event);
  const activity = event.pid === null ? null : activityOf(event);
  return {
    ...fleet,
    processes: next && next !== process ? { ...fleet.processes, [next.pid]: next } : fleet.processes,
    leases: lease(fleet, event),
    approvals: approvals(fleet, event),
    activity: activity && event.pid !== null ? { ...fleet.activity, [event.pid]: activity } : fleet.activity,
  };
}
