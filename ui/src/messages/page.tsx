import { PenLine } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { client } from "../generated/client";
import { oneLine } from "../model/format";
import { Ago } from "../parts/ago";
import { Button } from "../parts/button";
import { Empty, Page } from "../parts/page";
import { useAgentNames, useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import { NewMessage } from "./new-message";
import { type Message, Thread } from "./thread";

interface Conversation {
  thread: string;
  newest: Message;
  unread: number;
}

/** What agents write to you and to each other, by conversation. */
export default function MessagesPage() {
  const [whose, setWhose] = useState("");
  const [messages, setMessages] = useState<Message[] | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [writing, setWriting] = useState(false);
  const names = [...useAgentNames()];

  const look = useCallback(async () => {
    const page = await attempt("Reading messages", () => client.message.inbox({ limit: 200, ...(whose ? { agent: whose } : {}) }));
    if (page) setMessages(page.messages);
  }, [whose]);
  useFollowed(look, "message");

  const conversations = useMemo(() => {
    const found = new Map<string, Conversation>();
    for (const message of messages ?? []) {
      const known = found.get(message.thread);
      const unread = message.state === "queued" || message.state === "delivered" ? 1 : 0;
      if (known) known.unread += unread;
      else found.set(message.thread, { thread: message.thread, newest: message, unread });
    }
    return [...found.values()];
  }, [messages]);

  return (
    <Page
      title="Messages"
      lead={
        <label className="text-sm text-dim">
          to{" "}
          <select className="rounded-md bg-transparent py-0.5 font-medium text-ink hover:bg-raised" value={whose} onChange={(event) => (setWhose(event.target.value), setChosen(null))}>
            <option value="">you</option>
            {names.map(([agent, name]) => (
              <option key={agent} value={agent}>
                {name}
              </option>
            ))}
          </select>
        </label>
      }
      actions={
        <Button icon={<PenLine size={15} />} onClick={() => setWriting(true)} disabled={names.length === 0}>
          Write
        </Button>
      }
    >
      {conversations.length === 0 && !chosen ? (
        messages && (
          <Empty title={whose ? "Nobody wrote to this agent yet" : "Nobody wrote to you yet"}>
            Agents write to each other, and to you, with the tool <code className="font-mono text-xs">message.send</code>: a review asked for, a task handed on, a question. Choose an agent above to read what it got.
          </Empty>
        )
      ) : (
        <div className="grid gap-4 lg:grid-cols-[22rem_1fr]">
          <ul className={`self-start overflow-hidden rounded-xl border border-line bg-panel ${chosen ? "max-lg:hidden" : ""}`}>
            {conversations.map(({ thread, newest, unread }) => (
              <li key={thread} className="border-b border-line last:border-0">
                <button type="button" onClick={() => setChosen(thread)} className={`block w-full px-4 py-2.5 text-left hover:bg-raised/60 ${thread === chosen ? "bg-raised" : ""}`}>
                  <span className="flex items-baseline gap-2">
                    {unread > 0 && <span className="size-2 shrink-0 self-center rounded-full bg-wait" aria-label="not read" />}
                    <span className="truncate font-medium">{newest.from_name}</span>
                    {newest.kind !== "text" && <span className="shrink-0 rounded bg-raised px-1.5 text-2xs text-dim">{newest.kind.replaceAll("_", " ")}</span>}
                    <Ago at={newest.created_at} className="ml-auto text-xs text-faint" />
                  </span>
                  <span className="mt-0.5 block truncate text-sm text-dim">{oneLine(newest.text, 120)}</span>
                </button>
              </li>
            ))}
          </ul>
          {chosen ? <Thread key={chosen} thread={chosen} mine={!whose} onBack={() => setChosen(null)} /> : <p className="hidden self-center text-center text-sm text-faint lg:block">Choose a conversation.</p>}
        </div>
      )}
      {writing && (
        <NewMessage
          names={names}
          onClose={(thread) => {
            setWriting(false);
            if (thread) setChosen(thread);
          }}
        />
      )}
    </Page>
  );
}
