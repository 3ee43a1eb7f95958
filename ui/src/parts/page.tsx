import type { ReactNode } from "react";
import type { Place } from "../shell/places";
import { Link } from "./link";

interface Props {
  title: string;
  /** the page is one of these: its title stands among theirs */
  places?: readonly Place[];
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** The frame of a page: a heading row and what it holds. */
export function Page({ title, places, lead, actions, children }: Props) {
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto w-full max-w-6xl px-4 pt-5 pb-24 md:px-8 md:pt-8 md:pb-12">
        {places ? (
          <header className="mb-5 space-y-3">
            <Places title={title} places={places} />
            {(lead || actions) && (
              <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
                <div className="min-w-0 max-md:has-[[type=search]]:w-full">{lead}</div>
                <div className="flex min-w-0 flex-auto items-center justify-end gap-2">{actions}</div>
              </div>
            )}
          </header>
        ) : (
          <header className="mb-5 grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1.5 md:grid-cols-[auto_1fr_auto]">
            <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
            <div className="min-w-0 max-md:order-3 max-md:col-span-2">{lead}</div>
            <div className="flex items-center justify-end gap-2">{actions}</div>
          </header>
        )}
        {children}
      </div>
    </div>
  );
}

/** The heading, and beside it what else is of its kind. */
function Places({ title, places }: { title: string; places: readonly Place[] }) {
  return (
    <nav aria-label="Also here" className="flex gap-x-4 overflow-x-auto text-md font-semibold tracking-tight [scrollbar-width:none] md:gap-x-5 md:text-xl">
      {places.map(({ label, path, page }) => {
        const here = label === title;
        const link = (
          <Link href={path} data-testid={`nav-${page}`} aria-current={here ? "page" : undefined} className={here ? "" : "text-faint hover:text-ink"}>
            {label}
          </Link>
        );
        return here ? <h1 key={path}>{link}</h1> : <span key={path}>{link}</span>;
      })}
    </nav>
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
