import type { ReactNode } from "react";

/** A field with its name, and a word of help beside it. */
export function Labelled({ label, hint, children }: { label: string; hint?: string; children: ReactNode }) {
  return (
    <label className="block">
      <span className="mb-1 flex items-baseline justify-between gap-3 text-xs text-dim">
        <span className="shrink-0">{label}</span>
        {hint && <span className="min-w-0 truncate text-faint">{hint}</span>}
      </span>
      {children}
    </label>
  );
}
