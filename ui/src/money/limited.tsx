import { Hourglass } from "lucide-react";
import { client } from "../generated/client";
import { clock } from "../model/format";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Until } from "../parts/until";
import { putProcess } from "../state/fleet";
import { attempt } from "../state/toasts";

/** A usage limit it waits for: until when, and the lever for who does not want to. */
export function LimitedBanner({ process }: { process: Process }) {
  const { limited, pid } = process;
  if (!limited) return null;
  const again = async () => {
    const found = await attempt("Trying again", () => client.process.resume({ pid }));
    if (found) putProcess(found);
  };
  return (
    <div data-testid="limited" className="mt-2 flex flex-wrap items-center gap-x-3 gap-y-1.5 rounded-xl border border-limit/40 bg-limit/10 px-4 py-2 text-sm">
      <Hourglass size={15} className="shrink-0 text-limit" />
      <span className="min-w-0 flex-1 max-sm:basis-4/5">
        <span className="font-medium text-limit">
          Goes on by itself <Until at={limited.wakes_at} />
        </span>
        <span className="text-dim">
          {" "}
          {limited.resets_at ? `The limit lifts at ${clock(limited.resets_at)}.` : "Nobody told when the limit lifts."} Until then nothing of it runs, and nobody is asked.
          {limited.times > 1 && ` Hit ${limited.times} times in a row.`}
        </span>
        {limited.error && <span className="block text-xs text-faint wrap-anywhere">{limited.error}</span>}
      </span>
      <Button small data-testid="limited-now" onClick={() => void again()} title="Ask the model again at once, in the same conversation">
        Try again now
      </Button>
    </div>
  );
}
