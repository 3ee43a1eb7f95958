import { Globe, RefreshCw } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { ended } from "../model/conditions";
import { oneLine } from "../model/format";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Empty } from "../parts/page";
import { useFollowed } from "../state/news";
import { usePulse } from "../state/pulse";
import { attempt } from "../state/toasts";

type Tabs = Operations["browser.tabs"]["output"];
type Shot = Operations["browser.screenshot"]["output"];

const PULSE_MS = 3_000;

/** What the agent's browser shows: its tabs, and a picture of one. */
export default function Browser({ process }: { process: Process }) {
  const { pid } = process;
  const over = ended(process);
  const [tabs, setTabs] = useState<Tabs | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const look = useCallback(() => client.browser.tabs({ pid }).then(setTabs, () => setTabs(null)), [pid]);
  useFollowed(look, "browser");
  const open = async () => {
    if (await attempt("Opening a browser", () => client.browser.open({ pid }))) await look();
  };
  const shown = tabs?.tabs.find((each) => each.tab === chosen) ?? tabs?.tabs.find((each) => each.active) ?? tabs?.tabs[0];
  if (!shown)
    return (
      <div className="p-6">
        <Empty title={over ? "Its browser ended with it" : "No browser is open"}>
          <p>The agent opens one when it needs one, with aether_browser_open; it runs in the agent's sandbox, under its network policy. Here you see what it sees.</p>
          {!over && (
            <div className="mt-4">
              <Button icon={<Globe size={15} />} onClick={() => void open()}>
                Open it for the agent
              </Button>
            </div>
          )}
        </Empty>
      </div>
    );
  return (
    <div className="flex h-full flex-col" data-testid="browser">
      <div role="group" aria-label="Tabs of its browser" className="flex shrink-0 items-center gap-1 overflow-x-auto px-4 py-1.5 md:px-6">
        {tabs!.tabs.map((each) => (
          <button
            key={each.tab}
            type="button"
            aria-pressed={each.tab === shown.tab}
            title={each.url}
            onClick={() => setChosen(each.tab)}
            className={`max-w-48 shrink-0 truncate rounded-md px-2.5 py-1 text-xs ${each.tab === shown.tab ? "bg-raised text-ink" : "text-dim hover:text-ink"}`}
          >
            {oneLine(each.title || each.url, 60) || "empty page"}
          </button>
        ))}
      </div>
      <Picture key={shown.tab} pid={pid} tab={shown.tab} url={shown.url} live={!over} headless={tabs!.headless} />
    </div>
  );
}

function Picture({ pid, tab, url, live, headless }: { pid: number; tab: string; url: string; live: boolean; headless: boolean }) {
  const [shot, setShot] = useState<Shot | null>(null);
  const [why, setWhy] = useState("");
  const look = useCallback(
    () =>
      client.browser.screenshot({ pid, tab, media_type: "image/jpeg" }).then(
        (found) => {
          setShot(found);
          setWhy("");
        },
        (error: Error) => setWhy(error.message),
      ),
    [pid, tab],
  );
  usePulse(look, PULSE_MS, live);
  return (
    <>
      <div className="flex shrink-0 items-center gap-2 border-y border-line px-4 py-1 md:px-6">
        {/* what an agent looks at is no link of ours */}
        <code className="min-w-0 flex-1 truncate font-mono text-xs text-dim" data-testid="browser-url">
          {url}
        </code>
        {shot && why && <span className="min-w-0 truncate text-xs text-limit" title={why}>old: {why}</span>}
        <span className="text-xs text-faint max-sm:hidden">{headless ? "without a window" : "a window on its desktop"}</span>
        <Button small look="quiet" icon={<RefreshCw size={13} />} aria-label="Look again" onClick={() => void look()} />
      </div>
      <div className="min-h-0 flex-1 overflow-hidden bg-raised/40 p-4">
        {shot ? (
          <img data-testid="browser-picture" alt={`What the page shows: ${shot.title || shot.url}`} width={shot.width} height={shot.height} src={`data:${shot.picture.media_type};base64,${shot.picture.base64}`} className="mx-auto h-auto max-h-full w-auto max-w-full rounded-lg border border-line" />
        ) : (
          <p className="text-center text-sm text-faint">{why || "Taking a picture…"}</p>
        )}
      </div>
    </>
  );
}
