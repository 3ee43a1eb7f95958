import { ArrowLeft, CornerDownLeft } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { clock } from "../model/format";
import { Button } from "../parts/button";
import { Markdown } from "../parts/markdown";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";

export type Message = Operations["message.inbox"]["output"]["messages"][number];

const OWNER = "owner";
const HOUSE = "aetherd"; // its notices have nobody behind them who could read an answer
const STATES: Record<Message["state"], string> = { queued: "waits", delivered: "delivered", read: "read", acked: "dealt with", failed: "not delivered" };

interface Props {
  thread: string;
  /** it is your own inbox: looking marks as read */
  mine: boolean;
  onBack: () => void;
}

/** One conversation, oldest first, and an answer. */
export function Thread({ thread, mine, onBack }: Props) {
  const [messages, setMessages] = useState<Message[]>([]);
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const end = useRef<HTMLDivElement>(null);

  const look = useCallback(async () => {
    const page = await attempt("Reading the conversation", () => client.message.thread({ thread, limit: 500 }));
    if (!page) return;
    setMessages(page.messages);
    const fresh = page.messages.filter((each) => each.to === OWNER && (each.state === "queued" || each.state === "delivered"));
    if (mine && fresh.length) void client.message.ack({ ids: fresh.slice(0, 100).map((each) => each.id), state: "read" }).catch(() => {});
  }, [thread, mine]);
  useFollowed(look, "message");
  useEffect(() => void end.current?.scrollIntoView({ block: "nearest" }), [messages.length]);

  const last = messages.findLast((each) => each.from !== OWNER) ?? messages.at(-1);
  const answer = async () => {
    const said = text.trim();
    if (!said || !last) return;
    setText(""); // at once: what is typed while it is sent is the next thought
    setBusy(true);
    const to = last.from === OWNER ? last.to : last.from;
    const sent = await attempt("Sending", () => client.message.send({ to, reply_to: last.id, text: said }));
    setBusy(false);
    if (sent) await look();
    else setText((since) => (since ? `${said}\n\n${since}` : said));
  };

  return (
    <section className="flex min-w-0 flex-col rounded-xl border border-line bg-panel">
      <div className="border-b border-line px-2 py-1.5 lg:hidden">
        <Button look="quiet" small icon={<ArrowLeft size={15} />} onClick={onBack}>
          All conversations
        </Button>
      </div>
      <div className="max-h-[60dvh] flex-1 space-y-4 overflow-y-auto px-4 py-4">
        {messages.map((each) => (
          <article key={each.id} className={each.from === OWNER ? "ml-auto max-w-[85%] rounded-2xl rounded-br-md bg-raised px-4 py-2.5" : "max-w-[85%]"}>
            <header className="mb-1 flex flex-wrap items-baseline gap-x-2 text-xs text-faint">
              <span className="font-medium text-ink">{each.from === OWNER ? "you" : each.from_name}</span>
              <span>to {each.to === OWNER ? "you" : each.to_name}</span>
              {each.kind !== "text" && <span className="rounded bg-raised px-1.5 text-2xs text-dim">{each.kind.replaceAll("_", " ")}</span>}
              <time>{clock(each.created_at)}</time>
              <span className={each.state === "failed" ? "text-fail" : ""}>
                {STATES[each.state]}
                {each.failed_reason && `: ${each.failed_reason}`}
              </span>
            </header>
            <Markdown text={each.text} />
          </article>
        ))}
        <div ref={end} />
      </div>
      {last?.from !== HOUSE && (
        <form
          className="flex items-end gap-2 border-t border-line p-3"
          onSubmit={(event) => {
            event.preventDefault();
            void answer();
          }}
        >
          <textarea
            rows={1}
            className="field min-h-9 resize-y"
            aria-label="Answer"
            placeholder={last ? `Answer ${last.from === OWNER ? last.to_name : last.from_name}` : ""}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && !event.shiftKey) {
                event.preventDefault();
                void answer();
              }
            }}
          />
          <Button type="submit" look="primary" disabled={!text.trim() || busy} icon={<CornerDownLeft size={14} />}>
            Send
          </Button>
        </form>
      )}
    </section>
  );
}
