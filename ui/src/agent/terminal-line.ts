import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type ITheme, Terminal } from "@xterm/xterm";
import { AetherError, client } from "../generated/client";
import { useToasts } from "../state/toasts";

export interface LineState {
  state: "connecting" | "live" | "away" | "ended";
  writable: boolean;
  reason: string | null;
}

/** What the daemon says beside the bytes: hello, input refused, the end. */
interface Note {
  t: "h" | "e" | "x" | (string & {});
  writable?: boolean;
  message?: string;
  reason?: string;
  exit_code?: number | null;
  signal?: number | null;
}

const FONTS =
  '"Aether Glyphs", ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", "Noto Sans Mono", "Noto Sans Symbols 2", monospace';
const ACK_EVERY = 65_536;
const LONGEST_WAIT = 8_000;

/** xterm.js on one end, the attach channel on the other; reattaches by itself and is replayed. */
export class TerminalLine {
  private readonly terminal: Terminal;
  private readonly fit = new FitAddon();
  private readonly search = new SearchAddon();
  private readonly observer: ResizeObserver;
  private socket: WebSocket | null = null;
  private unacked = 0;
  private attempt = 0;
  private timer = 0;
  private gone = false;
  private current: LineState = { state: "connecting", writable: true, reason: null };

  constructor(
    private readonly id: string,
    private readonly place: HTMLElement,
    private readonly tell: (state: LineState) => void,
    onFind: () => void,
  ) {
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: true,
      fontFamily: FONTS,
      fontSize: 13,
      lineHeight: 1.15,
      scrollback: 10_000,
      macOptionIsMeta: true,
      theme: COLOURS,
    });
    this.terminal.loadAddon(this.fit);
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new WebLinksAddon((event, uri) => openLink(event, uri)));
    this.terminal.open(place);
    this.terminal.attachCustomKeyEventHandler((event) => {
      const find = event.type === "keydown" && event.key === "F" && event.shiftKey && (event.ctrlKey || event.metaKey);
      if (find) onFind();
      return !find;
    });
    const encoder = new TextEncoder();
    this.terminal.onData((text) => this.send(encoder.encode(text)));
    this.terminal.onBinary((text) => this.send(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    this.terminal.onResize(() => this.saySize());
    this.observer = new ResizeObserver(() => this.refit());
    this.observer.observe(place);
    this.refit();
    void this.attach();
  }

  focus(): void {
    this.terminal.focus();
  }

  /** Type for a person whose keyboard lacks a key. */
  type(text: string): void {
    this.terminal.input(text);
  }

  find(text: string, back: boolean): void {
    if (!text) return this.search.clearDecorations();
    if (back) this.search.findPrevious(text);
    else this.search.findNext(text);
  }

  dispose(): void {
    this.gone = true;
    clearTimeout(this.timer);
    this.observer.disconnect();
    if (this.socket) hangUp(this.socket);
    this.terminal.dispose();
  }

  private refit(): void {
    if (this.place.clientWidth > 40 && this.place.clientHeight > 40) this.fit.fit();
  }

  private set(change: Partial<LineState>): void {
    this.current = { ...this.current, ...change };
    if (!this.gone) this.tell(this.current);
  }

  private async attach(): Promise<void> {
    try {
      const { url, writable, reason } = await client.terminal.attach({ terminal: this.id });
      if (this.gone) return;
      this.terminal.options.disableStdin = !writable;
      this.terminal.options.cursorBlink = writable;
      this.open(url, writable, reason);
    } catch (error) {
      if (this.gone) return;
      const ended = error instanceof AetherError && (error.code === "not_found" || error.code === "conflict");
      if (ended) this.set({ state: "ended", reason: error.message });
      else this.again(error instanceof Error ? error.message : null);
    }
  }

  private open(url: string, writable: boolean, reason: string | null): void {
    const base = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
    const socket = new WebSocket(new URL(url, base));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.attempt = 0;
      this.unacked = 0;
      this.terminal.reset(); // what follows is a replay
      this.set({ state: "live", writable, reason });
      this.saySize();
      const elsewhere = document.activeElement?.matches("input, textarea, select"); // somebody types there
      if (writable && !elsewhere) this.terminal.focus();
    };
    socket.onmessage = (message: MessageEvent<ArrayBuffer | string>) => {
      if (typeof message.data === "string") {
        this.hear(JSON.parse(message.data) as Note);
        return;
      }
      const bytes = new Uint8Array(message.data);
      this.terminal.write(bytes, () => this.taken(bytes.length));
    };
    socket.onclose = () => {
      if (this.socket !== socket || this.gone) return;
      this.socket = null;
      if (this.current.state !== "ended") this.again(null);
    };
  }

  private hear(note: Note): void {
    if (note.t === "x") this.set({ state: "ended", reason: endOf(note) });
    if (note.t === "h" && note.writable !== undefined) {
      this.terminal.options.disableStdin = !note.writable;
      this.set({ writable: note.writable });
    }
    if (note.t === "e" && note.message) useToasts.getState().show({ tone: "need", title: note.message });
  }

  /** Tell the daemon what the screen has swallowed, so that a flood waits at its source. */
  private taken(count: number): void {
    this.unacked += count;
    if (this.unacked < ACK_EVERY) return;
    this.say({ t: "a", n: this.unacked });
    this.unacked = 0;
  }

  private again(reason: string | null): void {
    this.attempt += 1;
    this.set({ state: "away", reason });
    this.timer = window.setTimeout(() => void this.attach(), Math.min(LONGEST_WAIT, 300 * 2 ** this.attempt));
  }

  private send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.current.writable && this.socket?.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  /** Only who may type decides the size. */
  private saySize(): void {
    if (this.current.writable) this.say({ t: "r", c: this.terminal.cols, r: this.terminal.rows });
  }

  private say(note: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(note));
  }
}

/** A socket closed before it was open is a warning in the browser's console: let it open first. */
function hangUp(socket: WebSocket): void {
  socket.onmessage = socket.onclose = null;
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}

function endOf({ reason, exit_code, signal }: Note): string | null {
  if (signal != null) return `signal ${signal}`;
  if (exit_code != null) return `exit ${exit_code}`;
  return reason ?? null;
}

/** An agent chose this address: a person must want to go there. */
function openLink(event: MouseEvent, uri: string): void {
  event.preventDefault();
  if (/^https?:\/\//i.test(uri) && confirm(`Open this link from the terminal?\n\n${uri}`))
    window.open(uri, "_blank", "noopener,noreferrer");
}

/** Dark in both themes: programs, Claude Code among them, choose their colours for a dark terminal. */
const COLOURS: ITheme = {
  background: "#090b0e",
  foreground: "#e8eaee",
  cursor: "#e8eaee",
  cursorAccent: "#090b0e",
  selectionBackground: "#2c4a6e",
  black: "#3b424f",
  red: "#ff7066",
  green: "#41cf92",
  yellow: "#f4b740",
  blue: "#66b0ff",
  magenta: "#c8a2ff",
  cyan: "#5fd3d9",
  white: "#c9d1d9",
  brightBlack: "#768191",
  brightRed: "#ff8f87",
  brightGreen: "#6fe0ae",
  brightYellow: "#ffce6b",
  brightBlue: "#8fc6ff",
  brightMagenta: "#d8bfff",
  brightCyan: "#8ae9ee",
  brightWhite: "#ffffff",
};
