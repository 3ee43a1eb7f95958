import { useCallback, useEffect, useState } from "react";
import { client } from "../../generated/client";
import type { Operations } from "../../generated/types";
import { Button } from "../../parts/button";
import { Modal } from "../../parts/modal";
import { Pick } from "../../parts/pick";
import { attempt } from "../../state/toasts";
import { useToasts } from "../../state/toasts";
import type { Names } from "./places";

type Found = Operations["memory.consolidate"]["output"];

const LIKENESS = [
  ["1", "the same words"],
  ["0.8", "nearly the same words"],
  ["0.6", "much the same words"],
] as const;

/** Near-duplicates become one: first what would be merged, then, on a click, the same for real. */
export function Consolidate({ names, onClose }: { names: Names; onClose: () => void }) {
  const [whose, setWhose] = useState("g");
  const [likeness, setLikeness] = useState("0.8");
  const [from, setFrom] = useState<string | null>(null);
  const [found, setFound] = useState<Found | null>(null);
  const [busy, setBusy] = useState(false);

  const run = useCallback(
    (dry_run: boolean) => {
      const key = whose.slice(1);
      const scope = whose === "g" ? { namespace: "global" as const } : whose.startsWith("w") ? { workspace: key } : { agent: key };
      return attempt(dry_run ? "Looking" : "Merging", () => client.memory.consolidate({ ...scope, similarity: Number(likeness), limit: 1000, dry_run, ...(from && { cursor: from }) }));
    },
    [whose, likeness, from],
  );
  useEffect(() => {
    let stale = false;
    setFound(null);
    void run(true).then((result) => !stale && result && setFound(result));
    return () => {
      stale = true;
    };
  }, [run]);
  const merge = async () => {
    setBusy(true);
    const done = await run(false);
    setBusy(false);
    if (!done) return;
    useToasts.getState().show({ tone: "work", title: `${done.merged.reduce((sum, each) => sum + each.sources.length, 0)} merged`, hint: "memory.get still shows each." });
    if (found?.cursor) setFrom(found.cursor);
    else onClose();
  };

  return (
    <Modal title="Merge what says the same" wide onClose={onClose}>
      <div className="flex flex-wrap items-center gap-2 text-sm text-dim">
        Of
        <Pick
          label="Of"
          value={whose}
          options={[["g", "all agents' memories"], ...[...names.workspaces].map(([key, name]) => [`w${key}`, `workspace ${name}`] as const), ...[...names.agents].map(([key, name]) => [`a${key}`, `${name}'s notes`] as const)]}
          onPick={(each) => (setFrom(null), setWhose(each))}
        />
        those with
        <Pick label="Alike" value={likeness} options={LIKENESS} onPick={(each) => (setFrom(null), setLikeness(each))} />
      </div>
      <div className="mt-4 space-y-3" data-testid="consolidate" aria-busy={found === null}>
        {found?.merged.map((each) => (
          <Group key={each.id} group={each} />
        ))}
        {found && (
          <p className="text-sm text-dim">
            {found.merged.length === 0 ? "Nothing would be merged" : found.merged.length === 1 ? "This one stays, the newest, with the tags of all" : "These stay, the newest of each, with the tags of all"}; {found.looked_at} looked at
            {found.cursor ? ", there are older ones." : "."}
          </p>
        )}
      </div>
      <div className="mt-5 flex justify-end gap-2">
        <Button look="quiet" onClick={onClose}>
          Leave them
        </Button>
        {found?.merged.length === 0 && found.cursor && (
          <Button onClick={() => setFrom(found.cursor)}>Look at older ones</Button>
        )}
        <Button look="primary" data-testid="confirm" disabled={busy || !found?.merged.length} onClick={() => void merge()}>
          Merge them
        </Button>
      </div>
    </Modal>
  );
}

const READ = 12; // sources shown with their text

function Group({ group }: { group: Found["merged"][number] }) {
  const [texts, setTexts] = useState<string[]>([]);
  useEffect(() => {
    let stale = false;
    void Promise.all(group.sources.slice(0, READ).map((id) => client.memory.get({ id }).then((found) => found.content, () => ""))).then((all) => !stale && setTexts(all.filter(Boolean)));
    return () => {
      stale = true;
    };
  }, [group]);
  return (
    <div className="overflow-hidden rounded-xl border border-line text-sm">
      <p className="line-clamp-3 px-3.5 py-2 whitespace-pre-wrap wrap-anywhere">{group.content}</p>
      <ul className="border-t border-line bg-ground/50 px-3.5 py-1.5 text-dim" aria-label="merged into it">
        {texts.map((text, n) => (
          <li key={n} className="line-clamp-2 py-0.5 line-through decoration-faint/60 wrap-anywhere">
            {text}
          </li>
        ))}
        {group.sources.length > READ && <li className="text-xs text-faint">and {group.sources.length - READ} more</li>}
      </ul>
    </div>
  );
}
