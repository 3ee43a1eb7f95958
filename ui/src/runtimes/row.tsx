import { Download, RefreshCw, ShieldCheck, Trash2 } from "lucide-react";
import { useState } from "react";
import { client } from "../generated/client";
import { bytes } from "../model/format";
import { Ask } from "../parts/ask";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { attempt, useToasts } from "../state/toasts";
import type { Progress } from "./installs";
import type { Runtime } from "./page";

const STATES: Record<Runtime["state"], { word: string; tone: "work" | "limit" | "calm" | "wait" | "fail" }> = {
  ready: { word: "ready", tone: "work" },
  missing: { word: "not here", tone: "calm" },
  outdated: { word: "ready, another version is pinned", tone: "limit" },
  broken: { word: "broken", tone: "fail" },
  installing: { word: "being installed", tone: "wait" },
};

interface Props {
  runtime: Runtime;
  installing: Progress | null;
  onInstall: () => void;
  onChanged: () => Promise<void>;
}

/** One runtime: whether it runs here, and the levers over what aetherd installed of it. */
export function RuntimeRow({ runtime, installing, onInstall, onChanged }: Props) {
  const [removing, setRemoving] = useState(false);
  const [checking, setChecking] = useState(false);
  const [damaged, setDamaged] = useState<string | null>(null);
  const state = installing ? "installing" : damaged ? "broken" : runtime.state;
  const { word, tone } = STATES[state];
  const check = async () => {
    setChecking(true);
    const found = await attempt(`Checking ${runtime.title}`, () => client.runtime.check({ runtime: runtime.name }));
    setChecking(false);
    if (!found) return;
    setDamaged(found.ok ? null : (found.problem ?? "something is wrong"));
    if (found.ok) useToasts.getState().show({ tone: "work", title: `${runtime.title} is as it was installed` });
  };
  const remove = async () => {
    const gone = await attempt(`Removing ${runtime.title}`, () => client.runtime.remove({ runtime: runtime.name }));
    await onChanged();
    return !!gone;
  };
  const install = () => {
    setDamaged(null);
    onInstall();
  };
  return (
    <li data-testid={`runtime-${runtime.name}`} data-state={state} className="border-b border-line px-4 py-3 last:border-0">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-semibold">{runtime.title}</span>
        <code className="font-mono text-xs text-faint">{runtime.name}</code>
        <Chip tone={tone}>{word}</Chip>
        <span className="text-xs text-dim tabular">{runtime.version}</span>
        <span className="min-w-0 flex-1" />
        {!installing && (
          <div className="flex flex-wrap items-center gap-2">
            {runtime.installed && (
              <Button small look="quiet" icon={<ShieldCheck size={13} />} disabled={checking} onClick={() => void check()} title="Read every file again and compare it with its checksum">
                {checking ? "Checking" : "Check"}
              </Button>
            )}
            {runtime.installed && (
              <Button small look="quiet" icon={<Trash2 size={13} />} onClick={() => setRemoving(true)}>
                Remove
              </Button>
            )}
            {runtime.installable && <Install runtime={runtime} broken={state === "broken"} onInstall={install} />}
          </div>
        )}
      </div>
      <p className="mt-0.5 text-sm text-dim">{runtime.summary}</p>
      {installing ? (
        <Steps progress={installing} />
      ) : (
        <>
          {damaged && <p className="mt-1 text-sm text-fail wrap-anywhere">{damaged}</p>}
          {!runtime.available && runtime.missing && (!runtime.installable || runtime.installed) && <p className="mt-1 text-sm text-limit wrap-anywhere">{runtime.missing}</p>}
          <Facts runtime={runtime} />
        </>
      )}
      {removing && (
        <Ask title={`Remove ${runtime.title}?`} keep="Keep it" act="Remove" onAct={remove} onClose={() => setRemoving(false)}>
          <p>
            {runtime.installed} goes from aetherd's home{runtime.bytes ? `, ${bytes(runtime.bytes)}` : ""}. Homes and conversations of agents stay; they can go on when it is installed again.
          </p>
        </Ask>
      )}
    </li>
  );
}

function Install({ runtime, broken, onInstall }: { runtime: Runtime; broken: boolean; onInstall: () => void }) {
  const current = runtime.installed !== null && runtime.installed === runtime.pinned;
  if (current && !broken) return null;
  const word = broken && current ? "Repair" : runtime.installed ? `Update to ${runtime.pinned}` : "Install";
  return (
    <Button small look={runtime.available && !runtime.installed ? "plain" : "primary"} icon={runtime.installed ? <RefreshCw size={13} /> : <Download size={13} />} data-testid="install" onClick={onInstall} title={runtime.packages.join(", ") + (runtime.node ? `, with Node ${runtime.node}` : "")}>
      {word}
    </Button>
  );
}

function Facts({ runtime }: { runtime: Runtime }) {
  const { installed, packages, node, processes } = runtime;
  const words = [
    installed ? `${installed} installed here${runtime.bytes ? `, ${bytes(runtime.bytes)}` : ""}` : runtime.available ? runtime.path : packages.length ? `would fetch ${packages.join(", ")}` : null,
    (installed || !runtime.available) && node ? `Node ${node}` : null,
    processes.length ? `runs as ${processes.map((pid) => `p${pid}`).join(", ")}` : null,
  ].filter(Boolean);
  return words.length > 0 ? <p className="mt-0.5 text-xs text-faint wrap-anywhere tabular">{words.join(" · ")}</p> : null;
}

const STEPS: readonly Progress["step"][] = ["node", "npm", "packages", "checksums", "switch"];

function Steps({ progress }: { progress: Progress }) {
  const at = STEPS.indexOf(progress.step);
  return (
    <div className="mt-2" data-testid="install-progress" data-step={progress.step}>
      <ol className="flex gap-1">
        {STEPS.map((step, n) => (
          <li key={step} title={step} className={`h-1 flex-1 rounded-full ${n < at || progress.step === "done" ? "bg-work" : n === at ? "breathe bg-work" : "bg-raised"}`} />
        ))}
      </ol>
      <p className="mt-1 flex justify-between gap-4 text-xs text-dim tabular">
        <span className="min-w-0 truncate">{progress.detail}</span>
        <span className="shrink-0 text-faint">
          {[progress.version, `${progress.elapsed_s.toFixed(0)} s`].filter(Boolean).join(" · ")}
        </span>
      </p>
    </div>
  );
}
