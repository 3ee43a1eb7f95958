import { Check, CircleDashed, CircleX, Hourglass, Inbox, LoaderCircle, Minus } from "lucide-react";
import { useState } from "react";
import { client } from "../generated/client";
import { actorName } from "../model/conditions";
import { clock } from "../model/format";
import type { Task } from "../model/names";
import { Ago } from "../parts/ago";
import { Button } from "../parts/button";
import { attempt } from "../state/toasts";

const LOOKS: Record<Task["state"], { icon: typeof Check; tone: string; word: string }> = {
  waiting: { icon: CircleDashed, tone: "text-faint", word: "waits for others" },
  queued: { icon: Inbox, tone: "text-dim", word: "can be taken" },
  delayed: { icon: Hourglass, tone: "text-limit", word: "tried again later" },
  claimed: { icon: LoaderCircle, tone: "text-work", word: "at work" },
  done: { icon: Check, tone: "text-work", word: "done" },
  dead: { icon: CircleX, tone: "text-fail", word: "given up" },
  cancelled: { icon: Minus, tone: "text-faint", word: "cancelled" },
};

/** One task in one line; what it says, what came of it and the levers on a click. */
export function TaskRow({ task, agents }: { task: Task; agents: ReadonlyMap<string, string> }) {
  const [open, setOpen] = useState(false);
  const { icon: Icon, tone, word } = LOOKS[task.state];
  const ended = task.state === "done" || task.state === "cancelled";
  const name = (actor: string): string => agents.get(actor.replace(/^agent:/, "")) ?? actorName(actor);
  const who = task.holder ? name(task.holder) : task.to ? `for ${name(task.to)}` : "";
  return (
    <div data-testid={`task-${task.id}`} data-state={task.state} className="border-b border-line last:border-0">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="flex w-full items-center gap-x-3 px-4 py-2 text-left text-sm hover:bg-raised/60">
        <Icon size={15} className={`shrink-0 ${tone}`} aria-label={word} />
        <span className="min-w-0 flex-1 truncate">{task.title}</span>
        <span className="max-w-32 shrink-0 truncate text-dim">{who}</span>
        <span className="hidden shrink-0 text-xs text-faint sm:inline">
          {task.queue}
          {task.priority !== 0 && ` · priority ${task.priority}`}
          {task.attempt > 1 && ` · attempt ${task.attempt} of ${task.max_attempts}`}
        </span>
        <Ago at={task.ended_at ?? task.claimed_at ?? task.created_at} className="shrink-0 text-xs text-faint" />
      </button>
      {open && (
        <div className="space-y-2 border-t border-line bg-ground/50 px-4 py-3 text-sm">
          {task.text && <p className="whitespace-pre-wrap wrap-anywhere">{task.text}</p>}
          {task.result && <p className="whitespace-pre-wrap wrap-anywhere text-dim">{task.result}</p>}
          {task.reason && <p className="wrap-anywhere text-fail">{task.reason}</p>}
          <p className="text-xs text-faint">
            {word}
            {task.due && ` until ${clock(task.due)}`} · {task.id}
            {task.depends_on.length > 0 && ` · after ${task.depends_on.length} other${task.depends_on.length > 1 ? "s" : ""}`}
          </p>
          {!ended && <Levers task={task} agents={agents} />}
        </div>
      )}
    </div>
  );
}

function Levers({ task, agents }: { task: Task; agents: ReadonlyMap<string, string> }) {
  const give = (to: string): void => void attempt("Giving the task", () => client.task.delegate({ id: task.id, to }));
  return (
    <div className="flex flex-wrap gap-2">
      {task.state !== "claimed" && agents.size > 0 && (
        <select aria-label={`Give ${task.title}`} value="" onChange={(event) => give(event.target.value)} className="h-7 rounded-lg border border-line bg-panel px-2 text-xs">
          <option value="" disabled>
            Give to…
          </option>
          {[...agents].map(([agent, name]) => (
            <option key={agent} value={agent}>
              {name}
            </option>
          ))}
        </select>
      )}
      <Button small look="danger" onClick={() => void attempt("Cancelling the task", () => client.task.cancel({ id: task.id }))}>
        Cancel the task
      </Button>
    </div>
  );
}
