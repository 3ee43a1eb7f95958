import { useEffect, useState } from "react";
import { client } from "../../generated/client";
import type { Operations } from "../../generated/types";
import { Button } from "../../parts/button";
import { Labelled } from "../../parts/labelled";
import { Modal } from "../../parts/modal";
import { attempt } from "../../state/toasts";

type Summary = Operations["template.list"]["output"]["templates"][number];

/** A copy of one's own; tools and limits come along. */
export function Fork({ template, onClose }: { template: Summary; onClose: () => void }) {
  const [name, setName] = useState(`my-${template.name}`);
  const [title, setTitle] = useState(template.title);
  const [instructions, setInstructions] = useState<string | null>(null);
  useEffect(() => void attempt("Reading the template", () => client.template.get({ template: template.name })).then((found) => found && setInstructions(found.instructions)), [template.name]);
  const make = async () => {
    if (await attempt("Copying", () => client.template.fork({ template: template.name, name: name.trim(), title: title.trim(), ...(instructions !== null && { instructions }) }))) onClose();
  };
  return (
    <Modal title={`A copy of ${template.title}`} wide onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <Labelled label="What its agents are told before their goal">
          <textarea className="field block min-h-48 font-mono text-xs" value={instructions ?? ""} disabled={instructions === null} onChange={(event) => setInstructions(event.target.value)} />
        </Labelled>
        <div className="grid gap-4 sm:grid-cols-2">
          <Labelled label="Name" hint="small letters, digits, dashes">
            <input className="field font-mono text-xs" value={name} maxLength={64} onChange={(event) => setName(event.target.value)} />
          </Labelled>
          <Labelled label="Title">
            <input className="field" value={title} maxLength={100} onChange={(event) => setTitle(event.target.value)} />
          </Labelled>
        </div>
        <p className="text-xs text-faint">Its tools and limits come along.</p>
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="primary" disabled={!name.trim() || !title.trim() || instructions === null}>
            Make the copy
          </Button>
        </div>
      </form>
    </Modal>
  );
}
