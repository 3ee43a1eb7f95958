import { useState } from "react";
import { client } from "../generated/client";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Modal } from "../parts/modal";
import { putProcess } from "../state/fleet";
import { attempt } from "../state/toasts";

/** Ending a process cannot be undone; its home and its story stay. */
export function KillDialog({ process, onClose }: { process: Process; onClose: () => void }) {
  const { pid } = process;
  const [busy, setBusy] = useState(false);
  const end = async () => {
    setBusy(true);
    const done = await attempt("Stopping", () => client.process.kill({ pid }));
    setBusy(false);
    if (!done) return;
    if ("state" in done) putProcess(done as Process);
    onClose();
  };
  return (
    <Modal title={`Stop ${process.name}?`} tone="fail" onClose={onClose}>
      <p className="text-dim">
        The whole process tree of pid {pid} ends: asked first, killed after a grace period. What it was doing is cut off. Its home, its files and this timeline stay, and it can be run again with its memory.
      </p>
      {process.state === "running" && <p className="mt-2 text-dim">To let it think again later, pause it instead.</p>}
      <div className="mt-5 flex justify-end gap-2">
        <Button look="quiet" onClick={onClose}>
          Keep it running
        </Button>
        <Button look="danger" data-testid="kill-confirm" data-first disabled={busy} onClick={() => void end()}>
          {busy ? "Stopping" : "Stop the process"}
        </Button>
      </div>
    </Modal>
  );
}
