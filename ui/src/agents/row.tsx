import { Brain, ChevronRight, MessageSquareText, TriangleAlert, User, Wrench } from "lucide-react";
import { memo } from "react";
import { CONDITIONS, type Condition, endingOf, phaseWord } from "../model/conditions";
import { homely, oneLine, since, toolName } from "../model/format";
import type { Process } from "../model/names";
import { Cost } from "../money/cost";
import { Glyph, TEXT_TONE } from "../parts/glyph";
import { Link } from "../parts/link";
import { TierMark } from "../parts/tier-mark";
import { Until } from "../parts/until";
import { useNow } from "../state/clock";
import { useFleet } from "../state/fleet";
import type { Activity } from "../state/reduce";
import { agentPath } from "../state/route";
import { Thumb } from "./thumb";

interface Props {
  process: Process;
  condition: Condition;
  current: boolean;
  /** finished, and nobody has looked yet */
  fresh: boolean;
}

/** One agent: who, what it does now, since when, and how we know. */
export const AgentRow = memo(function AgentRow({ process, condition, current, fresh }: Props) {
  const { pid } = process;
  const { word, tone } = CONDITIONS[condition];
  const phase = phaseWord(process, condition);
  return (
    <Link
      href={agentPath(pid)}
      data-testid={`agent-row-${pid}`}
      data-condition={condition}
      className={`group grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 border-b border-line px-4 py-3 last:border-0 hover:bg-raised/60 md:grid-cols-[11rem_minmax(0,1fr)_auto] ${current ? "bg-raised shadow-[inset_2px_0_0_var(--wait)]" : ""}`}
    >
      <div data-testid={`state-${pid}`} data-condition={condition} className="flex items-center gap-2.5 md:items-start md:self-start md:pt-px">
        <span className="md:mt-0.5">
          <Glyph condition={condition} />
        </span>
        <div className="flex min-w-0 items-baseline gap-2 md:block">
          <div className={`text-sm font-medium whitespace-nowrap ${TEXT_TONE[tone]} ${tone === "calm" ? "!text-dim" : ""}`}>
            {condition === "controlled" ? <Holder name={process.controller} /> : word}
            {fresh && <span className="ml-2 inline-block rounded bg-work/15 px-1.5 text-2xs leading-4.5 text-work">new</span>}
          </div>
          <StateAge process={process} phase={phase} />
        </div>
      </div>
      <div className="order-3 col-span-2 min-w-0 md:order-none md:col-span-1">
        <div className="flex min-w-0 items-baseline gap-2">
          <span className="shrink-0 font-semibold">{process.name}</span>
          <span className="shrink-0 font-mono text-xs text-faint">{pid}</span>
          <span className="min-w-0 truncate text-sm text-dim">{process.role ?? oneLine(process.goal ?? "", 160)}</span>
        </div>
        <LastAction process={process} condition={condition} />
      </div>
      <Facts process={process} />
    </Link>
  );
});

function Holder({ name }: { name: string | null }) {
  const me = useFleet((fleet) => fleet.me);
  return <>{name === null || name === me ? "In your hands" : `Held by ${name}`}</>;
}

function StateAge({ process, phase }: { process: Process; phase: string }) {
  const now = useNow();
  const at = process.exited_at ?? process.phase_at ?? process.started_at ?? process.created_at;
  const source = process.exited_at ? "process" : (process.phase_source ?? "process");
  return (
    <div className="text-xs whitespace-nowrap text-faint tabular" title={`since ${at}, known from the ${source}`}>
      {since(at, now)}
      {process.exited_at ? (
        " ago"
      ) : (
        <span className="hidden md:inline">
          {" · "}
          {phase || source}
        </span>
      )}
    </div>
  );
}

const ICONS: Record<Activity["kind"], typeof Brain> = { text: MessageSquareText, thought: Brain, tool: Wrench, told: User, trouble: TriangleAlert };

function LastAction({ process, condition }: { process: Process; condition: Condition }) {
  const activity = useFleet((fleet) => fleet.activity[process.pid]);
  const live = useFleet((fleet) => {
    const delta = fleet.deltas[process.pid];
    return delta ? (delta.text || delta.thought).slice(-400) : "";
  });
  const question = useFleet((fleet) => {
    if (condition !== "approval") return "";
    const asked = Object.values(fleet.approvals).find((each) => each.pid === process.pid && each.state === "pending");
    return asked ? homely(asked.title) || toolName(asked.tool ?? "") : "";
  });
  const requested = useFleet((fleet) => fleet.leases[process.pid]?.requested);
  if (question) return <p className="mt-0.5 truncate text-sm text-need">{question}</p>;
  if (condition === "requested" && requested) return <p className="mt-0.5 truncate text-sm text-need">“{requested}”</p>;
  const ending = endingOf(process);
  if (ending && !(condition === "done" && activity))
    return (
      <p className={`mt-0.5 truncate text-sm ${condition === "failed" ? "text-fail" : "text-dim"}`}>
        {ending}
        {process.reason && condition !== "killed" ? <span className="text-faint"> · {process.reason}</span> : null}
      </p>
    );
  if (live)
    return (
      <p className="mt-0.5 flex items-center gap-1.5 text-sm text-dim">
        <span className="breathe size-1.5 shrink-0 rounded-full bg-work" />
        <span className="truncate">{oneLine(live.slice(-160), 160)}</span>
      </p>
    );
  if (process.limited)
    return (
      <p className="mt-0.5 truncate text-sm text-limit">
        goes on <Until at={process.limited.wakes_at} />
        <span className="text-faint"> · {process.limited.error ?? process.reason}</span>
      </p>
    );
  if ((condition === "failed" || condition === "limited" || condition === "queued") && process.reason)
    return <p className={`mt-0.5 truncate text-sm ${condition === "failed" ? "text-fail" : "text-dim"}`}>{process.reason}</p>;
  if (!activity) return <p className="mt-0.5 text-sm text-faint">{process.role && process.goal ? oneLine(process.goal, 140) : process.capabilities["structured"] === false ? "open its terminal to see what it does" : "nothing said yet"}</p>;
  const Icon = ICONS[activity.kind];
  return (
    <p className="mt-0.5 flex items-center gap-1.5 text-sm text-dim">
      <Icon size={13} className={`shrink-0 ${activity.kind === "trouble" ? "text-limit" : "text-faint"}`} />
      {activity.label && <span className="shrink-0 font-mono text-xs text-ink">{activity.label}</span>}
      <span className={`truncate ${activity.kind === "tool" ? "font-mono text-xs" : ""} ${activity.kind === "thought" ? "italic" : ""}`}>{activity.text}</span>
    </p>
  );
}

function Facts({ process }: { process: Process }) {
  return (
    <div className="flex items-center gap-3 justify-self-end text-xs text-dim">
      <div className="flex items-center gap-3 md:block md:text-right">
        <div className="hidden md:block">
          {process.runtime}
          {process.model && <span className="text-faint"> · {process.model}</span>}
        </div>
        <div className="flex items-center justify-end gap-2 tabular md:mt-0.5">
          <TierMark process={process} />
          <Cost process={process} />
        </div>
      </div>
      <Thumb pid={process.pid} />
      <ChevronRight size={16} className="hidden text-faint opacity-0 group-hover:opacity-100 md:block" />
    </div>
  );
}
