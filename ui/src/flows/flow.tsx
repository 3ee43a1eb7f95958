import { ArrowLeft, CircleStop } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../generated/client";
import { actorName } from "../model/conditions";
import { clock, dollars, span } from "../model/format";
import { Ago } from "../parts/ago";
import { Ask } from "../parts/ask";
import { Button } from "../parts/button";
import { Code } from "../parts/markdown";
import { Empty, Section } from "../parts/page";
import { useAgentNames } from "../state/news";
import { usePaged } from "../state/paged";
import { go } from "../state/route";
import { attempt } from "../state/toasts";
import { FLOWS, type Flow, written } from "./looks";
import { StepRow, placesOf } from "./step";

/** One flow, its steps as they go. */
export function OneFlow({ id }: { id: string }) {
  const [flow, setFlow] = useState<Flow | null | undefined>(undefined);
  const [cancelling, setCancelling] = useState(false);
  const names = useAgentNames();
  const read = useCallback(
    async (cursor?: string) => {
      const found = await attempt("Reading the flow", () => client.flow.get({ id, limit: 200, ...(cursor && { cursor }) }));
      setFlow((old) => found ?? old ?? null);
      return found && { items: found.steps, cursor: found.cursor };
    },
    [id],
  );
  const { items, more, again } = usePaged(read, "flow");
  if (flow === undefined) return null;
  const back = (
    <Button look="quiet" small className="mb-3 -ml-2" icon={<ArrowLeft size={15} />} onClick={() => go("/flows")}>
      All flows
    </Button>
  );
  if (flow === null)
    return (
      <>
        {back}
        <Empty title="No such flow">It does not exist here, or it belongs to somebody else.</Empty>
      </>
    );
  const { icon: Icon, tone, word, turns } = FLOWS[flow.state];
  const over = flow.ended_at !== null;
  const steps = items ?? [];
  const places = placesOf(steps);
  return (
    <div data-testid="flow" data-state={flow.state}>
      {back}
      <header className="mb-5 flex flex-wrap items-start justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
            <h2 className="text-lg font-semibold tracking-tight">{flow.name}</h2>
            <span className={`inline-flex items-center gap-1.5 rounded-full border border-current/25 px-2.5 py-0.5 text-xs font-medium ${tone}`}>
              <Icon size={12} className={turns ? "turn" : ""} aria-hidden />
              {word}
            </span>
          </div>
          <p className="mt-1 text-xs text-faint tabular">
            run by {flow.agent === null ? "you" : (names.get(flow.agent) ?? actorName(flow.agent))}
            {flow.created_at && ` · ${clock(flow.created_at)}`}
            {flow.created_at && flow.ended_at && ` · took ${span(Date.parse(flow.ended_at) - Date.parse(flow.created_at))}`}
            {!over && (
              <>
                {" · "}
                <Ago at={flow.created_at} />
              </>
            )}
            {flow.cost_usd > 0 && ` · ${dollars(flow.cost_usd)}`}
            {flow.budget !== null && ` · budget ${dollars(flow.budget)}`}
          </p>
          {flow.reason && <p className="mt-1.5 text-sm text-fail wrap-anywhere">{flow.reason}</p>}
        </div>
        {!over && (
          <Button icon={<CircleStop size={15} />} onClick={() => setCancelling(true)}>
            Cancel
          </Button>
        )}
      </header>
      <Section title="Steps" note={over ? "" : "in the order they began"}>
        {steps.length === 0 ? (
          <p className="text-sm text-faint">None has begun.</p>
        ) : (
          <ol className="overflow-hidden rounded-xl border border-line bg-panel">
            {steps.map((each, n) => (
              <StepRow key={each.name} flow={id} step={each} place={places[n]!} />
            ))}
          </ol>
        )}
        {more && (
          <Button className="mt-3" look="quiet" onClick={more}>
            More steps
          </Button>
        )}
      </Section>
      {over && flow.outputs !== null && (
        <Section title="What it came to">
          <Code text={written(flow.outputs)} />
        </Section>
      )}
      {cancelling && (
        <Ask
          title={`Cancel ${flow.name}?`}
          keep="Let it go on"
          act="Cancel the flow"
          onClose={() => setCancelling(false)}
          onAct={async () => {
            const gone = await attempt("Cancelling", () => client.flow.cancel({ id }));
            if (gone) void again();
            return !!gone;
          }}
        >
          <p>No further step begins, and the agents it started are stopped. What was done stays done.</p>
        </Ask>
      )}
    </div>
  );
}
