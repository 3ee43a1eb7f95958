import type { ReactNode } from "react";

/** Facts by name; one that is not known is left out. */
export function Rows({ rows }: { rows: [string, ReactNode][] }) {
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return (
    <dl className="overflow-hidden rounded-xl border border-line bg-panel text-sm">
      {known.map(([name, value]) => (
        <div key={name} className="grid grid-cols-[8rem_1fr] gap-3 border-b border-line px-4 py-1.5 last:border-0">
          <dt className="text-faint">{name}</dt>
          <dd className="min-w-0 wrap-anywhere tabular">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
