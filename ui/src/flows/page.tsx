import { Plus } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../generated/client";
import { actorName } from "../model/conditions";
import { dollars } from "../model/format";
import { Ago } from "../parts/ago";
import { Button } from "../parts/button";
import { Link } from "../parts/link";
import { Empty, Page } from "../parts/page";
import { Radios } from "../parts/radios";
import { WORK } from "../shell/places";
import { useAgentNames } from "../state/news";
import { usePaged } from "../state/paged";
import { attempt } from "../state/toasts";
import { FLOWS, type Flow, flowPath } from "./looks";
import { NewFlow } from "./new-flow";
import { OneFlow } from "./flow";

type Show = "all" | "open" | "ended";

const SHOWS: { value: Show; label: string }[] = [
  { value: "all", label: "All" },
  { value: "open", label: "Going on" },
  { value: "ended", label: "Ended" },
];

/** Work in steps that goes on by itself, also over a restart. */
export default function FlowsPage({ flow }: { flow: string }) {
  return flow ? (
    <Page title="Flows" places={WORK}>
      <OneFlow key={flow} id={flow} />
    </Page>
  ) : (
    <FlowList />
  );
}

function FlowList() {
  const [show, setShow] = useState<Show>("all");
  const [making, setMaking] = useState(false);
  const read = useCallback(
    async (cursor?: string) => {
      const states = { all: {}, open: { states: ["running" as const, "waiting" as const] }, ended: { states: ["completed" as const, "failed" as const, "cancelled" as const] } }[show];
      const page = await attempt("Listing flows", () => client.flow.list({ ...states, limit: 50, ...(cursor && { cursor }) }));
      return page && { items: page.flows, cursor: page.cursor };
    },
    [show],
  );
  const { items, more } = usePaged(read, "flow");
  return (
    <Page
      title="Flows"
      places={WORK}
      lead={<Radios label="Show" options={SHOWS} chosen={show} onChoose={setShow} />}
      actions={
        <Button icon={<Plus size={15} />} data-testid="flow-new" onClick={() => setMaking(true)}>
          Run a flow
        </Button>
      }
    >
      {items?.length === 0 ? (
        <Empty title={show === "all" ? "No flow was run yet" : "No flow here"}>
          A flow is work in steps: agents, calls, questions to you, one after another, side by side, or put to a vote. An agent runs one with <code className="font-mono text-xs">flow.run</code>, or you do. It goes on after a restart where it was.
        </Empty>
      ) : (
        <ul className="overflow-hidden rounded-xl border border-line bg-panel" aria-label="Flows" aria-busy={items === null}>
          {items?.map((flow) => (
            <FlowRow key={flow.id} flow={flow} />
          ))}
        </ul>
      )}
      {more && (
        <Button className="mt-3" look="quiet" onClick={more}>
          Show older
        </Button>
      )}
      {making && <NewFlow onClose={() => setMaking(false)} />}
    </Page>
  );
}

function FlowRow({ flow }: { flow: Flow }) {
  const names = useAgentNames();
  const { icon: Icon, tone, word, turns } = FLOWS[flow.state];
  const id = flow.id ?? "";
  return (
    <li className="border-b border-line last:border-0" data-testid={`flow-${id}`} data-state={flow.state}>
      <Link href={flowPath(id)} className="flex items-center gap-x-3 px-4 py-2.5 text-sm hover:bg-raised/60">
        <Icon size={15} className={`shrink-0 ${tone} ${turns ? "turn" : ""}`} aria-label={word} />
        <span className="shrink-0 font-medium">{flow.name}</span>
        <span className={`min-w-0 flex-1 truncate ${flow.reason ? "text-fail" : flow.state === "waiting" ? "text-need" : "text-dim"}`}>{flow.reason ?? word}</span>
        <span className="hidden shrink-0 text-xs text-faint sm:inline">{flow.agent === null ? "yours" : (names.get(flow.agent) ?? actorName(flow.agent))}</span>
        {flow.cost_usd > 0 && <span className="shrink-0 text-xs text-dim tabular">{dollars(flow.cost_usd)}</span>}
        <Ago at={flow.ended_at ?? flow.created_at} className="shrink-0 text-xs text-faint" />
      </Link>
    </li>
  );
}
