import { Command } from "cmdk";
import { useEffect, useRef, useState } from "react";
import { decide } from "../approvals/decide";
import { usePending } from "../approvals/inbox";
import { useStandings } from "../agents/list";
import { client } from "../generated/client";
import { CONDITIONS, ended } from "../model/conditions";
import { homely, oneLine } from "../model/format";
import { Key } from "../parts/button";
import { Glyph } from "../parts/glyph";
import { TierSign } from "../parts/tier-mark";
import { putProcess } from "../state/fleet";
import { useDialogs } from "../state/dialogs";
import { agentPath, go, routeOf } from "../state/route";
import { attempt } from "../state/toasts";
import { takeOver } from "../agent/taking";
import { PLACES } from "./places";

const ITEM = "flex cursor-pointer items-center gap-3 rounded-lg px-3 py-2 text-sm data-[selected=true]:bg-raised";
const GROUP = "[&_[cmdk-group-heading]]:px-3 [&_[cmdk-group-heading]]:pt-3 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-faint";

/** Go anywhere, do the next thing, without a mouse. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const standings = useStandings();
  const pending = usePending();
  const show = useDialogs((dialogs) => dialogs.show);
  const [query, setQuery] = useState("");
  const here = routeOf(location.pathname).pid;
  const current = standings.find((each) => each.process.pid === here)?.process;
  const next = pending[0];
  const working = standings.filter((each) => each.process.state === "running");

  useEffect(() => {
    if (!box.current?.open) box.current?.showModal();
    box.current?.querySelector("input")?.focus();
  }, []);
  const run = (work: () => unknown) => () => {
    onClose();
    void work();
  };
  const pauseAll = async () => {
    for (const { process } of working) {
      const paused = await attempt(`Pausing ${process.name}`, () => client.process.pause({ pid: process.pid }));
      if (paused) putProcess(paused);
    }
  };

  return (
    <dialog
      ref={box}
      aria-label="Find"
      onCancel={onClose}
      onMouseDown={(event) => event.target === box.current && onClose()}
      className="rise mt-[12dvh] overflow-hidden rounded-xl border border-edge bg-panel p-0 text-ink shadow-2xl"
      style={{ width: "min(100vw - 1rem, 38rem)" }}
    >
      <Command label="Find" loop>
        <Command.Input autoFocus value={query} onValueChange={setQuery} placeholder="Find an agent, or say what to do" className="w-full border-b border-line bg-transparent px-4 py-3.5 text-md outline-none placeholder:text-faint" />
        <Command.List className="max-h-[60dvh] overflow-y-auto p-1.5">
          <Command.Empty className="px-3 py-8 text-center text-sm text-faint">Nothing by that name.</Command.Empty>
          {next && (
            <Command.Group heading={`${pending.length} waiting`} className={GROUP}>
              {/* first, so that Enter alone never allows anything */}
              <Command.Item className={ITEM} value="open inbox review questions" onSelect={run(() => go("/inbox"))}>
                <Glyph condition="requested" /> Review in the inbox
              </Command.Item>
              <Command.Item className={ITEM} value={`approve next allow ${next.title}`} onSelect={run(() => decide(next, "allow_once"))}>
                <Glyph condition="approval" />
                <span className="min-w-0 flex-1 truncate">
                  Allow once: <span className="text-dim">{homely(next.title)}</span>
                </span>
                <span className="text-xs text-faint">{next.agent_name}</span>
              </Command.Item>
            </Command.Group>
          )}
          {current && !ended(current) && (
            <Command.Group heading={current.name} className={GROUP}>
              {current.controller === null && (
                <Command.Item className={ITEM} value={`take over ${current.name}`} onSelect={run(() => takeOver(current.pid))}>
                  <Glyph condition="controlled" /> Take over
                </Command.Item>
              )}
              {current.state === "paused" ? (
                <Command.Item className={ITEM} value={`resume ${current.name}`} onSelect={run(() => attempt("Resuming", () => client.process.resume({ pid: current.pid })))}>
                  <Glyph condition="working" /> Resume
                </Command.Item>
              ) : (
                <Command.Item className={ITEM} value={`pause ${current.name}`} onSelect={run(() => attempt("Pausing", () => client.process.pause({ pid: current.pid })))}>
                  <Glyph condition="paused" /> Pause
                </Command.Item>
              )}
              <Command.Item className={ITEM} value={`interrupt ${current.name}`} onSelect={run(() => attempt("Interrupting", () => client.process.interrupt({ pid: current.pid })))}>
                <Glyph condition="killed" /> Interrupt the turn
              </Command.Item>
            </Command.Group>
          )}
          {standings.length > 0 && (
            <Command.Group heading="Agents" className={GROUP}>
              {standings.slice(0, query ? 200 : 8).map(({ process, condition }) => (
                <Command.Item key={process.pid} className={ITEM} value={`${process.name} ${process.pid} ${process.role ?? ""} ${oneLine(process.goal ?? "", 120)}`} onSelect={run(() => go(agentPath(process.pid)))}>
                  <Glyph condition={condition} />
                  <span className="shrink-0 font-medium">{process.name}</span>
                  <span className="font-mono text-xs text-faint">{process.pid}</span>
                  <TierSign process={process} />
                  <span className="min-w-0 flex-1 truncate text-dim">{process.role ?? oneLine(process.goal ?? "", 80)}</span>
                  <span className="shrink-0 text-xs text-faint">{CONDITIONS[condition].word}</span>
                </Command.Item>
              ))}
            </Command.Group>
          )}
          <Command.Group heading="Do" className={GROUP}>
            <Command.Item className={ITEM} value="new agent spawn start" onSelect={run(() => show("new-agent"))}>
              <span className="flex-1">New agent</span>
              <Key>N</Key>
            </Command.Item>
            {working.length > 0 && (
              <Command.Item className={ITEM} value="pause all agents stop everything" onSelect={run(pauseAll)}>
                Pause all {working.length} running agents
              </Command.Item>
            )}
            {PLACES.map(({ label, path, key, words }) => (
              <Command.Item key={path} className={ITEM} value={`go ${label} ${words}`} onSelect={run(() => go(path))}>
                <span className="flex-1">{label}</span>
                <Key>G {key.toUpperCase()}</Key>
              </Command.Item>
            ))}
          </Command.Group>
        </Command.List>
      </Command>
    </dialog>
  );
}
