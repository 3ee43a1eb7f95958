import { Brain, ChevronRight, CircleAlert, Hand, Hourglass, Lightbulb, Megaphone, TriangleAlert, Undo2 } from "lucide-react";
import { type ReactNode, memo } from "react";
import { ApprovalCard } from "../approvals/card";
import { actorName } from "../model/conditions";
import { clock, oneLine } from "../model/format";
import { Markdown } from "../parts/markdown";
import { useFleet } from "../state/fleet";
import type { Entry } from "./entries";
import { Judged } from "./thumbs";
import { ToolEntry } from "./tool-entry";

/** One entry of the story in the look of its kind. */
export const EntryView = memo(function EntryView({ entry, pid }: { entry: Entry; pid: number }) {
  switch (entry.kind) {
    case "told":
      return <Told entry={entry} />;
    case "thought":
      return <Thought text={entry.text} />;
    case "text":
      return (
        <Judged pid={pid} step={entry.id}>
          <div className="group relative py-2 md:pr-14" data-kind="text">
            <Markdown text={entry.text} />
            {entry.interrupted && <p className="mt-1 text-xs text-limit">cut off here</p>}
            <At at={entry.at} />
          </div>
        </Judged>
      );
    case "tool":
      return (
        <Judged pid={pid} step={entry.id}>
          <ToolEntry entry={entry} />
        </Judged>
      );
    case "reflection":
      return <Reflection entry={entry} />;
    case "approval":
      return <Question id={entry.approval} title={entry.title} />;
    case "turn":
      return (
        <>
          {entry.text && (
            <div className="py-2">
              <Markdown text={entry.text} />
            </div>
          )}
          <Line tone={entry.outcome === "failed" ? "text-fail" : entry.outcome === "completed" ? "text-work" : "text-limit"} at={entry.at}>
            turn {entry.outcome}
            {entry.error && <span className="text-fail"> · {entry.error}</span>}
          </Line>
        </>
      );
    case "control":
      return <Control entry={entry} />;
    case "limit":
      return (
        <Notice icon={<Hourglass size={15} className="text-limit" />} className="border-limit/40 bg-limit/10">
          <span className="font-medium">Usage limit reached.</span> {entry.error}
          {entry.resetsAt && <span className="text-dim"> It lifts at {clock(entry.resetsAt)}.</span>}
        </Notice>
      );
    case "trouble":
      return (
        <p className="flex gap-2 py-1 text-xs text-dim">
          <TriangleAlert size={13} className="mt-0.5 shrink-0 text-limit" />
          <span className="wrap-anywhere">{entry.text}</span>
        </p>
      );
    case "session":
      return (
        <Line tone="text-faint" at={entry.at}>
          session {entry.data.session.slice(0, 8)}
          {[entry.data.model, entry.data.version, entry.data.permission_mode && `permissions ${entry.data.permission_mode}`].filter(Boolean).map((word) => ` · ${word}`)}
          {entry.data.tools_connected === false && <span className="text-fail"> · aether tools not connected</span>}
        </Line>
      );
    case "state":
      return (
        <Line tone={entry.tone === "fail" ? "text-fail" : entry.tone === "work" ? "text-work" : entry.tone === "limit" ? "text-limit" : "text-dim"} at={entry.at}>
          {entry.text}
          {entry.detail && <span className="text-faint"> · {oneLine(entry.detail, 160)}</span>}
        </Line>
      );
    case "other":
      return (
        <details className="py-1 text-xs">
          <summary className="flex list-none items-center gap-2 text-faint hover:text-dim">
            <span className="font-mono">{entry.type}</span>
            <span className="min-w-0 truncate">{oneLine(JSON.stringify(entry.data), 120)}</span>
          </summary>
          <pre className="mt-1 overflow-x-auto rounded-lg border border-line bg-panel p-2 font-mono">{JSON.stringify(entry.data, null, 2)}</pre>
        </details>
      );
  }
});

export function At({ at }: { at: string }) {
  return (
    <time title={new Date(at).toLocaleString()} className="absolute top-2.5 right-0 text-2xs text-faint opacity-0 tabular group-hover:opacity-100">
      {clock(at)}
    </time>
  );
}

function Line({ tone, at, children }: { tone: string; at: string; children: ReactNode }) {
  return (
    <div className="flex items-center gap-3 py-1.5 text-xs">
      <span className="h-px w-4 shrink-0 bg-line" />
      <span className={`min-w-0 ${tone}`}>{children}</span>
      <span className="h-px min-w-4 flex-1 bg-line" />
      <time className="shrink-0 text-2xs text-faint tabular">{clock(at)}</time>
    </div>
  );
}

function Notice({ icon, className, children }: { icon: ReactNode; className: string; children: ReactNode }) {
  return (
    <div className={`my-2 flex gap-2.5 rounded-xl border px-3.5 py-2.5 text-sm ${className}`}>
      <span className="mt-0.5 shrink-0">{icon}</span>
      <div className="min-w-0 wrap-anywhere">{children}</div>
    </div>
  );
}

const DELIVERY: Record<string, string> = {
  queued: "waits to be sent",
  sent: "sent, not read yet",
  failed: "not delivered",
};

function Told({ entry }: { entry: Extract<Entry, { kind: "told" }> }) {
  const me = useFleet((fleet) => fleet.me);
  const delivery = DELIVERY[entry.state];
  const person = entry.by.startsWith("user:");
  return (
    <div className="flex justify-end py-2" data-kind="told">
      <div className="max-w-[85%]">
        <div className="rounded-2xl rounded-br-md bg-raised px-4 py-2.5 wrap-anywhere">
          <Markdown text={entry.text} />
        </div>
        <p className={`mt-1 text-right text-2xs ${entry.state === "failed" ? "text-fail" : "text-faint"}`}>
          {entry.by === me ? "you" : person ? actorName(entry.by) : entry.by === "terminal" ? "typed in its terminal" : entry.by} · {clock(entry.at)}
          {delivery && ` · ${delivery}`}
        </p>
      </div>
    </div>
  );
}

const SHORT = 220;

function Thought({ text }: { text: string }) {
  if (text.length <= SHORT && !text.includes("\n\n"))
    return (
      <div className="flex gap-2.5 py-1.5 text-sm text-dim italic" data-kind="thought">
        <Brain size={15} className="mt-0.5 shrink-0 text-faint" />
        <div className="min-w-0">
          <Markdown text={text} />
        </div>
      </div>
    );
  return (
    <details className="group/thought py-1.5 text-sm text-dim" data-kind="thought">
      <summary className="flex list-none items-start gap-2.5 hover:text-ink">
        <Brain size={15} className="mt-0.5 shrink-0 text-faint" />
        <span className="line-clamp-2 min-w-0 italic group-open/thought:hidden">{oneLine(text, 360)}</span>
        <span className="hidden group-open/thought:inline">Thought</span>
        <ChevronRight size={14} className="mt-1 ml-auto shrink-0 text-faint group-open/thought:rotate-90" />
      </summary>
      <div className="mt-1.5 ml-1.5 border-l border-line pl-4">
        <Markdown text={text} />
      </div>
    </details>
  );
}

function Reflection({ entry: { rating, lessons, differently, skill, at } }: { entry: Extract<Entry, { kind: "reflection" }> }) {
  return (
    <Notice icon={<Lightbulb size={15} className="text-wait" />} className="border-line bg-panel">
      <div data-kind="reflection">
        <span className="font-medium">It looked back at this run</span>
        <span className="text-xs text-faint tabular">
          {" "}
          · {rating} of 5, by its own account · {clock(at)}
        </span>
        <ul className="mt-1 list-disc space-y-0.5 pl-4">
          {lessons.map((lesson) => (
            <li key={lesson}>{lesson}</li>
          ))}
        </ul>
        {differently && <p className="mt-1 text-dim">Next time: {differently}</p>}
        {skill && <p className="mt-1 text-dim">It could become a skill: {skill}</p>}
      </div>
    </Notice>
  );
}

function Control({ entry }: { entry: Extract<Entry, { kind: "control" }> }) {
  const me = useFleet((fleet) => fleet.me);
  const who = entry.by === me ? "You" : actorName(entry.by);
  if (entry.step === "requested")
    return (
      <Notice icon={<Megaphone size={15} className="text-need" />} className="border-need/40 bg-need/10">
        <span className="font-medium">It asked for a person.</span> {entry.note}
      </Notice>
    );
  return (
    <Notice icon={entry.step === "acquired" ? <Hand size={15} className="text-hold" /> : <Undo2 size={15} className="text-hold" />} className="border-hold/40 bg-hold/10">
      <span className="font-medium">{entry.step === "acquired" ? `${who} took control` : `${who} handed back`}</span>
      <span className="text-xs text-faint tabular">
        {" "}
        · {clock(entry.at)}
        {entry.told && " · the agent was told"}
      </span>
      {entry.note && <p className="mt-1 whitespace-pre-wrap">{entry.note}</p>}
    </Notice>
  );
}

function Question({ id, title }: { id: string; title: string }) {
  const approval = useFleet((fleet) => fleet.approvals[id]);
  if (!approval)
    return (
      <Notice icon={<CircleAlert size={15} className="text-need" />} className="border-line">
        {title}
      </Notice>
    );
  return (
    <div className="py-2">
      <ApprovalCard approval={approval} hotkeys />
    </div>
  );
}
