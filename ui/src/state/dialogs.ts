import { create } from "zustand";
import type { SpawnInput } from "../model/names";

type Dialog = "palette" | "new-agent" | "keyboard";

interface Dialogs {
  open: Dialog | null;
  /** what a new agent starts from */
  preset: Partial<SpawnInput>;
  show: (open: Dialog | null, preset?: Partial<SpawnInput>) => void;
}

/** The one dialog that lies over every page. */
export const useDialogs = create<Dialogs>()((set) => ({
  open: null,
  preset: {},
  show: (open, preset = {}) => set({ open, preset }),
}));
