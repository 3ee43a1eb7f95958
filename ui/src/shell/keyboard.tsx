import { TABS } from "../agent/tabs";
import { Key, MOD } from "../parts/button";
import { Modal } from "../parts/modal";
import { PLACES } from "./places";

const KEYS: [string, string[], string][] = [
  ["Anywhere", [`${MOD}K`, "/"], "find an agent, run a command"],
  ["", ["N"], "new agent"],
  ...PLACES.map(({ key, label }): [string, string[], string] => ["", ["G", key.toUpperCase()], label.toLowerCase()]),
  ["Lists", ["J"], "next"],
  ["", ["K"], "previous"],
  ["", ["Enter"], "open"],
  ["Question", ["A"], "allow once"],
  ["", ["R"], "allow for this run"],
  ["", ["P"], "allow a pattern"],
  ["", ["D"], "deny, with a reason"],
  ["Agent", [`1 – ${TABS.length}`], TABS.join(", ")],
  ["", ["⇧T"], "take over, or hand back"],
  ["", ["⇧P"], "pause, resume"],
  ["", ["⇧I"], "interrupt the turn"],
  ["", ["C"], "write to the agent"],
  ["", ["F"], "search the timeline"],
  ["", ["E"], "jump to the newest"],
];

export default function Keyboard({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Keyboard" onClose={onClose}>
      <dl className="grid grid-cols-[5rem_5rem_1fr] gap-x-3 gap-y-1.5 text-sm">
        {KEYS.map(([group, keys, what], n) => (
          <div key={n} className="contents">
            <dt className="text-faint">{group}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <Key key={key}>{key}</Key>
              ))}
            </dd>
            <dd className="text-dim">{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
