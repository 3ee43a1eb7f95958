import { span } from "../model/format";
import { useNow } from "../state/clock";

/** How long a question still waits. */
export function Expiry({ at, from }: { at: string; from: string }) {
  const now = useNow();
  const left = Date.parse(at) - now;
  const share = Math.max(0, Math.min(1, left / Math.max(1, Date.parse(at) - Date.parse(from))));
  const urgent = left < 60_000;
  if (left <= 0) return <span className="text-fail">expired</span>;
  return (
    <span className={`inline-flex items-center gap-2 tabular ${urgent ? "text-fail" : ""}`} title={`expires at ${new Date(at).toLocaleString()}`}>
      {left < 3_600_000 && (
        <span className="h-1 w-12 overflow-hidden rounded-full bg-line" aria-hidden>
          <span className={`block h-full rounded-full ${urgent ? "bg-fail" : "bg-need"}`} style={{ width: `${share * 100}%` }} />
        </span>
      )}
      expires in {span(left)}
    </span>
  );
}
