import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Workspace } from "../model/names";
import { NewLine } from "../parts/new-line";
import { Empty, Page } from "../parts/page";
import { WORK } from "../shell/places";
import { useAgentNames, useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import { Space } from "./space";

/** Directories that agents share: who has each, what is reserved, who wrote past that. */
export default function WorkspacesPage() {
  const agents = [...useAgentNames()];
  const [spaces, setSpaces] = useState<Workspace[] | null>(null);

  const look = useCallback(async () => {
    const page = await attempt("Listing workspaces", () => client.workspace.list({ limit: 100 }));
    if (page) setSpaces(page.workspaces);
  }, []);
  useFollowed(look, "workspace");
  const make = async (name: string) => !!(await attempt("Making a workspace", () => client.workspace.create({ name })));

  return (
    <Page
      title="Workspaces"
      places={WORK}
      actions={<NewLine name="workspace" field="name" label="Name of a new workspace" hint="Name" most={64} onMake={make} />}
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
