import { CONDITIONS, conditionOf } from "../model/conditions";
import { homely } from "../model/format";
import { useFleet } from "./fleet";
import { agentPath, go } from "./route";

/** Tell a person who looks elsewhere that an agent needs them. Only after they asked to be told. */
const KEY = "notices";

export function noticesOn(): boolean {
  return "Notification" in window && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
}

export async function switchNotices(): Promise<boolean> {
  if (noticesOn()) {
    localStorage.setItem(KEY, "off");
    return false;
  }
  const answer = await Notification.requestPermission();
  localStorage.setItem(KEY, answer === "granted" ? "on" : "off");
  return answer === "granted";
}

const TOLD = new Set(["approval", "requested", "failed", "limited", "done", "input"]);

export function watchForNotices(): void {
  useFleet.subscribe((fleet, before) => {
    if (!fleet.ready || !before.ready || document.visibilityState === "visible" || !noticesOn()) return;
    if (fleet.processes === before.processes && fleet.leases === before.leases) return;
    for (const process of Object.values(fleet.processes)) {
      const { pid, name } = process;
      const old = before.processes[pid];
      const now = conditionOf(process, fleet.leases[pid]?.requested);
      if (!old || !TOLD.has(now) || now === conditionOf(old, before.leases[pid]?.requested)) continue;
      const asked = Object.values(fleet.approvals).find((each) => each.pid === pid && each.state === "pending");
      const body = now === "approval" && asked ? homely(asked.title) : (process.reason ?? fleet.activity[pid]?.text ?? "");
      const notice = new Notification(`${name}: ${CONDITIONS[now].word.toLowerCase()}`, { body, tag: `aether-${pid}`, icon: "/favicon.svg" });
      notice.onclick = () => {
        window.focus();
        go(agentPath(pid));
        notice.close();
      };
    }
  });
}
