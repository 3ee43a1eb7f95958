import { type ReactNode, useState } from "react";
import { Button } from "./button";
import { Modal } from "./modal";

interface Props {
  title: string;
  children: ReactNode;
  /** what leaves all as it is */
  keep: string;
  act: string;
  calm?: boolean;
  disabled?: boolean;
  /** true when it was done: then the question goes */
  onAct: () => Promise<boolean>;
  onClose: () => void;
}

/** A question before what cannot be undone. */
export function Ask({ title, children, keep, act, calm, disabled, onAct, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    const done = await onAct();
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Modal title={title} onClose={onClose} {...(calm ? {} : { tone: "fail" as const })}>
      <div className="space-y-3 text-dim">{children}</div>
      <div className="mt-5 flex justify-end gap-2">
        <Button look="quiet" onClick={onClose}>
          {keep}
        </Button>
        <Button look={calm ? "primary" : "danger"} data-testid="confirm" data-first disabled={busy || disabled} onClick={() => void run()}>
          {act}
        </Button>
      </div>
    </Modal>
  );
}
