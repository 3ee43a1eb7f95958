import { useState } from "react";
import { client } from "../generated/client";
import type { Process } from "../model/names";
import { Button, MOD } from "../parts/button";
import { Modal } from "../parts/modal";
import { putLease } from "../state/fleet";
import { go } from "../state/route";
import { attempt } from "../state/toasts";

/** Give the keyboard back and say what was done; the agent reads the note before it goes on. */
export function HandBack({ process, onClose }: { process: Process; onClose: () => void }) {
  const { pid } = process;
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const release = async () => {
    setBusy(true);
    const lease = await attempt("Handing back", () => client.control.release({ pid, ...(note.trim() ? { note: note.trim() } : {}) }));
    setBusy(false);
    if (!lease) return;
    putLease(lease);
    onClose();
    if (location.pathname.startsWith(`/agents/${pid}`) && !location.pathname.endsWith("/desktop")) go(`/agents/${pid}/timeline`);
  };
  return (
    <Modal title={`Hand back to ${process.name}`} tone="hold" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void release();
        }}
      >
        <label className="block text-dim">
          What did you do, and what should it do now? It is told before it goes on.
          <textarea
            autoFocus
            data-testid="handback-note"
            className="field mt-2 block min-h-28 text-ink"
            placeholder="e.g. I logged in and fixed the failing migration by hand. Go on from step 3; do not touch migrations/."
            value={note}
            onChange={(event) => setNote(event.target.value)}
            onKeyDown={(event) => (event.metaKey || event.ctrlKey) && event.key === "Enter" && void release()}
          />
        </label>
        <div className="mt-4 flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Keep control
          </Button>
          <Button type="submit" look="hold" data-testid="handback-confirm" disabled={busy} hotkey={`${MOD}↵`}>
            {busy ? "Handing back" : note.trim() ? "Hand back with this note" : "Hand back without a note"}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
