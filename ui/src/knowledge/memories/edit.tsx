import { useState } from "react";
import { client } from "../../generated/client";
import { Button } from "../../parts/button";
import { Labelled } from "../../parts/labelled";
import { attempt } from "../../state/toasts";
import { LAYERS, type Layer, type WholeMemory } from "./places";

/** What it says, and by what it is found. */
export function EditMemory({ memory, onClose }: { memory: WholeMemory; onClose: () => void }) {
  const [content, setContent] = useState(memory.content);
  const [layer, setLayer] = useState(memory.layer);
  const [tags, setTags] = useState(memory.tags.join(", "));
  const [importance, setImportance] = useState(memory.importance);
  const list = tags.split(",").map((each) => each.trim().toLowerCase()).filter(Boolean);
  const change = {
    ...(content !== memory.content && { content }),
    ...(layer !== memory.layer && { layer }),
    ...(list.join() !== memory.tags.join() && { tags: list }),
    ...(importance !== memory.importance && { importance }),
  };
  const save = async () => {
    if (!Object.keys(change).length || (await attempt("Changing", () => client.memory.update({ id: memory.id, ...change })))) onClose();
  };
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <textarea autoFocus aria-label="What it says" className="field block min-h-24" value={content} onChange={(event) => setContent(event.target.value)} />
      <div className="grid gap-3 sm:grid-cols-3">
        <Labelled label="Layer">
          <select className="field" value={layer} onChange={(event) => setLayer(event.target.value as Layer)}>
            {Object.entries(LAYERS).map(([key, what]) => (
              <option key={key} value={key}>
                {key}: {what}
              </option>
            ))}
          </select>
        </Labelled>
        <Labelled label="Tags" hint="with commas between">
          <input className="field" value={tags} onChange={(event) => setTags(event.target.value)} />
        </Labelled>
        <Labelled label="Importance" hint={importance === 0 ? "trivial" : importance === 1 ? "vital" : String(importance)}>
          <input type="range" min={0} max={1} step={0.1} className="mt-2 w-full accent-(--ink)" value={importance} onChange={(event) => setImportance(Number(event.target.value))} />
        </Labelled>
      </div>
      <div className="flex gap-2">
        <Button type="submit" small look="primary" disabled={!content.trim()}>
          Save
        </Button>
        <Button small look="quiet" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
