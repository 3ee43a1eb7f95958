import { Camera, GitFork, RotateCcw } from "lucide-react";
import { useState } from "react";
import { client } from "../generated/client";
import { actorName } from "../model/conditions";
import { bytes, clock } from "../model/format";
import type { Process } from "../model/names";
import { Ago } from "../parts/ago";
import { Ask } from "../parts/ask";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { attempt } from "../state/toasts";
import { SinceThen } from "./difference";
import { Fork } from "./fork";
import type { Snapshot } from "./page";
import { Restore } from "./restore";

const KINDS: Record<string, string> = { auto: "after a turn", safety: "before a restore" };

/** One moment that is kept: what is in it, and the ways from there. */
export function Shot({ shot, process, onChanged }: { shot: Snapshot; process: Process; onChanged: () => void }) {
  const [open, setOpen] = useState(false);
  const [dialog, setDialog] = useState<"restore" | "fork" | "remove" | null>(null);
  const ready = shot.state === "ready";
  const close = () => setDialog(null);
  const remove = async () => {
    const gone = await attempt("Removing the snapshot", () => client.snapshot.remove({ snapshot: shot.id }));
    if (gone) onChanged();
    return !!gone;
  };
  return (
    <article data-testid={`snapshot-${shot.name ?? shot.id}`} data-kind={shot.kind} data-state={shot.state} className="rounded-xl border border-line bg-panel px-4 py-3">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Camera size={16} className="shrink-0 text-faint" />
        <h3 className="min-w-0 text-sm font-semibold wrap-anywhere">{shot.name ?? clock(shot.created_at)}</h3>
        {KINDS[shot.kind] && <Chip>{KINDS[shot.kind]}</Chip>}
        {!ready && <Chip tone="wait">being taken</Chip>}
        <Ago at={shot.created_at} className="ml-auto text-xs text-faint" />
      </header>
      <p className="mt-1 flex flex-wrap gap-x-3 text-xs text-dim tabular">
        <span>{shot.files === 1 ? "1 file" : `${shot.files} files`}</span>
        <span>{bytes(shot.bytes)}</span>
        <span className="text-faint" title="what was there before is shared">
          {bytes(shot.stored)} new in the store
        </span>
        <span className="text-faint">by {actorName(shot.created_by)}</span>
        {shot.session === null && <span className="text-faint">without a conversation</span>}
      </p>
      {ready && (
        <footer className="mt-3 flex flex-wrap gap-2">
          <Button small aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide what changed" : "What changed since"}
          </Button>
          <Button small icon={<RotateCcw size={13} />} onClick={() => setDialog("restore")}>
            Go back to it…
          </Button>
          <Button small icon={<GitFork size={13} />} onClick={() => setDialog("fork")}>
            Fork…
          </Button>
          <Button small look="quiet" onClick={() => setDialog("remove")}>
            Remove…
          </Button>
        </footer>
      )}
      {open && <SinceThen shot={shot} />}
      {dialog === "restore" && <Restore shot={shot} process={process} onClose={close} />}
      {dialog === "fork" && <Fork shot={shot} runtime={process.runtime} onClose={close} />}
      {dialog === "remove" && (
        <Ask title={shot.name ? `Remove “${shot.name}”?` : "Remove this snapshot?"} keep="Keep it" act="Remove it for good" onAct={remove} onClose={close}>
          <p>What only this snapshot holds is gone then. The agent and its other snapshots stay as they are.</p>
        </Ask>
      )}
    </article>
  );
}
