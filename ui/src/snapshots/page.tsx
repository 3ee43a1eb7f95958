import { Camera } from "lucide-react";
import { useCallback } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { NewLine } from "../parts/new-line";
import { Empty } from "../parts/page";
import { usePaged } from "../state/paged";
import { attempt } from "../state/toasts";
import { Shot } from "./shot";

export type Snapshot = Operations["snapshot.list"]["output"]["snapshots"][number];

/** Conversation and files together, as they were: to look back, to go back, to go on from there as another. */
export default function Snapshots({ process }: { process: Process }) {
  const { agent } = process;
  const read = useCallback(
    async (cursor?: string) => {
      const page = await attempt("Listing snapshots", () => client.snapshot.list({ agent, limit: 50, ...(cursor && { cursor }) }));
      return page && { items: page.snapshots, cursor: page.cursor };
    },
    [agent],
  );
  const { items, more, again } = usePaged(read, "snapshot");
  const take = async (name: string) => {
    const made = await attempt("Taking a snapshot", () => client.snapshot.create({ agent, name }));
    await again();
    return !!made;
  };
  return (
    <div className="h-full overflow-y-auto px-4 py-5 md:px-6">
      <div className="max-w-5xl">
        <div className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-2">
          <p className="min-w-0 flex-1 text-sm text-dim max-md:basis-full">The agent's files and its conversation at one moment.</p>
          <NewLine name="snapshot" field="name" label="What the snapshot is called" hint="before the big change" most={100} word="Take one now" onMake={take} />
        </div>
        {items?.length === 0 && (
          <Empty title="No snapshot yet">
            <Camera size={20} className="mx-auto mb-2 text-faint" />
            Take one before something daring. aetherd takes one by itself after a turn that changed files. From each you can go back, or let a new agent go on.
          </Empty>
        )}
        <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
          {items?.map((each) => (
            <Shot key={each.id} shot={each} process={process} onChanged={() => void again()} />
          ))}
        </div>
        {more && (
          <Button className="mt-3" look="quiet" onClick={more}>
            Show older
          </Button>
        )}
      </div>
    </div>
  );
}
