import { Combine } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../../generated/client";
import { Button } from "../../parts/button";
import { NewLine } from "../../parts/new-line";
import { Empty, Page } from "../../parts/page";
import { Pick } from "../../parts/pick";
import { SearchBox } from "../../parts/search";
import { KNOWLEDGE } from "../../shell/places";
import { useAgentNames } from "../../state/news";
import { usePaged } from "../../state/paged";
import { attempt } from "../../state/toasts";
import { Consolidate } from "./consolidate";
import { LAYERS, type Layer, NAMESPACES, type Names, type Namespace, useWorkspaceNames } from "./places";
import { MemoryRow } from "./row";

const LAYER_OPTIONS = [["", "every layer"], ...Object.keys(LAYERS).map((each) => [each, each] as const)] as const;
const NAMESPACE_OPTIONS = [["", "every namespace"], ...Object.entries(NAMESPACES).map(([key, whose]) => [key, `${key}: ${whose}`] as const)] as const;

/** What agents remember: found by words as they find it, corrected, forgotten. */
export default function MemoriesPage() {
  const [query, setQuery] = useState("");
  const [layer, setLayer] = useState<Layer | "">("");
  const [namespace, setNamespace] = useState<Namespace | "">("");
  const [merging, setMerging] = useState(false);
  const names: Names = { agents: useAgentNames(), workspaces: useWorkspaceNames() };

  const read = useCallback(
    async (cursor?: string) => {
      const only = { ...(layer && { layer }), ...(namespace && { namespace }) };
      if (!query) {
        const page = await attempt("Listing memories", () => client.memory.list({ ...only, limit: 50, ...(cursor && { cursor }) }));
        return page && { items: page.memories, cursor: page.cursor };
      }
      const found = await attempt("Recalling", () => client.memory.recall({ ...only, query, limit: 50 }));
      return found && { items: found.memories, cursor: null };
    },
    [query, layer, namespace],
  );
  const { items, more, again } = usePaged(read, "memory");
  const remember = async (content: string) => {
    const made = await attempt("Remembering", () => client.memory.remember({ content }));
    if (made) void again();
    return !!made;
  };

  return (
    <Page
      title="Memories"
      places={KNOWLEDGE}
      lead={
        <div className="flex flex-wrap items-center gap-2">
          <SearchBox label="Search memories" hint="Recall by words" onSearch={setQuery} />
          <Pick label="Layer" value={layer} options={LAYER_OPTIONS} onPick={(each) => setLayer(each as Layer)} />
          <Pick label="Namespace" value={namespace} options={NAMESPACE_OPTIONS} onPick={(each) => setNamespace(each as Namespace)} />
        </div>
      }
      actions={
        <>
          <NewLine name="memory" field="content" label="Something all your agents shall know" hint="Something all your agents shall know" most={4000} word="Remember" onMake={remember} />
          <Button look="quiet" icon={<Combine size={15} />} aria-label="Merge what says the same" title="Merge what says the same" onClick={() => setMerging(true)} />
        </>
      }
    >
      {items?.length === 0 ? (
        query || layer || namespace ? (
          <Empty title="Nothing like that is remembered">Agents find memories by the same words, the best fit first. Fewer or other words may find more.</Empty>
        ) : (
          <Empty title="Nothing is remembered yet">
            Agents keep what is worth knowing in the next run with <code className="font-mono text-xs">memory.remember</code>: facts, what happened, how things are done, who is who. What you write above reaches all of them.
          </Empty>
        )
      ) : (
        <ul className="overflow-hidden rounded-xl border border-line bg-panel" aria-label="Memories" aria-busy={items === null}>
          {items?.map((memory) => (
            <MemoryRow key={memory.id} memory={memory} names={names} />
          ))}
        </ul>
      )}
      {more && (
        <Button className="mt-3" look="quiet" onClick={more}>
          Show older
        </Button>
      )}
      {merging && <Consolidate names={names} onClose={() => setMerging(false)} />}
    </Page>
  );
}
