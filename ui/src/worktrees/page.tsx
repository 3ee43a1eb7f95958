import { Plus } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { Button } from "../parts/button";
import { Empty, Page, Section } from "../parts/page";
import { Radios } from "../parts/radios";
import { WORK } from "../shell/places";
import { usePaged } from "../state/paged";
import { attempt } from "../state/toasts";
import { NewWorktree } from "./new-worktree";
import { Tree } from "./tree";

export type Worktree = Operations["worktree.list"]["output"]["worktrees"][number];
export type Repository = Operations["worktree.list"]["output"]["repositories"][number];

type Show = "here" | "removed";

const SHOWS: { value: Show; label: string }[] = [
  { value: "here", label: "Here" },
  { value: "removed", label: "Removed" },
];

/** Branches that agents work on, each in a directory of its own, and the queue by which they come together. */
export default function WorktreesPage() {
  const [show, setShow] = useState<Show>("here");
  const [repositories, setRepositories] = useState<Repository[]>([]);
  const [making, setMaking] = useState(false);
  const read = useCallback(
    async (cursor?: string) => {
      const page = await attempt("Listing worktrees", () => client.worktree.list({ removed: show === "removed", limit: 50, ...(cursor && { cursor }) }));
      if (page) setRepositories(page.repositories);
      return page && { items: page.worktrees, cursor: page.cursor };
    },
    [show],
  );
  const { items, more, again } = usePaged(read, "worktree");
  const groups = repositories.map((each) => ({ repository: each, trees: items?.filter((tree) => tree.repository === each.id) ?? [] })).filter((each) => each.trees.length > 0);
  return (
    <Page
      title="Worktrees"
      places={WORK}
      lead={<Radios label="Show" options={SHOWS} chosen={show} onChoose={setShow} />}
      actions={
        <Button icon={<Plus size={15} />} data-testid="worktree-new" onClick={() => setMaking(true)}>
          New
        </Button>
      }
    >
      {items?.length === 0 && (
        <Empty title={show === "here" ? "No worktree yet" : "None was removed"}>
          {show === "here"
            ? "A worktree gives an agent a directory and a branch of its own in a git repository, so that several change it at once. What is good goes through a queue that tests it before it is merged."
            : "When one is removed, what was neither merged nor pushed is archived, and listed here."}
        </Empty>
      )}
      {groups.map(({ repository, trees }) => (
        <Section key={repository.id} title={repository.path} note={<About repository={repository} />}>
          <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
            {trees.map((tree) => (
              <Tree key={tree.id} tree={tree} onChanged={() => void again()} />
            ))}
          </div>
        </Section>
      ))}
      {more && (
        <Button className="mt-3" look="quiet" onClick={more}>
          Show older
        </Button>
      )}
      {making && (
        <NewWorktree
          repositories={repositories}
          onClose={() => {
            setMaking(false);
            void again();
          }}
        />
      )}
    </Page>
  );
}

function About({ repository: { test, queue, base } }: { repository: Repository }) {
  return (
    <>
      into {base}
      {test ? (
        <>
          {" after "}
          <code className="font-mono">{test}</code>
        </>
      ) : (
        ", untested"
      )}
      {queue > 0 && `, ${queue} in the queue`}
    </>
  );
}
