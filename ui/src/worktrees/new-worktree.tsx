import { useState } from "react";
import { client } from "../generated/client";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Modal } from "../parts/modal";
import { useAgentNames } from "../state/news";
import { attempt } from "../state/toasts";
import type { Repository } from "./page";

/** A directory and a branch for an agent; the repository is known from its first one on. */
export function NewWorktree({ repositories, onClose }: { repositories: readonly Repository[]; onClose: () => void }) {
  const agents = [...useAgentNames()];
  const [repository, setRepository] = useState(repositories[0]?.path ?? "");
  const [agent, setAgent] = useState(agents[0]?.[0] ?? "");
  const [branch, setBranch] = useState("");
  const [test, setTest] = useState("");
  const known = repositories.find((each) => each.path === repository.trim() || each.id === repository.trim());
  const make = async () => {
    const made = await attempt("Making the worktree", () => client.worktree.create({ repository: repository.trim(), agent, ...(branch.trim() && { branch: branch.trim() }), ...(test.trim() && { test: test.trim() }) }));
    if (made) onClose();
  };
  return (
    <Modal title="New worktree" onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <Labelled label="Repository" hint="a directory of this machine">
          <input className="field font-mono text-xs" list="repositories" placeholder="~/work/site" value={repository} onChange={(event) => setRepository(event.target.value)} />
          <datalist id="repositories">
            {repositories.map((each) => (
              <option key={each.id} value={each.path} />
            ))}
          </datalist>
        </Labelled>
        <Labelled label="Agent">
          <select className="field" value={agent} onChange={(event) => setAgent(event.target.value)}>
            {agents.map(([key, name]) => (
              <option key={key} value={key}>
                {name}
              </option>
            ))}
          </select>
        </Labelled>
        <Labelled label="Branch" hint="agent/ and its name, if empty">
          <input className="field font-mono text-xs" value={branch} onChange={(event) => setBranch(event.target.value)} />
        </Labelled>
        <Labelled label="Test before each merge" hint={known?.test ? `now: ${known.test}` : "a shell command, kept for the repository"}>
          <input className="field font-mono text-xs" placeholder="make test" value={test} onChange={(event) => setTest(event.target.value)} />
        </Labelled>
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="primary" disabled={!repository.trim() || !agent}>
            Make it
          </Button>
        </div>
      </form>
    </Modal>
  );
}
