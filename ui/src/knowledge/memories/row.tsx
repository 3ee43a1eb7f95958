import { useEffect, useState } from "react";
import { client } from "../../generated/client";
import { clock } from "../../model/format";
import { Ago } from "../../parts/ago";
import { Ask } from "../../parts/ask";
import { Button } from "../../parts/button";
import { Chip } from "../../parts/chip";
import { Link } from "../../parts/link";
import { Pick } from "../../parts/pick";
import { agentPath } from "../../state/route";
import { attempt } from "../../state/toasts";
import { EditMemory } from "./edit";
import { LAYERS, type Memory, type Names, type WholeMemory, whoRecalls } from "./places";

/** One memory in two lines; all of it, and where it comes from, on a click. */
export function MemoryRow({ memory, names }: { memory: Memory; names: Names }) {
  const [open, setOpen] = useState(false);
  return (
    <li data-testid={`memory-${memory.id}`} className="border-b border-line last:border-0">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="block w-full px-4 py-2.5 text-left hover:bg-raised/60">
        {!open && <span className="line-clamp-2 text-sm wrap-anywhere">{memory.content}</span>}
        <span className={`flex flex-wrap items-center gap-1.5 ${open ? "" : "mt-1"}`}>
          <Chip title={LAYERS[memory.layer]}>{memory.layer}</Chip>
          <Chip title="who recalls it">{whoRecalls(memory, names)}</Chip>
          {memory.tags.map((tag) => (
            <span key={tag} className="max-w-40 truncate text-2xs text-dim">
              #{tag}
            </span>
          ))}
          <Ago at={memory.updated_at ?? memory.created_at} className="ml-auto text-xs text-faint" />
        </span>
      </button>
      {open && <Whole memory={memory} names={names} />}
    </li>
  );
}

function Whole({ memory, names }: { memory: Memory; names: Names }) {
  const { id } = memory;
  const [whole, setWhole] = useState<WholeMemory | null>(null);
  const [doing, setDoing] = useState<"edit" | "forget" | null>(null);
  useEffect(() => void attempt("Reading the memory", () => client.memory.get({ id })).then((found) => found && setWhole(found)), [id, memory.updated_at, memory.content]);
  const share = (to: string) => {
    const [kind, key] = [to.slice(0, 1), to.slice(1)];
    return attempt("Sharing", () => client.memory.share({ id, ...(kind === "g" ? { namespace: "global" as const } : kind === "w" ? { workspace: key } : { to: key }) }));
  };
  if (!whole) return null;
  const { journal, origin, sources } = whole;
  return (
    <div className="space-y-3 border-t border-line bg-ground/50 px-4 py-3 text-sm">
      {doing === "edit" ? (
        <EditMemory memory={whole} onClose={() => setDoing(null)} />
      ) : (
        <>
          <p className="max-h-96 overflow-y-auto whitespace-pre-wrap wrap-anywhere">{whole.content}</p>
          <p className="text-xs text-faint">
            {LAYERS[whole.layer]}, kept {clock(whole.created_at)}
            {whole.updated_at && `, changed ${clock(whole.updated_at)}`}
            {whole.importance !== 0.5 && `, importance ${whole.importance}`}
            {origin && ", a copy that was given"}
            {sources.length > 0 && `, ${sources.length} more merged into it`}
            {journal !== null && (
              <>
                , told by aetherd of{" "}
                <Link href={agentPath(journal)} className="underline">
                  pid {journal}
                </Link>
              </>
            )}{" "}
            · {id}
          </p>
          <div className="flex flex-wrap gap-2">
            <Button small onClick={() => setDoing("edit")}>
              Edit
            </Button>
            <Pick
              label="Share"
              hint="Share with…"
              options={[
                ...(whole.namespace === "global" ? [] : [["g", "all agents"] as const]),
                ...[...names.workspaces].map(([key, name]) => [`w${key}`, `workspace ${name}`] as const),
                ...[...names.agents].map(([key, name]) => [`a${key}`, `${name} (a copy)`] as const),
              ]}
              onPick={(to) => void share(to)}
            />
            <Button small look="danger" onClick={() => setDoing("forget")}>
              Forget
            </Button>
          </div>
        </>
      )}
      {doing === "forget" && (
        <Ask title="Forget this?" keep="Keep it" act="Forget for good" onClose={() => setDoing(null)} onAct={async () => !!(await attempt("Forgetting", () => client.memory.forget({ id })))}>
          <blockquote className="line-clamp-4 border-l-2 border-edge pl-3 whitespace-pre-wrap wrap-anywhere">{whole.content}</blockquote>
          <p>No agent recalls it any more. It cannot be brought back.</p>
        </Ask>
      )}
    </div>
  );
}
