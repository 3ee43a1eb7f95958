import { CircleAlert, CircleCheck, X } from "lucide-react";
import { useEffect, useRef } from "react";
import { type Toast, useToasts } from "../state/toasts";

const NONE: Toast[] = [];

/** What failed, and how to mend it: in the page, or in the dialog that lies over it. */
export function ToastStack({ inDialog = false }: { inDialog?: boolean }) {
  const { list: all, dialogs, dismiss } = useToasts();
  const list = inDialog || !dialogs ? all : NONE;
  const stack = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // A dialog lies over everything but what was shown after it.
    stack.current?.hidePopover();
    if (list.length) stack.current?.showPopover();
  }, [list]);
  return (
    <div ref={stack} popover="manual" aria-live="polite" className="pointer-events-none fixed inset-auto m-0 overflow-visible border-0 bg-transparent p-0 text-ink right-3 bottom-20 z-50 flex w-[min(26rem,calc(100vw-1.5rem))] flex-col gap-2 not-open:hidden md:right-5 md:bottom-5">
      {list.map((toast) => (
        <div key={toast.id} data-testid="toast" className="rise pointer-events-auto flex items-start gap-3 rounded-xl border border-edge bg-panel px-4 py-3 shadow-2xl">
          {toast.tone === "fail" ? <CircleAlert size={17} className="mt-0.5 shrink-0 text-fail" /> : <CircleCheck size={17} className={`mt-0.5 shrink-0 ${toast.tone === "need" ? "text-need" : "text-work"}`} />}
          <div className="min-w-0 flex-1 text-sm">
            <p className="font-medium wrap-anywhere">{toast.title}</p>
            {toast.hint && <p className="mt-0.5 text-dim">{toast.hint}</p>}
          </div>
          <button type="button" aria-label="Dismiss" onClick={() => dismiss(toast.id)} className="text-faint hover:text-ink">
            <X size={15} />
          </button>
        </div>
      ))}
    </div>
  );
}
