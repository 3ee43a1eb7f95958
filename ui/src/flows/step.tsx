import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { ApprovalCard } from "../approvals/card";
import { client } from "../generated/client";
import { clock, dollars, oneLine, span } from "../model/format";
import { Link } from "../parts/link";
import { Code } from "../parts/markdown";
import { useFleet } from "../state/fleet";
import { agentPath } from "../state/route";
import { attempt } from "../state/toasts";
import { type FlowStep, STEPS } from "./looks";

/** Where a step stands among those that are shown. */
export interface Place {
  depth: number;
  /** what lies between it and the step it is in: a branch, a round */
  way: string;
  label: string;
}

/** Find each step's place; a step is in the nearest one whose names lead to it. */
export function placesOf(steps: readonly FlowStep[]): Place[] {
  const depths = new Map<string, number>();
  return steps.map(({ name }) => {
    const path = name.split("/");
    for (let at = path.length - 1; at >= 0; at -= 1) {
      const outer = depths.get(path.slice(0, at).join("/"));
      if (outer === undefined && at > 0) continue;
      const depth = outer === undefined ? 0 : outer + 1;
      depths.set(name, depth);
      return { depth, way: path.slice(at, -1).join(" / "), label: path.at(-1)! };
    }
    return { depth: 0, way: "", label: name };
  });
}

const DEEPEST = 6; // indented no further: a phone is narrow

/** One step: how it stands, by which process, what it gave. */
export function StepRow({ flow, step, place }: { flow: string; step: FlowStep; place: Place }) {
  const { icon: Icon, tone, word, turns } = STEPS[step.state];
  const [whole, setWhole] = useState<string | null>(null);
  const approval = useFleet((fleet) => (step.approval ? fleet.approvals[step.approval] : undefined));
  const said = step.error ?? step.output ?? "";
  const toggle = async () => {
    if (whole !== null) return setWhole(null);
    const found = await attempt("Reading the step", () => client.flow.get({ id: flow, step: step.name }));
    const one = found?.steps[0];
    if (one) setWhole(one.output ?? one.error ?? "");
  };
  const took = step.ended_at ? Date.parse(step.ended_at) - Date.parse(step.started_at) : 0;
  return (
    <li data-testid={`step-${step.name}`} data-state={step.state} className="border-b border-line text-sm last:border-0">
      <div className="flex flex-wrap items-center gap-x-2.5 gap-y-0.5 px-4 py-2" style={{ paddingLeft: `${1 + 1.1 * Math.min(place.depth, DEEPEST)}rem` }}>
        <Icon size={14} className={`shrink-0 ${tone} ${turns ? "turn" : ""}`} aria-label={word} />
        <span title={step.name}>
          {place.way && <span className="text-faint">{place.way} / </span>}
          <span className="font-medium">{place.label}</span>
        </span>
        <span className="text-xs text-faint">
          {step.kind}
          {step.attempt > 1 && ` · attempt ${step.attempt}`}
          {step.due && ` · again at ${clock(step.due)}`}
        </span>
        {step.pid !== null && (
          <Link href={agentPath(step.pid)} className="text-xs underline decoration-edge underline-offset-2 hover:decoration-ink">
            pid {step.pid}
          </Link>
        )}
        {step.approval && (step.state === "waiting" || step.state === "unknown") && (
          <Link href="/inbox" className="text-xs font-medium text-need underline underline-offset-2">
            {step.state === "unknown" ? "was it done?" : "waits for you"}
          </Link>
        )}
        <span className="ml-auto flex shrink-0 gap-2 text-xs text-faint tabular">
          {step.cost_usd > 0 && <span className="text-dim">{dollars(step.cost_usd)}</span>}
          {took >= 1000 && <span>{span(took)}</span>}
        </span>
        {said && (
          <button type="button" aria-expanded={whole !== null} onClick={() => void toggle()} className={`flex w-full min-w-0 items-center gap-1.5 text-left text-xs hover:text-ink ${step.error ? "text-fail" : "text-dim"}`}>
            <ChevronRight size={12} className={`shrink-0 transition-transform ${whole !== null ? "rotate-90" : ""}`} />
            <span className="min-w-0 truncate">{oneLine(said, 200)}</span>
          </button>
        )}
      </div>
      {whole !== null && (
        <div className="px-4 pb-3">
          <Code text={whole} wrap />
        </div>
      )}
      {approval?.state === "pending" && (
        <div className="px-4 pb-3">
          <ApprovalCard approval={approval} />
        </div>
      )}
    </li>
  );
}
