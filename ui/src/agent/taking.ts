import { create } from "zustand";
import { client } from "../generated/client";
import { putLease } from "../state/fleet";
import { agentPath, go } from "../state/route";
import { attempt } from "../state/toasts";

/** Hand-overs that are under way from this page. */
export const useTaking = create<{ pids: Record<number, number> }>()(() => ({ pids: {} }));

const WAIT_S = 60;

/** Ask for the keyboard and wait until it is ours; the steps arrive as events meanwhile. */
export async function takeOver(pid: number): Promise<void> {
  useTaking.setState(({ pids }) => ({ pids: { ...pids, [pid]: Date.now() } }));
  const lease = await attempt("Taking over", () => client.control.acquire({ pid, wait_s: WAIT_S }));
  useTaking.setState(({ pids }) => {
    const rest = { ...pids };
    delete rest[pid];
    return { pids: rest };
  });
  if (!lease) return;
  putLease(lease);
  if (lease.held && location.pathname.startsWith(`/agents/${pid}`)) go(agentPath(pid, location.pathname.endsWith("/desktop") ? "desktop" : "terminal"));
}
