import { AetherError, client, connection } from "../generated/client";
import type { AnyEvent, Operations } from "../generated/types";
import { ended } from "../model/conditions";
import { applyEvents, applyFrame, endDelta, putApproval, putLease, putProcess, seedActivity, useFleet } from "./fleet";
import { ALL, countNews, roomOf } from "./news";
import { Socket } from "./socket";
import { extendTimelines, reloadTimelines } from "./timelines";
import { useToasts } from "./toasts";

/** The life of the page: snapshot, then events since the snapshot, again and again when the line breaks. */
const SEEDED = 40; // newest processes whose last action is looked up at the start

const HEALTH_MS = 15_000;

export const socket = new Socket({
  link: (link) => useFleet.setState({ link }),
  events: receive,
  frame: applyFrame,
  resync: (since, lost) => {
    if (lost) void snapshot(since);
  },
  refused: () => {
    // A WebSocket does not tell why it was refused: ask where a 401 can be seen.
    void client.process.whoami().catch(() => {});
  },
});

export async function begin(): Promise<void> {
  connection.onUnauthenticated = () => {
    socket.stop();
    useFleet.setState({ unauthenticated: true });
  };
  for (let wait = 500; ; wait = Math.min(wait * 2, 8_000)) {
    try {
      const since = await snapshot();
      socket.start(since);
      setInterval(() => void client.system.status().then((status) => useFleet.setState(healthOf(status)), () => {}), HEALTH_MS);
      return;
    } catch (error) {
      if (error instanceof AetherError && error.status === 401) return;
      const { link } = useFleet.getState();
      const attempt = link.state === "reconnecting" ? link.attempt + 1 : 1;
      const began = link.state === "reconnecting" ? link.since : Date.now();
      useFleet.setState({ link: { state: "reconnecting", since: began, attempt, nextAt: Date.now() + wait } });
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** What the page shows of the house's health; no event tells when the disk is full, so it is asked for. */
export function healthOf(status: Operations["system.status"]["output"]) {
  const store = status.health.store;
  return { version: status.version, warnings: status.warnings, trouble: !store || store.ok ? "" : store.detail };
}

/** Read everything; the id is read first, so events since then may repeat what the snapshot has, never miss. */
async function snapshot(known?: number): Promise<number> {
  const status = await client.system.status();
  const since = known ?? status.newest_event;
  const [processes, pending, decided, who] = await Promise.all([
    client.process.list({ limit: 200 }),
    client.approval.list({ state: "pending", limit: 500 }),
    client.approval.list({ limit: 50 }),
    client.process.whoami(),
  ]);
  useFleet.setState({
    ready: true,
    me: who.actor,
    ...healthOf(status),
    processes: Object.fromEntries(processes.processes.map((each) => [each.pid, each])),
    approvals: Object.fromEntries([...decided.approvals, ...pending.approvals].map((each) => [each.id, each])),
    deltas: {},
  });
  if (known !== undefined) {
    reloadTimelines();
    countNews([ALL]);
  }
  void seed();
  return since;
}

/** What each did last, and whether it asks for a person: over the socket, which costs no request. */
async function seed(): Promise<void> {
  await connected();
  countMessages();
  countProposals();
  const newest = Object.values(useFleet.getState().processes)
    .sort((a, b) => Number(ended(a)) - Number(ended(b)) || b.pid - a.pid)
    .slice(0, SEEDED);
  for (const process of newest) {
    const { pid } = process;
    socket
      .request("process.timeline", { pid, limit: 12 })
      .then((page) => seedActivity(pid, page.events as unknown as AnyEvent[]))
      .catch(() => {});
    if (!ended(process)) socket.request("control.status", { pid }).then(putLease).catch(() => {});
  }
}

function countMessages(): void {
  socket
    .request("message.inbox", { states: ["queued", "delivered"], limit: 100 })
    .then((page) => useFleet.setState({ unread: page.messages.length }))
    .catch(() => {});
}

function countProposals(): void {
  socket
    .request("skill.discover", { proposals: true, limit: 1 })
    .then((page) => useFleet.setState({ proposals: page.proposals.filter((each) => each.state === "waiting").length }))
    .catch(() => {});
}

function connected(): Promise<void> {
  return new Promise((resolve) => {
    if (useFleet.getState().link.state === "live") return resolve();
    const stop = useFleet.subscribe(({ link }) => {
      if (link.state === "live") {
        stop();
        resolve();
      }
    });
  });
}

function receive(events: AnyEvent[]): void {
  for (const event of events) {
    if (event.pid === null) continue;
    if (event.type === "agent.text") endDelta(event.pid, "text");
    else if (event.type === "agent.thought") endDelta(event.pid, "thought");
    else if (event.type === "agent.turn_ended" || event.type === "agent.tool_call" || event.type === "process.exited")
      endDelta(event.pid, "both");
  }
  applyEvents(events);
  extendTimelines(events);
  for (const event of events) follow(event);
  countNews(events.map(roomOf));
}

/** Fetch again what an event says has changed but does not hold. */
function follow(event: AnyEvent): void {
  const { type, pid } = event;
  if (type === "approval.requested" || type === "approval.decided") {
    void client.approval.get({ id: event.data.approval }).then(putApproval, () => {});
  }
  if (type.startsWith("message.")) countMessages();
  if (type.startsWith("skill.")) countProposals();
  if (type === "workspace.conflict_detected") {
    const { by, path, name, holder } = event.data;
    useToasts.getState().show({ tone: "need", title: `${by ?? "Somebody"} wrote past ${holder}'s reservation`, hint: `${path} in workspace ${name}` });
  }
  if (type.startsWith("plan.") && event.agent !== null) {
    const { agent, id } = event;
    useFleet.setState(({ plans }) => ({ plans: { ...plans, [agent]: id } }));
  }
  if (pid === null) return;
  if (/^(process|control|approval)\./.test(type) || type === "agent.usage" || type === "agent.session_started")
    refresh(pid);
  if (type === "control.acquired" || type === "control.released") handed.set(pid, performance.now());
  if (type.startsWith("control."))
    void client.control.status({ pid }).then(putLease, () => {});
}

const waiting = new Map<number, { timer: number; first: number }>();
const handed = new Map<number, number>(); // when a hand-over of each was told
const QUIET_MS = 250;
const LATEST_MS = 1_500;

/** `process.get`, once the events about it pause, and at the latest after a moment. */
export function refresh(pid: number): void {
  const now = Date.now();
  const first = waiting.get(pid)?.first ?? now;
  clearTimeout(waiting.get(pid)?.timer);
  const wait = Math.max(0, Math.min(QUIET_MS, first + LATEST_MS - now));
  const timer = window.setTimeout(() => {
    waiting.delete(pid);
    const asked = performance.now();
    void client.process.get({ pid }).then((found) => {
      // An answer may be older than a hand-over that was told meanwhile: keys would go astray.
      const told = (handed.get(pid) ?? 0) > asked ? useFleet.getState().processes[pid] : undefined;
      putProcess(told ? { ...found, controller: told.controller } : found);
    }, () => {});
  }, wait);
  waiting.set(pid, { timer, first });
}
