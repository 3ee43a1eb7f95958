import { type Line, diff, folded } from "../model/diff";
import { homely } from "../model/format";

const LOOK: Record<Line["sign"], string> = {
  " ": "text-dim",
  "+": "bg-work/12 text-ink",
  "-": "bg-fail/12 text-ink",
};
const MARK: Record<Line["sign"], string> = { " ": "text-faint", "+": "text-work", "-": "text-fail" };

/** What an edit changes, line by line. */
export function Changes({ path, before, after }: { path: string; before: string; after: string }) {
  return <FileChanges path={path} lines={folded(diff(before, after))} />;
}

/** Changed lines of one file; a number stands for as many that are left out. */
export function FileChanges({ path, lines, note }: { path: string; lines: readonly (Line | number)[]; note?: string }) {
  const count = (sign: Line["sign"]) => lines.filter((line) => typeof line !== "number" && line.sign === sign).length;
  return (
    <div className="overflow-hidden rounded-lg border border-line bg-ground">
      <div className="flex items-center justify-between gap-3 border-b border-line px-3 py-1 font-mono text-xs">
        <span className="truncate text-dim" title={path}>{homely(path)}</span>
        <span className="shrink-0 tabular">
          {note && <span className="text-faint">{note} </span>}
          <span className="text-work">+{count("+")}</span> <span className="text-fail">−{count("-")}</span>
        </span>
      </div>
      {lines.length > 0 && (
        <div className="max-h-80 overflow-auto py-1 font-mono text-xs leading-5">
          <div className="min-w-max">
            {lines.map((line, at) =>
              typeof line === "number" ? (
                <div key={at} className="px-3 text-faint">⋯ {line} unchanged</div>
              ) : (
                <div key={at} className={`px-3 whitespace-pre ${LOOK[line.sign]}`}>
                  <span className={`mr-2 inline-block w-2 select-none ${MARK[line.sign]}`}>{line.sign}</span>
                  {line.text || " "}
                </div>
              ),
            )}
          </div>
        </div>
      )}
    </div>
  );
}
