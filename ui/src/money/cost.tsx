import { dollars, spent } from "../model/format";
import type { Process } from "../model/names";

/** What a run has cost, of what it may; who counted is on hover. */
export function Cost({ process }: { process: Process }) {
  const { budget_usd, cost_usd, metered } = process;
  const part = budget_usd === null ? 0 : cost_usd / budget_usd;
  return (
    <span
      data-testid={`cost-${process.pid}`}
      className={`tabular whitespace-nowrap ${part >= 0.95 ? "text-fail" : part >= 0.8 ? "text-limit" : ""}`}
      title={metered ? `counted by aetherd at its gateway; the runtime says ${dollars(process.claimed_usd)}` : "the runtime's own estimate"}
    >
      {spent(process)}
      {budget_usd !== null && <span className="opacity-70"> of {dollars(budget_usd)}</span>}
    </span>
  );
}
