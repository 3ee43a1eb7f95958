import { Plus } from "lucide-react";
import { type FormEvent, useCallback, useEffect, useMemo, useState } from "react";
import { client } from "../generated/client";
import type { Task } from "../model/names";
import { Button } from "../parts/button";
import { Empty, Page } from "../parts/page";
import { useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";
import { TaskRow } from "./row";

const SHOWS: { label: string; states: Task["state"][] }[] = [
  { label: "Open", states: ["claimed", "queued", "delayed", "waiting"] },
  { label: "Given up", states: ["dead"] },
  { label: "Done", states: ["done", "cancelled"] },
];
const CALM_MS = 300; // events come in bursts; the list is read once after one

/** Work that agents share: who has what, what waits for what, what was given up. */
export default function TasksPage() {
  const processes = useFleet((fleet) => fleet.processes);
  const tick = useFleet((fleet) => fleet.tasks);
  const [show, setShow] = useState(SHOWS[0]!);
  const [tasks, setTasks] = useState<Task[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [title, setTitle] = useState("");
  const agents = useMemo(() => new Map(Object.values(processes).map((each) => [each.agent, each.name])), [processes]);

  const look = useCallback(
    async (after?: string) => {
      const page = await attempt("Listing tasks", () => client.task.list({ states: show.states, limit: 100, ...(after ? { cursor: after } : {}) }));
      if (!page) return;
      setTasks((old) => (after ? [...(old ?? []), ...page.tasks] : page.tasks));
      setCursor(page.cursor);
    },
    [show],
  );
  useEffect(() => void look(), [look]);
  useEffect(() => {
    if (!tick) return;
    const timer = window.setTimeout(() => void look(), CALM_MS);
    return () => clearTimeout(timer);
  }, [look, tick]);

  const make = async (event: FormEvent) => {
    event.preventDefault();
    if (await attempt("Making a task", () => client.task.create({ title: title.trim() }))) setTitle("");
  };

  return (
    <Page
      title="Tasks"
      lead={
        <div className="inline-flex rounded-lg bg-raised p-0.5" role="radiogroup" aria-label="Show">
          {SHOWS.map((each) => (
            <button
              key={each.label}
              type="button"
              role="radio"
              aria-checked={each === show}
              onClick={() => (setTasks(null), setShow(each))}
              className={`rounded-md px-2.5 py-0.5 text-xs ${each === show ? "bg-panel text-ink shadow-sm" : "text-dim hover:text-ink"}`}
            >
              {each.label}
            </button>
          ))}
        </div>
      }
      actions={
        <form onSubmit={(event) => void make(event)} className="flex gap-2">
          <input
            value={title}
            onChange={(event) => setTitle(event.target.value)}
            placeholder="What is to be done"
            aria-label="Title of a new task"
            maxLength={300}
            data-testid="task-title"
            className="h-8 w-36 rounded-lg border border-line bg-panel px-2.5 text-sm md:w-64"
          />
          <Button type="submit" icon={<Plus size={15} />} disabled={!title.trim()} data-testid="task-new">
            New
          </Button>
        </form>
      }
    >
      {tasks?.length === 0 ? (
        <Empty title="No tasks here">Agents take tasks from queues, one each at a time. A task that is not done in time goes back; one that fails too often is given up and waits for you here.</Empty>
      ) : (
        <div className="overflow-hidden rounded-xl border border-line bg-panel">
          {tasks?.map((task) => (
            <TaskRow key={task.id} task={task} agents={agents} />
          ))}
        </div>
      )}
      {cursor && (
        <Button className="mt-3" look="quiet" onClick={() => void look(cursor)}>
          Show older
        </Button>
      )}
    </Page>
  );
}
