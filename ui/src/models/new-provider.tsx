import { type FormEvent, useState } from "react";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Modal } from "../parts/modal";
import type { Change, Provider } from "./page";

const DIALECTS: readonly Provider["dialect"][] = ["openai", "anthropic", "gemini", "ollama"];

/** Another provider: anything that speaks one of the four dialects. */
export function NewProvider({ onAdd, onClose }: { onAdd: (change: Change) => Promise<boolean>; onClose: () => void }) {
  const [form, setForm] = useState({ name: "", url: "", key: "", dialect: "openai" as Provider["dialect"] });
  const [busy, setBusy] = useState(false);
  const put = (change: Partial<typeof form>) => setForm({ ...form, ...change });
  const add = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const done = await onAdd({ provider: form.name.trim(), dialect: form.dialect, base_url: form.url.trim(), ...(form.key.trim() && { api_key: form.key.trim() }) });
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Modal title="New provider" onClose={onClose}>
      <form className="space-y-4" onSubmit={(event) => void add(event)}>
        <Labelled label="Name" hint="lower case; part of the address agents use">
          <input autoFocus data-testid="new-provider-name" className="field" pattern="[a-z][a-z0-9_\-]{0,39}" placeholder="vllm" value={form.name} onChange={(event) => put({ name: event.target.value })} />
        </Labelled>
        <Labelled label="Speaks">
          <select className="field" value={form.dialect} onChange={(event) => put({ dialect: event.target.value as Provider["dialect"] })}>
            {DIALECTS.map((each) => (
              <option key={each} value={each}>
                {each === "openai" ? "openai, as most do" : each}
              </option>
            ))}
          </select>
        </Labelled>
        <Labelled label="Address">
          <input data-testid="new-provider-url" className="field font-mono text-xs" placeholder="http://127.0.0.1:8000/v1" value={form.url} onChange={(event) => put({ url: event.target.value })} />
        </Labelled>
        <Labelled label="Key" hint="if it wants one">
          <input type="password" autoComplete="off" className="field font-mono text-xs" value={form.key} onChange={(event) => put({ key: event.target.value })} />
        </Labelled>
        <footer className="flex justify-end gap-2 border-t border-line pt-4">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="primary" data-testid="new-provider-save" disabled={busy || !form.name.trim() || !form.url.trim()}>
            Add
          </Button>
        </footer>
      </form>
    </Modal>
  );
}
