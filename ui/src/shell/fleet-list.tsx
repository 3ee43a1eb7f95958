import { useStandings } from "../agents/list";
import { CONDITIONS } from "../model/conditions";
import { Glyph } from "../parts/glyph";
import { Link } from "../parts/link";
import { TierSign } from "../parts/tier-mark";
import { agentPath } from "../state/route";

const SHOWN = 14;

/** Everybody at a glance, wherever you are: who needs you first. */
export function FleetList({ pid }: { pid: number }) {
  const standings = useStandings();
  const shown = standings.filter((each) => each.group !== "ended" || each.process.pid === pid).slice(0, SHOWN);
  if (!shown.length) return null;
  return (
    <ul aria-label="Agents" data-testid="fleet" className="mt-4 hidden min-h-0 overflow-y-auto border-t border-line pt-3 lg:block">
      {shown.map(({ process, condition, group }) => {
        const here = process.pid === pid;
        return (
          <li key={process.pid}>
            <Link
              href={agentPath(process.pid)}
              aria-current={here ? "page" : undefined}
              title={`${process.name}: ${CONDITIONS[condition].word.toLowerCase()}`}
              className={`flex items-center gap-3 rounded-lg px-2.5 py-1 text-sm ${here ? "bg-raised text-ink" : group === "needs" ? "text-ink hover:bg-raised/60" : "text-dim hover:bg-raised/60 hover:text-ink"}`}
            >
              <Glyph condition={condition} size={14} />
              <span className="min-w-0 flex-1 truncate">{process.name}</span>
              <TierSign process={process} />
            </Link>
          </li>
        );
      })}
      {standings.length > shown.length && (
        <li>
          <Link href="/" className="block rounded-lg px-2.5 py-1 text-xs text-faint hover:text-ink">
            all {standings.length}
          </Link>
        </li>
      )}
    </ul>
  );
}
