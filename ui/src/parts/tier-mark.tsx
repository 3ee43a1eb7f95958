import { ShieldOff, TriangleAlert } from "lucide-react";
import { type Isolation, type Walls, isolationOf } from "../model/isolation";
import type { Process } from "../model/names";

const LOOKS: Record<Walls, string> = {
  walled: "text-faint",
  uid: "rounded border border-fail/40 px-1 text-fail",
  none: "rounded bg-fail/12 px-1 font-medium text-fail",
};

/** Where it runs; red when nothing, or only a uid, keeps it apart. */
export function TierMark({ process, long }: { process: Pick<Process, "sandbox">; long?: boolean }) {
  const found = isolationOf(process);
  return (
    <span data-testid="tier" data-walls={found.walls} className={`inline-flex max-w-full items-center gap-1 ${long ? "" : "whitespace-nowrap"} ${LOOKS[found.walls]}`} title={found.why || "sandbox tier"}>
      <Sign of={found} size={11} />
      {long ? found.words : found.word}
    </span>
  );
}

/** The sign alone, where there is no room for words; nothing for one with walls. */
export function TierSign({ process, size = 12 }: { process: Pick<Process, "sandbox">; size?: number }) {
  const found = isolationOf(process);
  return found.walls === "walled" ? null : (
    <span role="img" data-walls={found.walls} aria-label={found.walls === "uid" ? "no sandbox, only an own uid" : "no sandbox"} title={`${found.words}. ${found.why}`} className="shrink-0 text-fail">
      <Sign of={found} size={size} />
    </span>
  );
}

function Sign({ of: { walls }, size }: { of: Isolation; size: number }) {
  if (walls === "walled") return null;
  const Icon = walls === "none" ? TriangleAlert : ShieldOff;
  return <Icon size={size} className="shrink-0" aria-hidden />;
}
