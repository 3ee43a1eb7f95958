import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Task } from "../model/names";
import { Button } from "../parts/button";
import { NewLine } from "../parts/new-line";
import { Empty, Page } from "../parts/page";
import { Radios } from "../parts/radios";
import { WORK } from "../shell/places";
import { useAgentNames } from "../state/news";
import { usePaged } from "../state/paged";
import { attempt } from "../state/toasts";
import { TaskRow } from "./row";

type Show = "open" | "dead" | "done";

const SHOWS: { value: Show; label: string }[] = [
  { value: "open", label: "Open" },
  { value: "dead", label: "Given up" },
  { value: "done", label: "Done" },
];
const STATES: Record<Show, Task["state"][]> = {
  open: ["claimed", "queued", "delayed", "waiting"],
  dead: ["dead"],
  done: ["done", "cancelled"],
};

/** Work that agents share: who has what, what waits for what, what was given up. */
export default function TasksPage() {
  const agents = useAgentNames();
  const [show, setShow] = useState<Show>("open");
  const read = useCallback(
    async (cursor?: string) => {
      const page = await attempt("Listing tasks", () => client.task.list({ states: STATES[show], limit: 100, ...(cursor && { cursor }) }));
      return page && { items: page.tasks, cursor: page.cursor };
    },
    [show],
  );
  const { items: tasks, more } = usePaged(read, "task");
  const make = async (title: string) => !!(await attempt("Making a task", () => client.task.create({ title })));

  return (
    <Page
      title="Tasks"
      places={WORK}
      lead={<Radios label="Show" options={SHOWS} chosen={show} onChoose={setShow} />}
      actions={<NewLine name="task" field="title" label="Title of a new task" hint="What is to be done" most={300} onMake={make} />}
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
      {more && (
        <Button className="mt-3" look="quiet" onClick={more}>
          Show older
        </Button>
      )}
    </Page>
  );
}
