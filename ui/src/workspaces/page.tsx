import { Plus } from "lucide-react";
import { type FormEvent, useCallback, useEffect, useMemo, useState } from "react";
import { client } from "../generated/client";
import type { Workspace } from "../model/names";
import { Button } from "../parts/button";
import { Empty, Page } from "../parts/page";
import { useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";
import { Space } from "./space";

/** Directories that agents share: who has each, what is reserved, who wrote past that. */
export default function WorkspacesPage() {
  const processes = useFleet((fleet) => fleet.processes);
  const tick = useFleet((fleet) => fleet.workspaces);
  const [spaces, setSpaces] = useState<Workspace[] | null>(null);
  const [name, setName] = useState("");
  const agents = useMemo(() => [...new Map(Object.values(processes).map((each) => [each.agent, each.name]))], [processes]);

  const look = useCallback(async () => {
    const page = await attempt("Listing workspaces", () => client.workspace.list({ limit: 100 }));
    if (page) setSpaces(page.workspaces);
  }, []);
  useEffect(() => void look(), [look, tick]);

  const make = async (event: FormEvent) => {
    event.preventDefault();
    if (await attempt("Making a workspace", () => client.workspace.create({ name: name.trim() }))) setName("");
  };

  return (
    <Page
      title="Workspaces"
      actions={
        <form onSubmit={(event) => void make(event)} className="flex gap-2">
          <input
            value={name}
            onChange={(event) => setName(event.target.value)}
            placeholder="Name"
            aria-label="Name of a new workspace"
            maxLength={64}
            data-testid="workspace-name"
            className="h-8 w-24 rounded-lg border border-line bg-panel px-2.5 text-sm md:w-48"
          />
          <Button type="submit" icon={<Plus size={15} />} disabled={!name.trim()} data-testid="workspace-new">
            New
          </Button>
        </form>
      }
    >
      {spaces?.length === 0 && (
        <Empty title="No workspace yet">
          A workspace is a directory that several agents share. Make one, give it to agents, and they keep out of each other's way by reserving what they work on.
        </Empty>
      )}
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        {spaces?.map((space) => (
          <Space key={space.id} space={space} agents={agents} />
        ))}
      </div>
    </Page>
  );
}
