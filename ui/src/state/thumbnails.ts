import { create } from "zustand";

export interface Thumbnail {
  src: string;
  at: number;
}

/** The last small picture of each desktop, as it came over the socket; the daemon repeats it every ten seconds. */
export const useThumbnails = create<{ pids: Record<number, Thumbnail> }>()(() => ({ pids: {} }));

export function putThumbnail(pid: number, jpeg: string): void {
  const shown = { src: `data:image/jpeg;base64,${jpeg}`, at: Date.now() };
  useThumbnails.setState(({ pids }) => ({ pids: { ...pids, [pid]: shown } }));
}
