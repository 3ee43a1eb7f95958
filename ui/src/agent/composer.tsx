import { CornerDownLeft } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { client } from "../generated/client";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";

type Priority = "now" | "next" | "queue";

const PRIORITIES: { value: Priority; label: string; says: string }[] = [
  { value: "next", label: "Next", says: "read at its next tool call" },
  { value: "now", label: "Now", says: "cuts the current step" },
  { value: "queue", label: "After", says: "after this turn" },
];

const drafts = new Map<number, string>();

/** Words for the agent; a draft survives leaving the page. */
export function Composer({ process }: { process: Process }) {
  const { pid } = process;
  const me = useFleet((fleet) => fleet.me);
  const [text, setText] = useState(drafts.get(pid) ?? "");
  const [priority, setPriority] = useState<Priority>("next");
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const held = process.controller !== null;
  const structured = process.capabilities["structured"] !== false;

  useEffect(() => {
    drafts.set(pid, text);
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`;
  }, [pid, text]);

  const send = async () => {
    const said = text.trim();
    if (!said || busy) return;
    setText(""); // at once: what is typed while it is sent, and where, is the next thought
    box.current?.focus();
    setBusy(true);
    const sent = await attempt("Sending", () => client.process.send({ pid, text: said, priority }));
    setBusy(false);
    if (sent) return;
    const since = drafts.get(pid);
    const both = since ? `${said}\n\n${since}` : said;
    drafts.set(pid, both); // also when the page was left meanwhile
    setText(both);
  };

  const hint = held
    ? process.controller === me
      ? "You have its terminal: type there, or hand back with a note."
      : `${process.controller} has control; what you send now is refused.`
    : process.state === "paused"
      ? "It is paused and reads this after you resume it."
      : process.approvals > 0
        ? "It waits for an approval and reads this after the answer."
        : "";

  return (
    <form
      className="shrink-0 px-4 pb-3 md:px-6 md:pb-4"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div className="mx-auto max-w-4xl">
        {hint && <p className="mb-1.5 text-xs text-dim">{hint}</p>}
        <div className="rounded-xl border border-edge bg-panel focus-within:border-wait focus-within:shadow-[0_0_0_1px_var(--wait)]">
          <textarea
            ref={box}
            rows={1}
            data-testid="composer"
            aria-label={`Write to ${process.name}`}
            disabled={held || !structured}
            placeholder={structured ? `Write to ${process.name}` : "This runtime takes input on its terminal"}
            className="block w-full resize-none bg-transparent px-3.5 pt-2.5 pb-1 outline-none placeholder:text-faint disabled:opacity-50"
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
                event.preventDefault();
                void send();
              }
              if (event.key === "Escape") box.current?.blur();
            }}
          />
          <div className="flex items-center gap-2 px-2 pb-2">
            <div className="flex rounded-lg bg-raised p-0.5" role="radiogroup" aria-label="When it is read">
              {PRIORITIES.map((each) => (
                <button
                  key={each.value}
                  type="button"
                  role="radio"
                  aria-checked={each.value === priority}
                  title={each.says}
                  onClick={() => setPriority(each.value)}
                  className={`rounded-md px-2 py-0.5 text-xs ${each.value === priority ? "bg-panel text-ink shadow-sm" : "text-dim hover:text-ink"}`}
                >
                  {each.label}
                </button>
              ))}
            </div>
            <span className="hidden text-xs text-faint sm:inline">{PRIORITIES.find((each) => each.value === priority)?.says}</span>
            <Button type="submit" small look="primary" className="ml-auto" data-testid="send" disabled={!text.trim() || busy || held || !structured} icon={<CornerDownLeft size={14} />}>
              {busy ? "Sending" : "Send"}
            </Button>
          </div>
        </div>
      </div>
    </form>
  );
}
