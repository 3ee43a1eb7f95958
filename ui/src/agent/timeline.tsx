import { ArrowDown, Search } from "lucide-react";
import { memo, useMemo, useRef, useState } from "react";
import { Button } from "../parts/button";
import { Radios } from "../parts/radios";
import { useFleet } from "../state/fleet";
import { useKeys } from "../state/keys";
import { olderEvents, openTimeline, useTimelines } from "../state/timelines";
import { type Entry, type Show, chosen } from "../timeline/entries";
import { EntryView } from "../timeline/entry-view";
import { LiveText } from "../timeline/live-text";
import { useWindow } from "../timeline/window";

const SHOWS: { value: Show; label: string }[] = [
  { value: "all", label: "All" },
  { value: "text", label: "Text" },
  { value: "tools", label: "Tools" },
  { value: "state", label: "State" },
];

const NONE: Entry[] = [];

/** How many events are loaded, from which to which: what tests compare with the log. */
function span(events: readonly { id: number }[] = []): string {
  return `${events.length}:${events[0]?.id ?? 0}-${events.at(-1)?.id ?? 0}`;
}

/** What the agent thought, said and did, oldest first, live at the end. */
export function Timeline({ pid }: { pid: number }) {
  const loaded = useTimelines((state) => state.byPid[pid]);
  const delta = useFleet((fleet) => fleet.deltas[pid]);
  const [show, setShow] = useState<Show>("all");
  const [query, setQuery] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const entries = loaded?.story.entries ?? NONE;
  const list = useMemo(() => chosen(entries, show, query), [entries, show, query]);
  const view = useWindow(list, loaded?.more ?? false, () => olderEvents(pid), delta);

  useKeys({
    f: () => search.current?.focus(),
    e: view.toEnd,
    End: view.toEnd,
  });

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div className="flex shrink-0 items-center gap-2 px-4 py-2 md:px-6">
        <div className="mx-auto flex w-full max-w-4xl items-center gap-2">
          <Radios label="Show" options={SHOWS} chosen={show} onChoose={setShow} />
          <label className="relative ml-auto w-36 md:w-56">
            <Search size={14} className="absolute top-1/2 left-2.5 -translate-y-1/2 text-faint" />
            <input
              ref={search}
              type="search"
              aria-label="Search the timeline"
              placeholder="Search"
              className="field !py-1 !pl-8 text-xs"
              value={query}
              onChange={(event) => setQuery(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Escape") {
                  setQuery("");
                  search.current?.blur();
                }
              }}
            />
          </label>
        </div>
      </div>
      <div ref={view.box} data-testid="timeline" data-events={span(loaded?.events)} onScroll={view.scrolled} className="min-h-0 flex-1 overflow-y-auto px-4 [overflow-anchor:none] md:px-6">
        <div className="mx-auto max-w-4xl pb-6">
          {loaded?.state === "failed" && (
            <p className="py-8 text-center text-sm text-dim">
              The timeline could not be loaded.{" "}
              <button type="button" className="underline" onClick={() => void openTimeline(pid, true)}>
                Try again
              </button>
            </p>
          )}
          <Head loading={view.loading || loaded?.state === "loading"} more={loaded?.more ?? false} hidden={view.from > 0} searching={!!query} older={() => void olderEvents(pid)} />
          {loaded?.state === "ready" && list.length === 0 && !delta && (
            <p className="py-12 text-center text-sm text-faint">{query || show !== "all" ? "Nothing here matches." : "Nothing happened yet."}</p>
          )}
          <Entries list={list} from={view.from} to={view.to} pid={pid} />
          {view.to === list.length && !query && delta && show !== "tools" && show !== "state" && <LiveText {...delta} />}
        </div>
      </div>
      {!view.pinned && (
        <Button className="rise absolute bottom-3 left-1/2 -translate-x-1/2 !rounded-full shadow-lg" look="primary" small icon={<ArrowDown size={14} />} data-testid="to-newest" onClick={view.toEnd}>
          {view.unseen ? `${view.unseen} new` : "Newest"}
        </Button>
      )}
    </div>
  );
}

function Head({ loading, more, hidden, searching, older }: { loading: boolean; more: boolean; hidden: boolean; searching: boolean; older: () => void }) {
  if (loading) return <p className="py-3 text-center text-xs text-faint">Loading older events</p>;
  if (hidden) return <div className="h-10" />;
  if (more)
    return (
      <div className="py-3 text-center">
        <Button small look="quiet" onClick={older}>
          {searching ? "Search in older events" : "Load older events"}
        </Button>
      </div>
    );
  return null;
}

const Entries = memo(function Entries({ list, from, to, pid }: { list: readonly Entry[]; from: number; to: number; pid: number }) {
  return list.slice(from, to).map((entry) => (
    <div key={entry.key} data-entry={entry.key}>
      <EntryView entry={entry} pid={pid} />
    </div>
  ));
});
