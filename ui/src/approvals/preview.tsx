import { Changes } from "../parts/changes";
import { Code } from "../parts/markdown";

interface Props {
  tool: string;
  input: Record<string, unknown>;
  /** already said above */
  title?: string;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** What a tool would do, shown as what it is: a command, a diff, a file; else its arguments. */
export function Preview({ tool, input, title }: Props) {
  const command = text(input["command"]);
  const path = text(input["file_path"]) || text(input["path"]) || text(input["notebook_path"]);
  if (command) return <Command text={command} note={text(input["description"]) === title ? "" : text(input["description"])} rest={others(input, ["command", "description"])} />;
  if (path && Array.isArray(input["edits"]))
    return (
      <div className="space-y-2">
        {(input["edits"] as Record<string, unknown>[]).slice(0, 20).map((edit, n) => (
          <Changes key={n} path={path} before={text(edit["old_string"])} after={text(edit["new_string"])} />
        ))}
      </div>
    );
  if (path && ("old_string" in input || "new_string" in input))
    return <Changes path={path} before={text(input["old_string"])} after={text(input["new_string"])} />;
  if (path && "content" in input && /write|create/i.test(tool)) return <Changes path={path} before="" after={text(input["content"])} />;
  const plan = text(input["plan"]);
  if (plan) return <div className="whitespace-pre-wrap">{plan}</div>;
  return <Arguments input={input} />;
}

function Command({ text, note, rest }: { text: string; note: string; rest: Record<string, unknown> }) {
  return (
    <div className="space-y-1.5">
      {note && <p className="text-sm text-dim">{note}</p>}
      <div className="overflow-hidden rounded-lg border border-line bg-ground">
        <pre className="max-h-72 overflow-auto px-3 py-2 font-mono text-xs leading-relaxed wrap-anywhere whitespace-pre-wrap">
          <span className="text-faint select-none">$ </span>
          {text}
        </pre>
      </div>
      {Object.keys(rest).length > 0 && <Arguments input={rest} />}
    </div>
  );
}

function others(input: Record<string, unknown>, known: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([key]) => !known.includes(key)));
}

export function Arguments({ input }: { input: Record<string, unknown> }) {
  const entries = Object.entries(input).filter(([, value]) => value !== null && value !== undefined);
  if (!entries.length) return <p className="text-xs text-faint">no arguments</p>;
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 font-mono text-xs">
      {entries.map(([key, value]) => {
        const plain = Array.isArray(value) && value.every((each) => typeof each === "string" || typeof each === "number");
        const shown = typeof value === "string" ? value : plain ? value.join(", ") : JSON.stringify(value, null, 2);
        return (
          <div key={key} className="contents">
            <dt className="text-faint">{key}</dt>
            <dd className="min-w-0">
              {shown.length > 300 || shown.includes("\n") ? (
                <Code text={shown} />
              ) : (
                <span className="wrap-anywhere whitespace-pre-wrap">{shown}</span>
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
