import { create } from "zustand";
import type { Approval, Lease, Process } from "../model/names";
import type { AnyEvent } from "../generated/types";
import { type Activity, activityOf, applied } from "./reduce";
import type { Frame, Link } from "./socket";
import { putThumbnail } from "./thumbnails";

/** What the console knows of the fleet: a snapshot, carried on by events. */
export interface Fleet {
  link: Link;
  /** the first snapshot is here */
  ready: boolean;
  me: string;
  processes: Record<number, Process>;
  approvals: Record<string, Approval>;
  leases: Record<number, Lease>;
  activity: Record<number, Activity>;
  /** text that is being written */
  deltas: Record<number, { text: string; thought: string }>;
  /** when each was last looked at */
  seen: Record<number, string>;
  /** how much has happened in each room since the page was opened */
  news: Record<string, number>;
  /** newest event about the plan of each agent: what shows a plan reads it again */
  plans: Record<string, number>;
  /** messages for you that you have not looked at */
  unread: number;
  /** skills that wait for a person to take them, or not */
  proposals: number;
  warnings: string[];
  /** why nothing new is written down just now; empty when all is well */
  trouble: string;
  version: string;
  unauthenticated: boolean;
}

function remembered(): Record<number, string> {
  try {
    return JSON.parse(localStorage.getItem("seen") ?? "{}") as Record<number, string>;
  } catch {
    return {};
  }
}

export const useFleet = create<Fleet>()(() => ({
  link: { state: "connecting" },
  ready: false,
  me: "user:owner",
  processes: {},
  approvals: {},
  leases: {},
  activity: {},
  deltas: {},
  seen: remembered(),
  news: {},
  plans: {},
  unread: 0,
  proposals: 0,
  warnings: [],
  trouble: "",
  version: "",
  unauthenticated: false,
}));

export function putProcess(process: Process): void {
  useFleet.setState(({ processes }) => ({ processes: { ...processes, [process.pid]: process } }));
}

export function putApproval(approval: Approval): void {
  useFleet.setState(({ approvals }) => ({ approvals: { ...approvals, [approval.id]: approval } }));
}

export function putApprovals(list: readonly Approval[]): void {
  useFleet.setState(({ approvals }) => ({
    approvals: { ...approvals, ...Object.fromEntries(list.map((each) => [each.id, each])) },
  }));
}

export function putLease(lease: Lease): void {
  useFleet.setState(({ leases }) => ({ leases: { ...leases, [lease.pid]: lease } }));
}

export function markSeen(pid: number): void {
  const all = Object.entries({ ...useFleet.getState().seen, [pid]: new Date().toISOString() });
  const seen = Object.fromEntries(all.slice(-500)) as Record<number, string>;
  useFleet.setState({ seen });
  try {
    localStorage.setItem("seen", JSON.stringify(seen));
  } catch {
    // private mode: forgotten on reload, nothing else
  }
}

/** Carry the snapshot on; what events do not tell is fetched again by the caller. */
export function applyEvents(events: readonly AnyEvent[]): void {
  useFleet.setState((fleet) => events.reduce(applied, fleet));
}

export function seedActivity(pid: number, events: readonly AnyEvent[]): void {
  let last: Activity | null = null;
  for (const event of events) last = activityOf(event) ?? last;
  if (last && !useFleet.getState().activity[pid])
    useFleet.setState(({ activity }) => ({ activity: { ...activity, [pid]: last } }));
}

// Deltas come in bursts of hundreds a second; the page is told once a frame.
let pending: Record<number, { text: string; thought: string }> | null = null;

export function applyFrame(frame: Frame): void {
  if (frame.kind === "desktop" && frame.pid !== null && frame.data.jpeg) return putThumbnail(frame.pid, frame.data.jpeg);
  if (frame.kind !== "agent.delta" || frame.pid === null || !frame.data.text) return;
  if (!pending) {
    pending = { ...useFleet.getState().deltas };
    requestAnimationFrame(flushDeltas);
  }
  const old = pending[frame.pid] ?? { text: "", thought: "" };
  const kind = frame.data.kind === "thought" ? "thought" : "text";
  pending[frame.pid] = { ...old, [kind]: old[kind] + frame.data.text };
}

function flushDeltas(): void {
  if (pending) useFleet.setState({ deltas: pending });
  pending = null;
}

export function endDelta(pid: number, kind: "text" | "thought" | "both"): void {
  flushDeltas();
  const { deltas } = useFleet.getState();
  const old = deltas[pid];
  if (!old) return;
  const rest = { ...deltas };
  if (kind === "both") delete rest[pid];
  else rest[pid] = { ...old, [kind]: "" };
  useFleet.setState({ deltas: rest });
}
