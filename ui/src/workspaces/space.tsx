import { FolderOpen, Lock, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { client } from "../generated/client";
import { clock } from "../model/format";
import type { Workspace } from "../model/names";
import { Ago } from "../parts/ago";
import { Button } from "../parts/button";
import { attempt } from "../state/toasts";

/** One workspace. */
export function Space({ space, agents }: { space: Workspace; agents: [string, string][] }) {
  const others = agents.filter(([agent]) => !space.mounts.some((mount) => mount.agent === agent));
  const give = (agent: string) => attempt("Mounting", () => client.workspace.mount({ workspace: space.id, agent }));
  const release = (reservation: string) => attempt("Releasing", () => client.workspace.release({ workspace: space.id, reservation }));
  return (
    <section className="rounded-xl border border-line bg-panel px-4 py-3" data-testid={`workspace-${space.name}`}>
      <header className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
        <FolderOpen size={16} className="self-center text-faint" />
        <h2 className="font-semibold">{space.name}</h2>
        <code className="max-w-full truncate font-mono text-xs text-faint">{space.path}</code>
        {space.files !== null && <span className="ml-auto text-xs text-faint tabular">{space.files === 1 ? "1 file" : `${space.files} files`}</span>}
      </header>
      {space.description && <p className="mt-1 text-sm text-dim">{space.description}</p>}
      <ul className="mt-2 flex flex-wrap items-center gap-1.5 text-sm" aria-label="Who has it">
        {space.mounts.map((mount) => (
          <li key={mount.agent} title={mount.note} className="rounded-md bg-raised px-2 py-0.5">
            {mount.name}
            {mount.mode === "ro" && <span className="text-dim"> looks only</span>}
            {mount.pid !== null && !mount.live && <span className="text-wait"> from its next start</span>}
          </li>
        ))}
        {others.length > 0 && (
          <li>
            <select className="rounded-md bg-transparent py-0.5 text-dim hover:bg-raised" aria-label={`Give ${space.name} to`} value="" onChange={(event) => void give(event.target.value)}>
              <option value="">Give to…</option>
              {others.map(([agent, name]) => (
                <option key={agent} value={agent}>
                  {name}
                </option>
              ))}
            </select>
          </li>
        )}
      </ul>
      <Rows label="Reservations">
        {space.reservations.map((held) => (
          <li key={held.id} className="flex flex-wrap items-center gap-x-2">
            <Lock size={13} className="text-hold" />
            <code className="font-mono text-xs">{held.tree ? `${held.path}/…` : held.path}</code>
            <span className="text-dim">
              {held.mode === "shared" ? "shared by" : "by"} {held.holder}, until {clock(held.expires_at)}: {held.reason}
            </span>
            <Button small look="quiet" className="ml-auto" onClick={() => void release(held.id)}>
              Release
            </Button>
          </li>
        ))}
      </Rows>
      <Rows label="Conflicts">
        {space.conflicts.map((conflict) => (
          <li key={`${conflict.path}${conflict.by}${conflict.first_at}`} className="flex flex-wrap items-center gap-x-2">
            <TriangleAlert size={13} className="text-fail" />
            <code className="font-mono text-xs">{conflict.path}</code>
            <span className="text-dim">
              {conflict.kind} by {conflict.by ?? (conflict.maybe.join(" or ") || "somebody else")}, past {conflict.holder}'s reservation ({conflict.reason})
              {conflict.count > 1 && `, ${conflict.count} times`}
            </span>
            <Ago at={conflict.at} className="ml-auto text-xs text-faint" />
          </li>
        ))}
      </Rows>
    </section>
  );
}

function Rows({ label, children }: { label: string; children: ReactNode[] }) {
  if (children.length === 0) return null;
  return (
    <ul className="mt-2 space-y-1 border-t border-line pt-2 text-sm" aria-label={label}>
      {children}
    </ul>
  );
}
