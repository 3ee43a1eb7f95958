import { Check, ChevronRight, CircleX, FilePen, FileText, Globe, LoaderCircle, Network, Search, Terminal, Wrench } from "lucide-react";
import { useState } from "react";
import { ApprovalCard } from "../approvals/card";
import { Preview } from "../approvals/preview";
import { Verdict } from "../approvals/verdict";
import { gist, homely, span, toolName } from "../model/format";
import { useFleet } from "../state/fleet";
import type { Entry } from "./entries";

type Tool = Extract<Entry, { kind: "tool" }>;

function iconOf(tool: string): typeof Wrench {
  if (/bash|shell|exec/i.test(tool)) return Terminal;
  if (/edit|write|patch/i.test(tool)) return FilePen;
  if (/read|notebook/i.test(tool)) return FileText;
  if (/grep|glob|search|find/i.test(tool)) return Search;
  if (/web|fetch|browser/i.test(tool)) return Globe;
  if (/aether_|mcp__/i.test(tool)) return Network;
  return Wrench;
}

/** An edit is worth seeing without a click; a read is not. */
function opensItself({ tool, input }: Tool): boolean {
  return /edit|write|patch/i.test(tool) && ("new_string" in input || "content" in input || "edits" in input);
}

/** One call with its question, its verdict and its result, in one place. */
export function ToolEntry({ entry }: { entry: Tool }) {
  const approval = useFleet((fleet) => (entry.approval ? fleet.approvals[entry.approval] : undefined));
  const waiting = approval?.state === "pending";
  const [chosen, setOpen] = useState<boolean | null>(null);
  const open = chosen ?? opensItself(entry);
  const { result } = entry;
  const Icon = iconOf(entry.tool);
  if (waiting && approval)
    return (
      <div className="py-2" data-kind="tool">
        <ApprovalCard approval={approval} hotkeys />
      </div>
    );
  return (
    <div className="py-1" data-kind="tool" data-tool={entry.tool}>
      <div className={`overflow-hidden rounded-xl border bg-panel ${result?.isError ? "border-fail/40" : "border-line"}`}>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex w-full items-center gap-2.5 px-3 py-2 text-left hover:bg-raised/60">
          <Icon size={15} className="shrink-0 text-dim" />
          <span className="shrink-0 text-sm font-medium">{toolName(entry.tool)}</span>
          <span className="min-w-0 flex-1 truncate font-mono text-xs text-dim">{gist(entry.input)}</span>
          <Outcome entry={entry} denied={approval?.state === "denied"} />
          <ChevronRight size={14} className={`shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
        </button>
        {open && (
          <div className="space-y-2 border-t border-line px-3 py-2.5">
            <Preview tool={entry.tool} input={entry.input} />
          </div>
        )}
        {approval && <Verdict approval={approval} />}
        {result && (result.isError || chosen || (open && !opensItself(entry))) && <Result text={homely(result.text)} isError={result.isError} />}
      </div>
    </div>
  );
}

function Outcome({ entry, denied }: { entry: Tool; denied: boolean }) {
  const { result } = entry;
  if (!result)
    return denied ? null : <LoaderCircle size={14} className="turn shrink-0 text-work" aria-label="running" />;
  const took = Date.parse(result.at) - Date.parse(entry.at);
  return (
    <span className={`inline-flex shrink-0 items-center gap-1.5 text-xs tabular ${result.isError ? "text-fail" : "text-faint"}`}>
      {took >= 1000 && <span>{span(took)}</span>}
      {result.isError ? <CircleX size={14} aria-label="error" /> : <Check size={14} className="text-work" aria-label="ok" />}
    </span>
  );
}

const LINES = 14;

function Result({ text, isError }: { text: string; isError: boolean }) {
  const [all, setAll] = useState(false);
  const lines = text.replace(/\s+$/, "").split("\n");
  const cut = !all && lines.length > LINES;
  const shown = cut ? lines.slice(0, LINES).join("\n") : lines.join("\n");
  return (
    <div className={`border-t ${isError ? "border-fail/30 bg-fail/8" : "border-line bg-ground/60"}`}>
      <pre className={`max-h-[32rem] overflow-auto px-3 py-2 font-mono text-xs leading-relaxed wrap-anywhere whitespace-pre-wrap ${isError ? "text-fail" : "text-dim"}`}>{shown || "(empty)"}</pre>
      {cut && (
        <button type="button" className="w-full border-t border-line px-3 py-1 text-left text-xs text-dim hover:text-ink" onClick={() => setAll(true)}>
          {lines.length - LINES} more lines
        </button>
      )}
    </div>
  );
}
