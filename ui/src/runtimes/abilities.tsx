import { Check, Minus, X } from "lucide-react";
import type { Runtime } from "./page";

/** The capability matrix: rows are behaviours, columns the runtimes that were put through them. */
export function Abilities({ runtimes }: { runtimes: readonly Runtime[] }) {
  const seen = runtimes.filter((each) => each.observed.length > 0);
  const behaviours = new Map(seen.flatMap((each) => each.observed.map(({ behaviour, summary }) => [behaviour, summary])));
  if (!seen.length) return <p className="rounded-xl border border-dashed border-edge px-4 py-6 text-sm text-dim">No runtime was put through the bench yet.</p>;
  return (
    <div className="overflow-x-auto rounded-xl border border-line bg-panel">
      <table className="w-full text-sm" data-testid="abilities">
        <thead>
          <tr className="border-b border-line text-left text-xs text-dim">
            <th className="sticky left-0 bg-panel px-4 py-2 font-medium">behaviour</th>
            {seen.map((each) => (
              <th key={each.name} className="px-3 py-2 text-center font-medium whitespace-nowrap">
                {each.title}
                <span className="block font-normal text-faint tabular">{each.observed_version}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[...behaviours].map(([behaviour, summary]) => (
            <tr key={behaviour} className="border-b border-line last:border-0">
              <th title={behaviour} className="sticky left-0 max-w-64 min-w-40 bg-panel px-4 py-1.5 text-left font-normal md:max-w-none">
                {summary}
              </th>
              {seen.map((each) => (
                <Cell key={each.name} seen={each.observed.find((one) => one.behaviour === behaviour)} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ seen }: { seen: Runtime["observed"][number] | undefined }) {
  const holds = seen?.holds ?? null;
  return (
    <td className="px-3 py-1.5 text-center" title={seen?.note || (holds === null ? "does not apply, or was not tried" : "")} data-holds={String(holds)}>
      {holds === null ? <Minus size={14} className="inline text-faint" aria-label="not tried" /> : holds ? <Check size={14} className="inline text-work" aria-label="yes" /> : <X size={14} className="inline text-fail" aria-label="no" />}
    </td>
  );
}
