import { Check, Plus, X } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { clock } from "../model/format";
import { Button } from "../parts/button";
import { Section } from "../parts/page";
import { Radios } from "../parts/radios";
import { usePaged } from "../state/paged";
import { usePulse } from "../state/pulse";
import { attempt } from "../state/toasts";
import type { Policy } from "./policy";

type Request = Operations["network.log"]["output"]["requests"][number];
type Show = "refused" | "all";

const PULSE_MS = 4_000;
const SHOWS: { value: Show; label: string }[] = [
  { value: "refused", label: "Refused" },
  { value: "all", label: "All" },
];

/** Every request, newest first; those that were refused, first. */
export function Log({ agent, live, policy, onAllow }: { agent: string; live: boolean; policy: Policy; onAllow: (rule: string) => Promise<boolean> }) {
  const [show, setShow] = useState<Show>("refused");
  const read = useCallback(
    async (cursor?: string) => {
      const page = await attempt("Reading the network log", () => client.network.log({ agent, limit: 50, ...(show === "refused" && { refused: true }), ...(cursor && { cursor }) }));
      return page && { items: page.requests, cursor: page.cursor };
    },
    [agent, show],
  );
  const { items, more, again } = usePaged(read, "network");
  usePulse(again, PULSE_MS, live); // not every request is an event
  return (
    <Section title="What it tried to reach" note={<Radios label="Show" options={SHOWS} chosen={show} onChoose={setShow} />}>
      <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm" data-testid="network-log">
        {items?.map((each) => (
          <Tried key={each.id} request={each} open={policy.mode !== "none" && each.rule !== null && policy.rules.includes(each.rule)} onAllow={onAllow} />
        ))}
        {items?.length === 0 && <li className="px-4 py-3 text-faint">{show === "refused" ? "Nothing was refused." : "It has not tried to reach anything yet."}</li>}
      </ul>
      {more && (
        <Button small look="quiet" className="mt-2" onClick={more}>
          Older
        </Button>
      )}
    </Section>
  );
}

function Tried({ request, open, onAllow }: { request: Request; open: boolean; onAllow: (rule: string) => Promise<boolean> }) {
  const { allowed, rule } = request;
  const where = `${request.host}${[80, 443, null].includes(request.port) ? "" : `:${request.port}`}`;
  return (
    <li data-testid={`tried-${where}`} data-allowed={allowed} className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 last:border-0">
      {allowed ? <Check size={14} className="shrink-0 text-work" aria-label="let through" /> : <X size={14} className="shrink-0 text-fail" aria-label="refused" />}
      <span className="min-w-0 flex-1 basis-48">
        <span className="font-mono text-xs wrap-anywhere">
          <span className="text-faint">{request.method}</span> {where}
          {request.path && <span className="text-dim">{request.path}</span>}
        </span>
        {!allowed && request.reason && <span className="block text-xs text-dim wrap-anywhere">{request.reason}</span>}
      </span>
      {!allowed && open && <span className="text-xs text-work">allowed since</span>}
      {!allowed && !open && rule && (
        <Button small icon={<Plus size={13} />} title={`Adds ${rule} to what it may reach`} onClick={() => void onAllow(rule)}>
          Allow {where}
        </Button>
      )}
      <time dateTime={request.at} className="text-xs text-faint tabular">
        {clock(request.at)}
      </time>
    </li>
  );
}
