import { useEffect } from "react";

/** Call now, and again and again while somebody looks: for what no event tells. Give `read` by useCallback. */
export function usePulse(read: () => unknown, ms: number, on = true): void {
  useEffect(() => {
    if (!on) return;
    let busy = false;
    const beat = async (): Promise<void> => {
      if (busy || document.visibilityState !== "visible") return;
      busy = true;
      try {
        await read();
      } finally {
        busy = false;
      }
    };
    void beat();
    const timer = window.setInterval(() => void beat(), ms);
    return () => clearInterval(timer);
  }, [read, ms, on]);
}
