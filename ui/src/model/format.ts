/** Numbers and times for people. */

export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s < 600 ? `${m}m ${String(s % 60).padStart(2, "0")}s` : `${m}m`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h}h ${String(m % 60).padStart(2, "0")}m`;
  return `${Math.floor(h / 24)}d ${h % 24}h`;
}

export function since(iso: string | null | undefined, now: number): string {
  return iso ? span(now - Date.parse(iso)) : "";
}

export function clock(iso: string | number): string {
  const at = new Date(iso);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return at.toDateString() === new Date().toDateString()
    ? time
    : `${at.toLocaleDateString([], { month: "short", day: "numeric" })} ${time}`;
}

export function hourMinute(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

export function dollars(usd: number): string {
  if (usd === 0) return "$0";
  return usd < 0.01 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

/** What it cost so far; a runtime tells it at the end of a turn, and before that nobody knows. */
export function spent({ cost_usd, outcome, exited_at }: { cost_usd: number; outcome: string | null; exited_at: string | null }): string {
  return cost_usd === 0 && exited_at === null && outcome === "running" ? "–" : dollars(cost_usd);
}

export function count(n: number): string {
  if (n < 1000) return String(n);
  return n < 1_000_000 ? `${(n / 1000).toFixed(n < 10_000 ? 1 : 0)}k` : `${(n / 1_000_000).toFixed(1)}M`;
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  if (n < 1_048_576) return `${(n / 1024).toFixed(1)} KB`;
  return n < 1_073_741_824 ? `${(n / 1_048_576).toFixed(1)} MB` : `${(n / 1_073_741_824).toFixed(1)} GB`;
}

export function oneLine(text: string, most = 240): string {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
}

/** Paths in an agent's home as the agent knows them. */
export function homely(text: string): string {
  return text.replace(/(?:\/[^\s/]+)+\/agents\/agent_[^\s/]+\/home(?=\/|\b)/g, "~");
}

/** What a tool call is about, in one line. */
export function gist(input: Record<string, unknown>): string {
  return homely(saying(input));
}

function saying(input: Record<string, unknown>): string {
  for (const key of ["command", "file_path", "path", "pattern", "url", "query", "description", "prompt", "title"]) {
    const value = input[key];
    if (typeof value === "string" && value) return oneLine(value);
  }
  const first = Object.entries(input).find(([, value]) => typeof value === "string" || typeof value === "number");
  return first ? oneLine(`${first[0]}: ${String(first[1])}`) : "";
}

/** `mcp__aether__aether_memory_recall` -> `memory.recall`, `mcp__x__y` -> `x · y`. */
export function toolName(tool: string): string {
  const own = /^(?:mcp__[\w-]+__)?aether_([a-z]+)_(\w+)$/.exec(tool);
  if (own) return `${own[1]}.${own[2]}`;
  const foreign = /^mcp__([\w-]+?)__(.+)$/.exec(tool);
  return foreign ? `${foreign[1]} · ${foreign[2]}` : tool;
}
