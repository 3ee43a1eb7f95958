import { KeyRound } from "lucide-react";
import { type FormEvent, useState } from "react";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { Labelled } from "../parts/labelled";
import type { Change, Provider } from "./page";

const KEYS: Record<Provider["key"], string> = { configured: "key kept here", file: "key from a file", environment: "key of the daemon's environment", none: "no key" };
const KINDS: Record<Provider["kind"], string> = { key: "API key", claude: "Claude token", bearer: "other token" };

/** One provider: where it is, where its key is from; a new key goes in and is never shown again. */
export function ProviderRow({ provider, onChange }: { provider: Provider; onChange: (change: Change) => Promise<boolean> }) {
  const [open, setOpen] = useState(false);
  const { name, key, ready, note, base_url, dialect, kind } = provider;
  return (
    <li data-testid={`provider-${name}`} data-ready={ready} data-key={key} className="border-b border-line px-4 py-3 last:border-0">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-semibold">{name}</span>
        {dialect !== name && <span className="text-xs text-faint">speaks {dialect}</span>}
        <Chip tone={ready ? "work" : "calm"}>{ready ? "ready" : "not ready"}</Chip>
        {key !== "none" && (
          <Chip>
            <KeyRound size={11} /> {KEYS[key]}
            {kind !== "key" && `, ${KINDS[kind]}`}
          </Chip>
        )}
        <code className="min-w-0 flex-1 truncate font-mono text-xs text-dim">{base_url}</code>
        <Button small look={open ? "quiet" : "plain"} aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Leave it" : ready ? "Change" : "Set up"}
        </Button>
      </div>
      {note && <p className={`mt-1 text-sm wrap-anywhere ${ready ? "text-faint" : key === "none" ? "text-dim" : "text-limit"}`}>{note}</p>}
      {open && <Fields provider={provider} onChange={onChange} onDone={() => setOpen(false)} />}
    </li>
  );
}

function Fields({ provider, onChange, onDone }: { provider: Provider; onChange: (change: Change) => Promise<boolean>; onDone: () => void }) {
  const [key, setKey] = useState("");
  const [kind, setKind] = useState(provider.kind);
  const [url, setUrl] = useState(provider.base_url);
  const change: Change = {
    ...(key.trim() && { api_key: key.trim() }),
    ...(kind !== provider.kind && { kind }),
    // Ollama has no key: saying where it is sets it up
    ...((url.trim() !== provider.base_url || (provider.dialect === "ollama" && !provider.ready)) && { base_url: url.trim() }),
  };
  const run = async (wanted: Change) => {
    if (!(await onChange(wanted))) return;
    setKey("");
    onDone();
  };
  const save = (event: FormEvent) => {
    event.preventDefault();
    void run(change);
  };
  return (
    <form className="mt-3 space-y-3 border-t border-line pt-3" onSubmit={save}>
      <div className="grid gap-3 sm:grid-cols-[minmax(0,1fr)_10rem_minmax(0,1fr)]">
        <Labelled label="Key" hint="goes in, never comes out">
          <input type="password" autoComplete="off" autoFocus data-testid="provider-key" className="field font-mono text-xs" placeholder={provider.key === "none" ? "none yet" : "as it is"} value={key} onChange={(event) => setKey(event.target.value)} />
        </Labelled>
        <Labelled label="It is">
          <select data-testid="provider-kind" className="field" value={kind} onChange={(event) => setKind(event.target.value as typeof kind)}>
            {Object.entries(KINDS)
              .filter(([each]) => each !== "claude" || provider.dialect === "anthropic")
              .map(([each, word]) => (
                <option key={each} value={each}>
                  {word}
                </option>
              ))}
          </select>
        </Labelled>
        <Labelled label="Address" hint="empty: the usual one">
          <input data-testid="provider-url" className="field font-mono text-xs" value={url} onChange={(event) => setUrl(event.target.value)} />
        </Labelled>
      </div>
      <div className="flex flex-wrap items-center gap-2">
        <Button type="submit" small data-testid="provider-save" look={Object.keys(change).length ? "primary" : "plain"} disabled={Object.keys(change).length === 0}>
          Save
        </Button>
        {provider.key === "configured" && (
          <Button small look="danger" data-testid="provider-forget" onClick={() => void run({ api_key: "" })}>
            Forget the key
          </Button>
        )}
        {provider.name !== provider.dialect && (
          <Button small look="danger" onClick={() => void run({ remove: true })}>
            Remove the provider
          </Button>
        )}
      </div>
    </form>
  );
}
