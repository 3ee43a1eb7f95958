import { useState } from "react";
import type { Approval } from "../model/names";
import { Button } from "../parts/button";
import { SPANS, patternsFor } from "./patterns";

interface Props {
  approval: Approval;
  busy: boolean;
  onCancel: () => void;
  onAllow: (pattern: string, until: string) => void;
}

/** A standing permission is worth a second look: what exactly, and until when. */
export function PatternForm({ approval, busy, onCancel, onAllow }: Props) {
  const offers = patternsFor(approval.tool ?? "", approval.input);
  const [pattern, setPattern] = useState(offers[0] ?? "");
  const [hours, setHours] = useState(24);
  return (
    <form
      className="space-y-2.5"
      onSubmit={(event) => {
        event.preventDefault();
        onAllow(pattern.trim(), new Date(Date.now() + hours * 3_600_000).toISOString());
      }}
    >
      <label className="block text-xs text-dim">
        Allow without asking whatever matches
        <input autoFocus className="field mt-1 font-mono text-xs" value={pattern} onChange={(event) => setPattern(event.target.value)} onKeyDown={(event) => event.key === "Escape" && onCancel()} />
      </label>
      <div className="flex flex-wrap gap-1.5">
        {offers.map((offer) => (
          <button
            key={offer}
            type="button"
            onClick={() => setPattern(offer)}
            className={`max-w-full truncate rounded-md border px-2 py-0.5 font-mono text-2xs ${offer === pattern ? "border-ink text-ink" : "border-line text-dim hover:border-edge"}`}
          >
            {offer}
          </button>
        ))}
      </div>
      <div className="flex flex-wrap items-center gap-2">
        <Button type="submit" disabled={busy || !pattern.trim()} data-testid="pattern-confirm">
          Allow for {SPANS.find((span) => span.hours === hours)?.label}
        </Button>
        <div className="flex rounded-lg border border-line p-0.5" role="radiogroup" aria-label="How long">
          {SPANS.map((span) => (
            <button
              key={span.hours}
              type="button"
              role="radio"
              aria-checked={span.hours === hours}
              onClick={() => setHours(span.hours)}
              className={`rounded-md px-2 py-0.5 text-xs ${span.hours === hours ? "bg-raised text-ink" : "text-faint hover:text-ink"}`}
            >
              {span.label}
            </button>
          ))}
        </div>
        <Button look="quiet" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
