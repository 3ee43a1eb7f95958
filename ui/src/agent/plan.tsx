import { Check, ChevronRight, Circle, CircleDot, CircleX, Minus } from "lucide-react";
import { useEffect, useState } from "react";
import type { Plan, Process } from "../model/names";
import { useFleet } from "../state/fleet";
import { socket } from "../state/session";

type Step = Plan["steps"][number];

const LOOKS: Record<Step["status"], { icon: typeof Check; tone: string; word: string }> = {
  pending: { icon: Circle, tone: "text-faint", word: "not begun" },
  active: { icon: CircleDot, tone: "text-work", word: "at work" },
  done: { icon: Check, tone: "text-work", word: "done" },
  failed: { icon: CircleX, tone: "text-fail", word: "failed" },
  skipped: { icon: Minus, tone: "text-faint", word: "skipped" },
};

/** The innermost step the agent is at. */
function current(steps: readonly Step[]): Step | undefined {
  for (const step of steps) {
    const inner = current(step.steps);
    if (inner) return inner;
    if (step.status === "active") return step;
  }
  return undefined;
}

/** What the agent means to do and how far it is, as it says so itself; nothing when this run has no plan. */
export function PlanPanel({ process }: { process: Process }) {
  const { agent, pid } = process;
  const live = useFleet((fleet) => fleet.link.state === "live");
  const newest = useFleet((fleet) => fleet.plans[agent]);
  const [plan, setPlan] = useState<Plan | null>(null);
  const [open, setOpen] = useState(false);

  useEffect(() => {
    if (!live) return;
    let stale = false;
    // Over the socket: that an agent has no plan is no failed request in the browser's console.
    socket.request("plan.get", { agent }).then(
      (found) => !stale && setPlan(found),
      () => !stale && setPlan(null),
    );
    return () => {
      stale = true;
    };
  }, [agent, live, newest]);

  if (!plan || plan.agent !== agent || (plan.pid !== null && plan.pid !== pid)) return null;
  const now = current(plan.steps);
  return (
    <section data-testid="plan" data-version={plan.version} aria-label="Plan" className="shrink-0 border-b border-line px-4 md:px-6">
      <div className="mx-auto max-w-4xl">
        <button type="button" data-testid="plan-toggle" aria-expanded={open} onClick={() => setOpen(!open)} className="flex w-full items-center gap-2.5 py-2 text-left text-sm">
          <ChevronRight size={14} className={`shrink-0 text-faint transition-transform ${open ? "rotate-90" : ""}`} />
          <span className="max-w-[45%] shrink-0 truncate font-medium">{plan.title}</span>
          <span className="min-w-0 flex-1 truncate text-xs text-dim">{now && `${now.number} ${now.title}`}</span>
          <span aria-hidden className="hidden h-1 w-24 shrink-0 overflow-hidden rounded-full bg-raised sm:block">
            <span className="block h-full rounded-full bg-work" style={{ width: `${(100 * plan.done) / plan.total}%` }} />
          </span>
          <span data-testid="plan-progress" className="shrink-0 text-xs text-dim tabular">
            {plan.done} of {plan.total}
          </span>
        </button>
        {open && (
          <div className="max-h-72 overflow-y-auto pb-3">
            <Steps steps={plan.steps} />
          </div>
        )}
      </div>
    </section>
  );
}

function Steps({ steps }: { steps: readonly Step[] }) {
  return (
    <ol>
      {steps.map((step) => {
        const { icon: Icon, tone, word } = LOOKS[step.status];
        return (
          <li key={step.number} data-step={step.number} data-status={step.status} className="text-sm">
            <div className="flex items-start gap-2 py-0.5">
              <Icon size={14} aria-label={word} className={`mt-0.5 shrink-0 ${tone}`} />
              <span className={`min-w-0 wrap-anywhere ${step.status === "active" ? "font-medium" : step.status === "pending" ? "" : "text-dim"} ${step.status === "skipped" ? "line-through" : ""}`}>
                {step.title}
                {step.note && <span className="ml-2 text-xs text-faint">{step.note}</span>}
              </span>
            </div>
            {step.steps.length > 0 && (
              <div className="ml-5">
                <Steps steps={step.steps} />
              </div>
            )}
          </li>
        );
      })}
    </ol>
  );
}
