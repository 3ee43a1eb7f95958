import { useCallback, useEffect, useRef, useState } from "react";
import { stream } from "../generated/client";
import type { Operations } from "../generated/types";
import { explain, useToasts } from "../state/toasts";

export type Progress = Operations["runtime.install"]["output"];
export type Following = Record<string, Progress>;

/** Installs that are followed as they go; one that is under way already is joined, and goes on when we leave. */
export function useInstalls(onEnd: () => Promise<void>) {
  const [installs, setInstalls] = useState<Following>({});
  const open = useRef(new Map<string, AbortController>());
  useEffect(() => {
    const all = open.current;
    return () => all.forEach((each) => each.abort());
  }, []);

  const follow = useCallback(
    async (runtime: string) => {
      if (open.current.has(runtime)) return;
      const leave = new AbortController();
      open.current.set(runtime, leave);
      setInstalls((old) => ({ ...old, [runtime]: { runtime, version: "", step: "waiting", detail: "asking for it", elapsed_s: 0 } }));
      try {
        for await (const told of stream("runtime.install", { runtime }, { signal: leave.signal })) {
          setInstalls((old) => ({ ...old, [runtime]: told }));
          if (told.step === "done") useToasts.getState().show({ tone: "work", title: `${runtime} ${told.version} is installed` });
        }
      } catch (error) {
        explain(error, `Installing ${runtime}`);
      }
      open.current.delete(runtime);
      if (leave.signal.aborted) return;
      await onEnd();
      setInstalls(({ [runtime]: _, ...rest }) => rest);
    },
    [onEnd],
  );
  return { installs, follow };
}
