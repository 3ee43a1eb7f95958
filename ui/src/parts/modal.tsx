import { X } from "lucide-react";
import { type ReactNode, useEffect, useRef } from "react";
import { ToastStack } from "../shell/toast-stack";
import { useToasts } from "../state/toasts";
import { Button } from "./button";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  tone?: "hold" | "fail";
}

const TONES = { hold: "border-t-2 border-t-hold", fail: "border-t-2 border-t-fail" };

/** The browser's own dialog: focus stays inside, Escape closes, the page behind is inert. */
export function Modal({ title, onClose, children, wide, tone }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = box.current;
    if (dialog && !dialog.open) {
      dialog.showModal();
      // The browser would choose the close button; a dialog is for what it asks.
      dialog.querySelector<HTMLElement>("textarea, input:not([type=radio], [type=checkbox]), [data-first]")?.focus();
    }
    useToasts.setState(({ dialogs }) => ({ dialogs: dialogs + 1 }));
    return () => {
      dialog?.close();
      useToasts.setState(({ dialogs }) => ({ dialogs: dialogs - 1 }));
    };
  }, []);
  return (
    <dialog
      ref={box}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === box.current && onClose()}
      className={`rise max-h-[92dvh] overflow-hidden rounded-xl border border-line bg-panel p-0 text-ink shadow-2xl ${tone ? TONES[tone] : ""}`}
      style={{ width: `min(100vw - 1rem, ${wide ? "46rem" : "30rem"})` }}
    >
      <div className="flex max-h-[92dvh] flex-col">
        <header className="flex items-center justify-between gap-4 px-5 pt-4 pb-2">
          <h2 className="text-md font-semibold">{title}</h2>
          <Button look="quiet" small icon={<X size={16} />} aria-label="Close" onClick={onClose} />
        </header>
        <div className="min-h-0 overflow-y-auto px-5 pb-5">{children}</div>
      </div>
      <ToastStack inDialog />
    </dialog>
  );
}
