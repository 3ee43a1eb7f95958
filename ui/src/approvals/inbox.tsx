import { useEffect, useMemo, useRef, useState } from "react";
import { client } from "../generated/client";
import type { Approval } from "../model/names";
import { Button, Key } from "../parts/button";
import { Empty, Page, Section } from "../parts/page";
import { putApprovals, useFleet } from "../state/fleet";
import { useKeys } from "../state/keys";
import { attempt } from "../state/toasts";
import { ApprovalCard } from "./card";
import { DecidedRow } from "./decided-row";
import { decide } from "./decide";
import { shifting } from "./shift";

export function usePending(): Approval[] {
  const approvals = useFleet((fleet) => fleet.approvals);
  return useMemo(
    () =>
      Object.values(approvals)
        .filter((each) => each.state === "pending")
        .sort((a, b) => a.created_at.localeCompare(b.created_at)),
    [approvals],
  );
}

/** Every question of every agent in one queue. */
export function Inbox() {
  const approvals = useFleet((fleet) => fleet.approvals);
  const pending = usePending();
  const decided = useMemo(
    () =>
      Object.values(approvals)
        .filter((each) => each.state !== "pending")
        .sort((a, b) => (b.decided_at ?? b.created_at).localeCompare(a.decided_at ?? a.created_at)),
    [approvals],
  );
  const [chosen, setChosen] = useState("");
  const [asking, setAsking] = useState<"deny" | "pattern" | null>(null);
  const [cursor, setCursor] = useState<string | null | undefined>(undefined);
  const at = Math.max(0, pending.findIndex((each) => each.id === chosen));
  const current = pending[at];
  const list = useRef<HTMLDivElement>(null);

  const move = (step: number) => {
    const next = pending[Math.min(pending.length - 1, Math.max(0, at + step))];
    if (next) setChosen(next.id);
    setAsking(null);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    a: () => current && !shifting() && void decide(current, "allow_once"),
    r: () => current && !shifting() && void decide(current, "allow_run"),
    d: () => current && setAsking("deny"),
    p: () => current && setAsking("pattern"),
    Escape: () => setAsking(null),
  });
  useEffect(() => {
    list.current?.querySelector("[data-current]")?.scrollIntoView({ block: "nearest" });
  }, [current?.id]);

  const more = async () => {
    const page = await attempt("Loading older decisions", () => client.approval.list({ limit: 100, ...(cursor ? { cursor } : {}) }));
    if (!page) return;
    putApprovals(page.approvals);
    setCursor(page.cursor);
  };

  return (
    <Page
      title="Inbox"
      lead={<span className="text-sm text-dim">{pending.length ? `${pending.length} ${pending.length === 1 ? "question waits" : "questions wait"} for you` : "nothing waits for you"}</span>}
      actions={
        pending.length > 0 && (
          <span className="hidden items-center gap-1.5 text-xs text-faint md:flex">
            <Key>J</Key>
            <Key>K</Key> move <Key>A</Key> once <Key>R</Key> this run <Key>P</Key> pattern <Key>D</Key> deny
          </span>
        )
      }
    >
      {pending.length === 0 ? (
        <Empty title="No questions">When an agent wants to run something that needs leave, it waits here, in its timeline and on your phone. Answer in any of them.</Empty>
      ) : (
        <div ref={list} className="space-y-3">
          {pending.map((each) => {
            const mine = each.id === current?.id;
            return (
              <div key={each.id} {...(mine ? { "data-current": "" } : {})} onMouseDown={() => setChosen(each.id)} className={`rounded-xl ${mine && pending.length > 1 ? "ring-2 ring-need/50" : ""}`}>
                <ApprovalCard approval={each} named hotkeys={mine} asking={mine ? asking : null} onAsk={(what) => (setChosen(each.id), setAsking(what))} />
              </div>
            );
          })}
        </div>
      )}
      <div className="mt-10">
        <Section title="Decided">
          {decided.length === 0 ? (
            <p className="text-sm text-faint">Who decided what, when and by which rule will be listed here.</p>
          ) : (
            <div className="overflow-hidden rounded-xl border border-line bg-panel">
              {decided.map((each) => (
                <DecidedRow key={each.id} approval={each} />
              ))}
            </div>
          )}
          {cursor !== null && decided.length >= 50 && (
            <Button className="mt-3" look="quiet" onClick={() => void more()}>
              Show older
            </Button>
          )}
        </Section>
      </div>
    </Page>
  );
}
