import { create } from "zustand";
import { useFleet } from "../state/fleet";

/** True for a moment after a question went away: another now lies where the pointer or the focus is,
 * and the second click of a double click must not allow what nobody has read. */
export const useShift = create<{ shifting: boolean }>()(() => ({ shifting: false }));

const MOMENT_MS = 400;
let timer = 0;

useFleet.subscribe((fleet, before) => {
  if (fleet.approvals === before.approvals) return;
  const gone = Object.values(before.approvals).some(
    (each) => each.state === "pending" && fleet.approvals[each.id]?.state !== "pending",
  );
  if (!gone) return;
  clearTimeout(timer);
  useShift.setState({ shifting: true });
  timer = window.setTimeout(() => useShift.setState({ shifting: false }), MOMENT_MS);
});

export function shifting(): boolean {
  return useShift.getState().shifting;
}
