import { useState } from "react";
import { client } from "../generated/client";
import { Button } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Modal } from "../parts/modal";
import { attempt } from "../state/toasts";

const ALL = "*";

/** A message from you, to one or to all; an agent that does not run gets it when it does. */
export function NewMessage({ names, onClose }: { names: [string, string][]; onClose: (thread: string | null) => void }) {
  const [to, setTo] = useState(names[0]?.[0] ?? "");
  const [text, setText] = useState("");
  const send = async () => {
    const sent = await attempt("Sending", async (): Promise<{ thread: string }> => (to === ALL ? client.message.broadcast({ text: text.trim() }) : client.message.send({ to, text: text.trim() })));
    if (sent) onClose(sent.thread);
  };
  return (
    <Modal title="Write to an agent" onClose={() => onClose(null)}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Labelled label="Text">
          <textarea className="field block min-h-28" value={text} onChange={(event) => setText(event.target.value)} />
        </Labelled>
        <Labelled label="To" hint="reaches it at its next tool call, or when it runs again">
          <select className="field" value={to} onChange={(event) => setTo(event.target.value)}>
            {names.map(([agent, name]) => (
              <option key={agent} value={agent}>
                {name}
              </option>
            ))}
            {names.length > 1 && <option value={ALL}>all your agents</option>}
          </select>
        </Labelled>
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={() => onClose(null)}>
            Cancel
          </Button>
          <Button type="submit" look="primary" disabled={!to || !text.trim()}>
            Send
          </Button>
        </div>
      </form>
    </Modal>
  );
}
