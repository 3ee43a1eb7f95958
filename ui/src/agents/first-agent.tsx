import { Plus } from "lucide-react";
import { Button } from "../parts/button";
import { useDialogs } from "../state/dialogs";

const EXAMPLES = [
  { name: "reader", goal: "Read this repository and write ARCHITECTURE.md: what each folder is for, how a request flows, and three things that would trip a newcomer." },
  { name: "tester", goal: "Run the test suite. For each failing test find the cause, fix the code (not the test), and show me the diff before you commit." },
  { name: "keeper", goal: "Every dependency that is more than one minor version behind: update it, run the tests, and write down what broke." },
];

/** Nobody here yet: show what one could do. */
export function FirstAgent() {
  const show = useDialogs((dialogs) => dialogs.show);
  return (
    <div className="mx-auto max-w-2xl pt-6 md:pt-12">
      <p className="text-lg font-medium">No agents yet.</p>
      <p className="mt-1 text-dim">
        An agent is a real coding agent such as Claude Code that runs here as a process. You see every thought and tool call, it asks before it does what needs leave, and you can take its keyboard at any time and hand it back.
      </p>
      <p className="mt-6 mb-2 text-sm font-semibold text-dim">Start from an example</p>
      <div className="overflow-hidden rounded-xl border border-line bg-panel">
        {EXAMPLES.map((each) => (
          <button key={each.name} type="button" onClick={() => show("new-agent", each)} className="block w-full border-b border-line px-4 py-3 text-left last:border-0 hover:bg-raised">
            <span className="font-medium">{each.name}</span>
            <span className="mt-0.5 block text-sm text-dim">{each.goal}</span>
          </button>
        ))}
      </div>
      <div className="mt-5 flex flex-wrap items-center gap-3">
        <Button look="primary" icon={<Plus size={16} />} onClick={() => show("new-agent")}>
          New agent
        </Button>
        <span className="text-sm text-faint">
          or in a terminal: <code className="font-mono text-xs">aetherctl process spawn --goal "…"</code>
        </span>
      </div>
    </div>
  );
}
