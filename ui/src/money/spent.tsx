import type { Operations } from "../generated/types";
import { count, dollars } from "../model/format";
import { Meter } from "../parts/meter";
import { Until } from "../parts/until";

type Spending = Operations["quota.get"]["output"]["spending"][number];

/** One budget: spent, set aside for calls under way, and the bound where there is one. */
export function Spent({ label, spending, testid }: { label: string; spending: Spending; testid: string }) {
  const { limit_usd, spent_usd, reserved_usd, limit_tokens, spent_tokens, reserved_tokens, resets_at } = spending;
  const tokens = `${count(spent_tokens)}${limit_tokens === null ? "" : ` of ${count(limit_tokens)}`} tokens`;
  return (
    <div className="min-w-0" data-testid={testid}>
      <Meter label={label} value={dollars(spent_usd)} of={limit_usd === null ? undefined : dollars(limit_usd)} fraction={limit_usd === null ? tokenPart(spending) : (spent_usd + reserved_usd) / limit_usd} />
      <p className="mt-1 text-xs text-faint tabular">
        {tokens}
        {(reserved_usd > 0 || reserved_tokens > 0) && ` · ${reserved_usd > 0 ? dollars(reserved_usd) : `${count(reserved_tokens)} tokens`} set aside`}
        {resets_at && (limit_usd !== null || limit_tokens !== null) && (
          <>
            {" · again from nothing "}
            <Until at={resets_at} />
          </>
        )}
      </p>
    </div>
  );
}

function tokenPart({ limit_tokens, spent_tokens, reserved_tokens }: Spending): number | null {
  return limit_tokens === null ? null : (spent_tokens + reserved_tokens) / limit_tokens;
}
