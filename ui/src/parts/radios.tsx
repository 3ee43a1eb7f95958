/** A few words of which one is chosen. */
export function Radios<T extends string>({ label, options, chosen, onChoose }: { label: string; options: readonly { value: T; label: string }[]; chosen: T; onChoose: (value: T) => void }) {
  return (
    <div className="inline-flex rounded-lg bg-raised p-0.5" role="radiogroup" aria-label={label}>
      {options.map((each) => (
        <button
          key={each.value}
          type="button"
          role="radio"
          aria-checked={each.value === chosen}
          onClick={() => onChoose(each.value)}
          className={`rounded-md px-2.5 py-0.5 text-xs ${each.value === chosen ? "bg-panel text-ink shadow-sm" : "text-dim hover:text-ink"}`}
        >
          {each.label}
        </button>
      ))}
    </div>
  );
}
