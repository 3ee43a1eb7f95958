import { HardDrive, RotateCw, Unplug } from "lucide-react";
import { Button } from "../parts/button";
import { hourMinute, span } from "../model/format";
import { useNow } from "../state/clock";
import { useFleet } from "../state/fleet";
import { socket } from "../state/session";

const GONE_MS = 8_000;

/** Is what is shown true now? Live, on its way back, or gone since when. */
export function ConnectionState({ wide }: { wide?: boolean }) {
  const link = useFleet((fleet) => fleet.link);
  const version = useFleet((fleet) => fleet.version);
  const now = useNow();
  const [tone, word, state] =
    link.state === "live"
      ? ["bg-work", "Live", "live"]
      : link.state === "connecting"
        ? ["bg-need breathe", "Connecting", "connecting"]
        : link.state === "closed"
          ? ["bg-faint", "Signed out", "closed"]
          : now - link.since > GONE_MS
            ? ["bg-fail", `Gone since ${hourMinute(link.since)}`, "gone"]
            : ["bg-need breathe", "Reconnecting", "reconnecting"];
  return (
    <div {...(wide ? {} : { "data-testid": "conn-state" })} data-state={state} className={`flex items-center gap-2.5 px-2.5 text-xs text-dim ${wide ? "" : "justify-center lg:justify-start"}`} title={word}>
      <span className={`size-2 shrink-0 rounded-full ${tone}`} />
      <span className={wide ? "" : "hidden lg:inline"}>{word}</span>
      {version && <span className="ml-auto hidden text-faint tabular lg:inline">{version}</span>}
    </div>
  );
}

/** When the line is down everything on the page is old: say so over all of it. */
export function ConnectionBanner() {
  const link = useFleet((fleet) => fleet.link);
  const now = useNow();
  if (link.state !== "reconnecting" || (now - link.since < 1_500 && link.attempt < 3)) return null;
  const gone = now - link.since > GONE_MS;
  return (
    <div role="alert" data-testid="conn-banner" className={`flex flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-2 text-sm ${gone ? "border-fail/40 bg-fail/12" : "border-need/40 bg-need/12"}`}>
      <Unplug size={16} className={gone ? "text-fail" : "text-need"} />
      <span className="font-medium">{gone ? `The daemon is gone since ${hourMinute(link.since)}` : "Reconnecting"}</span>
      <span className="text-dim">
        {gone ? "Agents go on without it. " : ""}What you see is {span(now - link.since)} old; nothing is lost, it catches up.
      </span>
      <span className="ml-auto flex items-center gap-2 text-xs text-dim tabular">
        next try in {Math.max(0, Math.ceil((link.nextAt - now) / 1000))}s
        <Button small icon={<RotateCw size={13} />} onClick={() => socket.retry()}>
          Now
        </Button>
      </span>
    </div>
  );
}

/** Nothing new is written down, for a full disk say: what one does here will be refused, so it is said before. */
export function StoreBanner() {
  const trouble = useFleet((fleet) => fleet.trouble);
  if (!trouble) return null;
  return (
    <div role="alert" data-testid="store-banner" className="flex items-center gap-3 border-b border-fail/40 bg-fail/12 px-4 py-2 text-sm">
      <HardDrive size={16} className="shrink-0 text-fail" />
      <span className="wrap-anywhere">{trouble}</span>
    </div>
  );
}
