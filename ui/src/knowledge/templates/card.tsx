import { GitFork, Play, Star } from "lucide-react";
import { useEffect, useState } from "react";
import { client } from "../../generated/client";
import type { Operations } from "../../generated/types";
import { span } from "../../model/format";
import { Ask } from "../../parts/ask";
import { Button } from "../../parts/button";
import { Chip } from "../../parts/chip";
import { Code } from "../../parts/markdown";
import { useDialogs } from "../../state/dialogs";
import { attempt } from "../../state/toasts";
import { Fork } from "./fork";

type Summary = Operations["template.list"]["output"]["templates"][number];

/** One role: what it is good for, and what binds its agents. */
export function TemplateCard({ template }: { template: Summary }) {
  const { name, runtime, model, tools } = template;
  const show = useDialogs((dialogs) => dialogs.show);
  const [open, setOpen] = useState(false);
  const [doing, setDoing] = useState<"fork" | "remove" | null>(null);
  const start = () => show("new-agent", { template: name, runtime, ...(model !== null && { model }) });
  return (
    <li data-testid={`template-${name}`} className={`flex flex-col rounded-xl border border-line bg-panel px-4 py-3 ${open ? "lg:col-span-2" : ""}`}>
      <header className="flex flex-wrap items-baseline gap-x-2 gap-y-1">
        <h2 className="font-semibold">{template.title}</h2>
        <code className="font-mono text-xs text-faint">{name}</code>
        <span className="ml-auto">
          <Stars template={template} />
        </span>
      </header>
      <p className="mt-1 text-sm text-dim wrap-anywhere">{template.description}</p>
      <p className="mt-2 flex flex-wrap gap-1.5">
        <Chip>{runtime}</Chip>
        {model && <Chip>{model}</Chip>}
        <Chip title={tools === null ? "whatever an agent may" : "no other tool of aetherd answers them"}>{tools === null ? "any tool" : `only ${tools.length} tools`}</Chip>
        {limitsOf(template).map((each) => (
          <Chip key={each}>{each}</Chip>
        ))}
        {template.forked_from && <Chip>from {template.forked_from}</Chip>}
      </p>
      {open && <More template={template} />}
      <footer className="mt-auto flex flex-wrap gap-2 pt-3">
        <Button small look="primary" icon={<Play size={13} />} onClick={start}>
          Start an agent
        </Button>
        <Button small look="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Less" : "What binds it"}
        </Button>
        <Button small look="quiet" icon={<GitFork size={13} />} onClick={() => setDoing("fork")}>
          Copy
        </Button>
        {!template.builtin && (
          <Button small look="quiet" onClick={() => setDoing("remove")}>
            Remove
          </Button>
        )}
      </footer>
      {doing === "fork" && <Fork template={template} onClose={() => setDoing(null)} />}
      {doing === "remove" && (
        <Ask title={`Remove ${template.title}?`} keep="Keep it" act="Remove for good" onClose={() => setDoing(null)} onAct={async () => !!(await attempt("Removing", () => client.template.remove({ template: name })))}>
          <p>No agent can be started from it any more. Those that were stay as they are.</p>
        </Ask>
      )}
    </li>
  );
}

function limitsOf({ limits }: Summary): string[] {
  const { wall_s, memory_mb, file_mb, open_files } = limits;
  return [wall_s && `ends after ${span(wall_s * 1000)}`, memory_mb && `${memory_mb} MB memory`, file_mb && `files up to ${file_mb} MB`, open_files && `${open_files} open files`].filter((each) => typeof each === "string");
}

function More({ template: { name, tools } }: { template: Summary }) {
  const [instructions, setInstructions] = useState("");
  useEffect(() => void attempt("Reading the template", () => client.template.get({ template: name })).then((found) => found && setInstructions(found.instructions)), [name]);
  return (
    <div className="mt-3 space-y-3">
      {instructions && <Code text={instructions} label="told before its goal" wrap />}
      {tools && (
        <div>
          <p className="mb-1 text-xs text-faint">The only tools of aetherd it may use; its runtime's own are not bound by this.</p>
          <p className="font-mono text-xs leading-relaxed text-dim">{tools.join("  ")}</p>
        </div>
      )}
    </div>
  );
}

const FIVE = [1, 2, 3, 4, 5];

/** What people think of it; empty while nobody has said. */
function Stars({ template: { name, rating, ratings } }: { template: Summary }) {
  return (
    <span className="group/stars inline-flex items-center gap-1 text-xs text-faint tabular" title={rating === null ? "nobody has rated it" : `${rating.toFixed(1)} of ${ratings}`}>
      {rating !== null && `${rating.toFixed(1)} · ${ratings}`}
      <span className={rating === null ? "opacity-40 group-hover/stars:opacity-100" : ""}>
        {FIVE.map((each) => (
          <button key={each} type="button" aria-label={`${each} of 5 for ${name}`} className="hover:text-need" onClick={() => void attempt("Rating", () => client.template.rate({ template: name, rating: each }))}>
            <Star size={12} className="inline" fill={rating !== null && each <= Math.round(rating) ? "currentColor" : "none"} />
          </button>
        ))}
      </span>
    </span>
  );
}
