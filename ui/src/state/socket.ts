import { AetherError } from "../generated/client";
import type { AnyEvent, ErrorCode, OperationName, Operations } from "../generated/types";

/** Something shown now and never logged. */
export interface Frame {
  kind: string;
  pid: number | null;
  agent: string | null;
  data: { kind?: "text" | "thought"; text?: string; jpeg?: string };
}

export type Link =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "reconnecting"; since: number; attempt: number; nextAt: number }
  | { state: "closed" };

interface Hooks {
  link: (link: Link) => void;
  events: (events: AnyEvent[]) => void;
  frame: (frame: Frame) => void;
  resync: (since: number, lost: boolean) => void;
  /** Called when a connection fails, to learn whether the session is still good. */
  refused: () => void;
}

type Message =
  | { type: "events"; events: AnyEvent[] }
  | { type: "resync"; since: number; lost: boolean }
  | ({ type: "frame" } & Frame)
  | { type: "response.ok"; id: string; data: unknown }
  | { type: "response.error"; id: string; error: { code: ErrorCode; message: string; data?: Record<string, unknown> } };

interface Waiting {
  resolve: (data: never) => void;
  reject: (error: Error) => void;
}

const FIRST_WAIT = 400;
const LONGEST_WAIT = 10_000;

/** One socket for events and commands; it comes back by itself and resumes after the last event it had. */
export class Socket {
  private socket: WebSocket | null = null;
  private waiting = new Map<string, Waiting>();
  private attempt = 0;
  private lostAt = 0;
  private timer = 0;
  private counter = 0;
  private stopped = true;
  /** id of the last event seen */
  cursor: number | null = null;

  constructor(private readonly hooks: Hooks) {
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.retry();
    });
  }

  start(since: number): void {
    this.cursor = since;
    this.stopped = false;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
    this.hooks.link({ state: "closed" });
  }

  /** Try now instead of at the next back-off. */
  retry(): void {
    if (this.stopped || this.socket) return;
    clearTimeout(this.timer);
    this.connect();
  }

  request<N extends OperationName>(name: N, input: Operations[N]["input"]): Promise<Operations[N]["output"]> {
    const socket = this.socket;
    if (!socket || socket.readyState !== WebSocket.OPEN)
      return Promise.reject(new AetherError("unreachable", "not connected"));
    const id = `m${++this.counter}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ type: name, id, input }));
    });
  }

  private connect(): void {
    if (!this.attempt) this.hooks.link({ state: "connecting" });
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/ws`);
    this.socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "subscribe", since: this.cursor, frames: true }));
      this.attempt = 0;
      this.lostAt = 0;
      this.hooks.link({ state: "live" });
    };
    socket.onmessage = (message: MessageEvent<string>) => this.receive(JSON.parse(message.data) as Message);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      for (const each of this.waiting.values()) each.reject(new AetherError("unreachable", "the connection was lost"));
      this.waiting.clear();
      if (!this.stopped) this.backOff();
    };
  }

  private backOff(): void {
    this.attempt += 1;
    this.lostAt ||= Date.now();
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.attempt - 1)) * (0.8 + Math.random() * 0.4);
    this.hooks.link({ state: "reconnecting", since: this.lostAt, attempt: this.attempt, nextAt: Date.now() + wait });
    this.timer = window.setTimeout(() => this.connect(), wait);
    this.hooks.refused();
  }

  private receive(message: Message): void {
    switch (message.type) {
      case "events": {
        const fresh = message.events.filter((event) => event.id > (this.cursor ?? 0));
        if (fresh.length) {
          this.cursor = fresh[fresh.length - 1]!.id;
          this.hooks.events(fresh);
        }
        return;
      }
      case "resync":
        this.cursor = message.since;
        return this.hooks.resync(message.since, message.lost);
      case "frame":
        return this.hooks.frame(message);
      case "response.ok":
        this.waiting.get(message.id)?.resolve(message.data as never);
        this.waiting.delete(message.id);
        return;
      case "response.error": {
        const { code, message: text, data } = message.error;
        this.waiting.get(message.id)?.reject(new AetherError(code, text, data));
        this.waiting.delete(message.id);
      }
    }
  }
}
