import { Plus, TriangleAlert, X } from "lucide-react";
import { Button } from "../parts/button";

export interface Variable {
  name: string;
  value: string;
}

interface ChoiceProps {
  name: string;
  title: string;
  note: string;
  chosen: boolean;
  disabled?: boolean;
  alarm?: boolean;
  testid?: string;
  onChoose: () => void;
}

export function Choice({ name, title, note, chosen, disabled, alarm, testid, onChoose }: ChoiceProps) {
  return (
    <label
      data-testid={testid}
      title={note}
      className={`flex items-baseline gap-2.5 rounded-lg border px-3 py-2 text-sm ${chosen ? "border-ink" : "border-line"} ${disabled ? "opacity-50" : "cursor-pointer hover:border-edge"}`}
    >
      <input type="radio" name={name} className="accent-(--ink)" checked={chosen} disabled={disabled} onChange={onChoose} />
      <span className="font-medium whitespace-nowrap">{title}</span>
      {note && (
        <span className={`min-w-0 truncate text-xs ${alarm ? "text-fail" : "text-faint"}`}>
          {alarm && <TriangleAlert size={11} className="mr-1 inline" />}
          {note}
        </span>
      )}
    </label>
  );
}

/** Environment of the runtime; values are secrets and are never shown again. */
export function Environment({ variables, onChange, offers, hint }: { variables: Variable[]; onChange: (variables: Variable[]) => void; offers: readonly string[]; hint: boolean }) {
  const put = (at: number, change: Partial<Variable>) => onChange(variables.map((each, n) => (n === at ? { ...each, ...change } : each)));
  return (
    <fieldset>
      <legend className="mb-1.5 text-xs text-dim">Environment</legend>
      <div className="space-y-2">
        {variables.map((each, at) => (
          <div key={at} className="grid grid-cols-[minmax(0,2fr)_minmax(0,3fr)_auto] gap-2">
            <input aria-label="Name" data-testid={`env-name-${at}`} className="field font-mono text-xs" placeholder="NAME" autoFocus={!each.name} value={each.name} onChange={(event) => put(at, { name: event.target.value })} />
            <input
              aria-label="Value"
              data-testid={`env-value-${at}`}
              type={/url|host|model|region/i.test(each.name) ? "text" : "password"}
              autoComplete="off"
              className="field font-mono text-xs"
              placeholder="value, kept secret"
              autoFocus={!!each.name && !each.value}
              value={each.value}
              onChange={(event) => put(at, { value: event.target.value })}
            />
            <Button look="quiet" icon={<X size={15} />} aria-label="Remove" onClick={() => onChange(variables.filter((_, n) => n !== at))} />
          </div>
        ))}
        <div className="flex flex-wrap items-center gap-2">
          {offers.filter((name) => !variables.some((each) => each.name === name)).map((name) => (
            <Button key={name} small className="font-mono" icon={<Plus size={13} />} onClick={() => onChange([...variables, { name, value: "" }])}>
              {name}
            </Button>
          ))}
          <Button small look="quiet" icon={<Plus size={13} />} data-testid="env-add" onClick={() => onChange([...variables, { name: "", value: "" }])}>
            Other
          </Button>
        </div>
        {hint && <p className="text-xs text-faint">Claude Code needs ANTHROPIC_API_KEY here, unless the page Models has a key or the agent's home is signed in. A key given here is used directly: nothing is counted and no budget holds.</p>}
      </div>
    </fieldset>
  );
}
