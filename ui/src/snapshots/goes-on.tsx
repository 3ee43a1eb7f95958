import { Environment, type Variable } from "../agents/spawn-fields";
import { Labelled } from "../parts/labelled";

export interface Start {
  text: string;
  env: Variable[];
}

export const NO_START: Start = { text: "", env: [] };

export function startOf({ text, env }: Start): { text?: string; env?: Record<string, string> } {
  const filled = env.filter((each) => each.name.trim());
  return {
    ...(text.trim() && { text: text.trim() }),
    ...(filled.length > 0 && { env: Object.fromEntries(filled.map((each) => [each.name.trim(), each.value])) }),
  };
}

/** How an agent goes on from a snapshot: what it is told, and the keys that no snapshot holds. */
export function GoesOn({ start, runtime, onChange }: { start: Start; runtime: string | null; onChange: (start: Start) => void }) {
  return (
    <div className="space-y-4 text-ink">
      <Labelled label="What it is told then" hint="empty: it waits for a word">
        <textarea className="field block min-h-20" data-testid="snapshot-text" value={start.text} onChange={(event) => onChange({ ...start, text: event.target.value })} />
      </Labelled>
      <Environment variables={start.env} offers={runtime === "claude-code" ? ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"] : []} hint={false} onChange={(env) => onChange({ ...start, env })} />
      <p className="text-xs text-faint">Keys are not kept in a snapshot: give them again, unless the daemon has them.</p>
    </div>
  );
}
