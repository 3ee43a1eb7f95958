/** A small choice among names; with `hint` it is a lever: it does something and stays as it was. */
export function Pick({ label, hint, value = "", options, onPick }: { label: string; hint?: string; value?: string; options: readonly (readonly [string, string])[]; onPick: (value: string) => void }) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onPick(event.target.value)} className="h-7 max-w-48 rounded-lg border border-line bg-panel px-2 text-xs text-dim hover:border-edge">
      {hint !== undefined && (
        <option value="" disabled>
          {hint}
        </option>
      )}
      {options.map(([key, name]) => (
        <option key={key} value={key}>
          {name}
        </option>
      ))}
    </select>
  );
}
