import { ChevronDown, CircleAlert } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { client } from "../generated/client";
import type { SpawnInput } from "../model/names";
import { type Runtime, type Tier, autoTier, hostDetail } from "../model/doctor";
import { Button, MOD } from "../parts/button";
import { Labelled } from "../parts/labelled";
import { Link } from "../parts/link";
import { Modal } from "../parts/modal";
import { putProcess } from "../state/fleet";
import { useDialogs } from "../state/dialogs";
import { agentPath, go } from "../state/route";
import { attempt } from "../state/toasts";
import { Choice, Environment, type Variable } from "./spawn-fields";
import { NO_WISH, wishOf, wishWords } from "./walls";
import { WallsFields } from "./walls-fields";

/** The two fields that matter, and the rest behind one click. */
export default function NewAgent({ onClose }: { onClose: () => void }) {
  const preset = useDialogs((dialogs) => dialogs.preset);
  const [runtimes, setRuntimes] = useState<Runtime[] | null>(null);
  const [tiers, setTiers] = useState<Tier[]>([]);
  const [alone, setAlone] = useState("");
  const [keyed, setKeyed] = useState(true);
  const [form, setForm] = useState({
    runtime: preset.runtime ?? "claude-code",
    goal: preset.goal ?? "",
    name: preset.name ?? "",
    role: preset.role ?? "",
    model: preset.model ?? "",
    cwd: "",
    argv: "",
    budget: "",
    toolset: (preset.template ? "" : "worker") as NonNullable<SpawnInput["toolset"]> | "",
  });
  const [env, setEnv] = useState<Variable[]>([]);
  const [walls, setWalls] = useState(NO_WISH);
  const [more, setMore] = useState<Fold>("");
  const [busy, setBusy] = useState(false);
  const put = (change: Partial<typeof form>) => setForm((old) => ({ ...old, ...change }));

  useEffect(() => {
    client.model.providers().then((found) => setKeyed(found.providers.some((each) => each.name === "anthropic" && each.ready)), () => {});
    client.sandbox.list({ limit: 1 }).then((found) => setTiers(found.tiers), () => {});
    void attempt("Looking for runtimes", () => client.system.doctor()).then((report) => {
      if (!report) return setRuntimes([]);
      const found = [...report.runtimes].sort((a, b) => Number(b.available) - Number(a.available) || Number(b.capabilities["takeover"]) - Number(a.capabilities["takeover"]));
      setRuntimes(found);
      setAlone(hostDetail(report));
      const wanted = found.find((each) => each.name === form.runtime);
      const usable = found.find((each) => each.available);
      if (!wanted?.available && usable && !preset.runtime) put({ runtime: usable.name });
    });
  }, []);

  const runtime = runtimes?.find((each) => each.name === form.runtime);
  const auto = autoTier(tiers, walls.image.trim() !== "");
  const command = form.runtime === "command";
  const ready = command ? form.argv.trim() !== "" : form.goal.trim() !== "";
  const needsKey = useMemo(() => !keyed && form.runtime === "claude-code" && !env.some((each) => /^ANTHROPIC_/.test(each.name)), [keyed, form.runtime, env]);

  const spawn = async () => {
    if (!ready || busy) return;
    setBusy(true);
    const filled = env.filter((each) => each.name.trim());
    const made = await attempt("Starting the agent", () =>
      client.process.spawn({
        runtime: form.runtime,
        ...(form.toolset && { toolset: form.toolset }),
        ...(preset.template && { template: preset.template }),
        ...(form.goal.trim() ? { goal: form.goal.trim() } : {}),
        ...(preset.agent ? { agent: preset.agent } : form.name.trim() ? { name: form.name.trim() } : {}),
        ...(form.role.trim() && !preset.agent ? { role: form.role.trim() } : {}),
        ...(form.model.trim() ? { model: form.model.trim() } : {}),
        ...(form.cwd.trim() ? { cwd: form.cwd.trim() } : {}),
        ...(Number(form.budget) > 0 ? { budget: Number(form.budget) } : {}),
        ...(command ? { argv: words(form.argv) } : {}),
        ...wishOf(walls, auto),
        ...(filled.length ? { env: Object.fromEntries(filled.map((each) => [each.name.trim(), each.value])) } : {}),
      }),
    );
    setBusy(false);
    if (!made) return;
    putProcess(made);
    onClose();
    go(agentPath(made.pid));
  };

  return (
    <Modal title={preset.agent ? `Run ${preset.name} again` : preset.template ? `New agent from ${preset.template}` : "New agent"} wide onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void spawn();
        }}
        onKeyDown={(event) => (event.metaKey || event.ctrlKey) && event.key === "Enter" && void spawn()}
      >
        {command ? (
          <Labelled label="Command line" hint="runs on a terminal of its own; quotes keep words together">
            <input autoFocus data-testid="spawn-argv" className="field font-mono text-xs" placeholder="bash -l" value={form.argv} onChange={(event) => put({ argv: event.target.value })} />
          </Labelled>
        ) : (
          <Labelled label="What shall it do?">
            <textarea
              autoFocus
              data-testid="spawn-goal"
              className="field block min-h-36 text-md"
              placeholder="Find out why the nightly build fails, fix it, and show me the diff before you commit."
              value={form.goal}
              onChange={(event) => put({ goal: event.target.value })}
            />
          </Labelled>
        )}
        <Labelled label="Works in" hint="a directory of this machine; default: a folder of its own">
          <input className="field font-mono text-xs" data-testid="spawn-cwd" placeholder="~/work" value={form.cwd} onChange={(event) => put({ cwd: event.target.value })} />
        </Labelled>
        <fieldset>
          <legend className="mb-1.5 text-xs text-dim">Runtime</legend>
          <div className="grid gap-2 sm:grid-cols-3">
            {(runtimes ?? []).map((each) => (
              <Choice key={each.name} name="runtime" testid={`runtime-${each.name}`} chosen={form.runtime === each.name} disabled={!each.available} onChoose={() => put({ runtime: each.name })} title={each.title} note={each.available ? (each.version ?? "") : "missing"} />
            ))}
            {runtimes === null && <p className="text-sm text-faint">Looking for runtimes…</p>}
          </div>
          {runtime && <p className="mt-1.5 text-xs text-dim">{runtime.summary}</p>}
          {runtimes?.some((each) => !each.available) && (
            <p className="mt-1.5 text-xs text-dim">
              Missing ones are installed on the page{" "}
              <Link href="/runtimes" className="underline hover:text-ink" onClick={onClose}>
                Runtimes
              </Link>
              .
            </p>
          )}
        </fieldset>
        {preset.template && <p className="text-sm text-dim">It is told the template's instructions first, and its list of tools and its limits hold.</p>}
        {preset.agent && <p className="text-sm text-dim">A new process of the same agent, with its home and its memory. Keys are not kept: give them again.</p>}
        <div className={`grid gap-4 sm:grid-cols-2 ${preset.agent ? "hidden" : ""}`}>
          <Labelled label="Name" hint="made up if empty">
            <input data-testid="spawn-name" className="field" maxLength={64} placeholder="scout" value={form.name} onChange={(event) => put({ name: event.target.value })} />
          </Labelled>
          <Labelled label="Role" hint="in a few words">
            <input data-testid="spawn-role" className="field" maxLength={200} placeholder="keeps the build green" value={form.role} onChange={(event) => put({ role: event.target.value })} />
          </Labelled>
        </div>
        <Environment variables={env} onChange={setEnv} offers={runtime?.needs ?? []} hint={needsKey} />
        <More name="walls" title="Sandbox, network, limits" note={wishWords(walls, auto)} alarm={(walls.tier || auto) === "host"} open={more} onOpen={setMore} />
        {more === "walls" && <WallsFields form={walls} tiers={tiers} alone={alone} again={!!preset.agent} onChange={setWalls} />}
        <More name="model" title="Model, tools, budget" note={[form.model, Number(form.budget) > 0 ? `at most $${form.budget}` : ""].filter(Boolean).join(" · ")} open={more} onOpen={setMore} />
        {more === "model" && (
          <div className="grid gap-4 sm:grid-cols-2">
            <Labelled label="Model" hint="as the runtime knows it">
              <input className="field" data-testid="spawn-model" placeholder="the runtime's default" value={form.model} onChange={(event) => put({ model: event.target.value })} />
            </Labelled>
            <Labelled label="aether tools it is shown">
              <select className="field" value={form.toolset} onChange={(event) => put({ toolset: event.target.value as typeof form.toolset })}>
                {preset.template && <option value="">the template's</option>}
                <option value="worker">worker: its own memory, messages, files</option>
                <option value="lead">lead: also spawns and directs others</option>
                <option value="operator">operator: runs the fleet</option>
                <option value="all">all</option>
              </select>
            </Labelled>
            <Labelled label="Budget" hint="USD, with all it starts">
              <input type="number" inputMode="decimal" min={0} step="any" className="field tabular" data-testid="spawn-budget" placeholder="none of its own" value={form.budget} onChange={(event) => put({ budget: event.target.value })} />
            </Labelled>
            <p className="text-xs text-faint sm:self-end sm:pb-2">A call to a model that could go past it is refused before it is made. It holds for calls through aetherd's gateway: not with a key of the environment above.</p>
          </div>
        )}
        <footer className="flex flex-wrap items-center justify-end gap-2 border-t border-line pt-4">
          {runtime && !runtime.available && (
            <span className="mr-auto inline-flex items-center gap-2 text-sm text-fail">
              <CircleAlert size={15} /> {runtime.name} is missing
            </span>
          )}
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="primary" data-testid="spawn-submit" disabled={!ready || busy || runtime?.available === false} hotkey={`${MOD}↵`}>
            {busy ? "Starting" : "Start agent"}
          </Button>
        </footer>
      </form>
    </Modal>
  );
}

type Fold = "" | "model" | "walls";

/** What most leave as it is, folded away; what is set in there is said beside its name. */
function More({ name, title, note, alarm, open, onOpen }: { name: Fold; title: string; note: string; alarm?: boolean; open: Fold; onOpen: (fold: Fold) => void }) {
  return (
    <button type="button" data-testid={`spawn-more-${name}`} aria-expanded={open === name} className="flex w-full items-baseline gap-1.5 text-left text-sm text-dim hover:text-ink" onClick={() => onOpen(open === name ? "" : name)}>
      <ChevronDown size={15} className={`shrink-0 self-center ${open === name ? "rotate-180" : ""}`} />
      <span className="shrink-0">{title}</span>
      {note && <span className={`min-w-0 truncate text-xs ${alarm ? "text-fail" : "text-faint"}`}>{note}</span>}
    </button>
  );
}

/** Split a command line at spaces; single and double quotes keep words together. */
function words(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)].map((found) => found[1]?.replace(/\\(.)/g, "$1") ?? found[2] ?? found[3] ?? "");
}
