import { create } from "zustand";
import { AetherError } from "../generated/client";

export interface Toast {
  id: number;
  tone: "fail" | "work" | "need";
  title: string;
  hint?: string;
}

interface Toasts {
  list: Toast[];
  /** dialogs that are open: what lies outside of one cannot be clicked */
  dialogs: number;
  show: (toast: Omit<Toast, "id">) => void;
  dismiss: (id: number) => void;
}

let next = 1;

export const useToasts = create<Toasts>()((set) => ({
  list: [],
  dialogs: 0,
  show: (toast) => {
    const id = next++;
    set((state) => ({ list: [...state.list.filter((each) => each.title !== toast.title), { ...toast, id }].slice(-4) }));
    const stay = toast.tone === "fail" ? 12_000 : 4_000;
    setTimeout(() => useToasts.getState().dismiss(id), stay);
  },
  dismiss: (id) => set((state) => ({ list: state.list.filter((each) => each.id !== id) })),
}));

const HINTS: Record<string, string> = {
  unreachable: "Is aetherd running? Start it with `aetherctl up`; the console reconnects by itself.",
  unauthenticated: "Your session ended. Run `aetherctl console` for a new link.",
  forbidden: "Your token does not allow this. Use the owner's login, or a token with the scope named above.",
  not_found: "It may have ended meanwhile. The list shows what is there now.",
  conflict: "Its state changed meanwhile. Look at what is shown now and try again if it still makes sense.",
  exhausted: "A limit is used up. Wait a moment, or raise it on the System page.",
  unavailable: "Something it needs is missing. The System page shows what, and how to get it.",
  pending_approval: "It waits in the inbox for a decision.",
  internal: "A fault of the daemon: its log has the details (`aetherctl system status`).",
};

/** What went wrong and how to mend it. */
export function explain(error: unknown, doing: string): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const { show } = useToasts.getState();
  if (error instanceof AetherError) {
    show({ tone: "fail", title: `${doing}: ${error.message}`, hint: HINTS[error.code] ?? "" });
  } else {
    show({ tone: "fail", title: `${doing}: ${error instanceof Error ? error.message : String(error)}` });
  }
}

/** Run something for a person and tell them when it fails. */
export async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    explain(error, doing);
    return undefined;
  }
}
