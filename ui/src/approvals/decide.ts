import { client } from "../generated/client";
import type { Approval, Decision } from "../model/names";
import { putApproval } from "../state/fleet";
import { attempt } from "../state/toasts";

/** Answer a question; true when the answer was taken. */
export async function decide(
  approval: Approval,
  decision: Decision,
  more: { reason?: string; pattern?: string; until?: string } = {},
): Promise<boolean> {
  const doing = decision === "deny" ? "Denying" : "Allowing";
  const answer = await attempt(doing, () => client.approval.decide({ id: approval.id, decision, ...more }));
  if (answer) putApproval(answer);
  else void client.approval.get({ id: approval.id }).then(putApproval, () => {});
  return answer !== undefined;
}
