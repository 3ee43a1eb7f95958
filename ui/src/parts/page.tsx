import type { ReactNode } from "react";

/** The frame of a page: a heading row and what it holds. */
export function Page({ title, lead, actions, children }: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto w-full max-w-6xl px-4 pt-5 pb-24 md:px-8 md:pt-8 md:pb-12">
        <header className="mb-5 grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1.5 md:grid-cols-[auto_1fr_auto]">
          <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
          <div className="min-w-0 max-md:order-3 max-md:col-span-2">{lead}</div>
          <div className="flex items-center justify-end gap-2">{actions}</div>
        </header>
        {children}
      </div>
    </div>
  );
}

export function Section({ title, note, children }: { title: string; note?: ReactNode; children: ReactNode }) {
  return (
    <section className="mb-8">
      <div className="mb-2 flex items-baseline justify-between gap-4">
        <h2 className="text-sm font-semibold text-dim">{title}</h2>
        {note && <div className="text-xs text-faint">{note}</div>}
      </div>
      {children}
    </section>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="rounded-xl border border-dashed border-edge px-6 py-12 text-center">
      <p className="font-medium">{title}</p>
      {children && <div className="mx-auto mt-1.5 max-w-md text-sm text-dim">{children}</div>}
    </div>
  );
}
