/** How much of a bound is used: the words say it, the bar shows it; without a bound only the words. */
export function Meter({ label, value, of, fraction, note, calm, testid }: { label: string; value: string; of?: string | undefined; fraction?: number | null; note?: string | undefined; /** full is busy, not trouble */ calm?: boolean; testid?: string }) {
  const full = Math.min(1, Math.max(0, fraction ?? 0));
  const tone = calm ? "bg-work" : full >= 0.95 ? "bg-fail" : full >= 0.8 ? "bg-limit" : "bg-work";
  return (
    <div data-testid={testid} className="min-w-0">
      <div className="flex items-baseline justify-between gap-3 text-xs">
        <span className="text-faint">{label}</span>
        <span className="min-w-0 truncate text-dim tabular">
          <span className="text-ink">{value}</span>
          {of && ` of ${of}`}
        </span>
      </div>
      <div aria-hidden className={`mt-1 h-1 overflow-hidden rounded-full ${fraction === null || fraction === undefined ? "border-b border-dashed border-edge" : "bg-raised"}`}>
        {fraction !== null && fraction !== undefined && <div className={`h-full rounded-full ${tone}`} style={{ width: `${100 * full}%` }} />}
      </div>
      {note && <p className="mt-1 text-xs text-faint tabular">{note}</p>}
    </div>
  );
}
