import { Check, MonitorSmartphone, ShieldQuestion, TriangleAlert, X } from "lucide-react";
import { useEffect, useState } from "react";
import { AetherError, client } from "../generated/client";
import type { Operations } from "../generated/types";
import { Button } from "../parts/button";
import { Mark } from "../shell/mark";
import { ToastStack } from "../shell/toast-stack";
import { explain } from "../state/toasts";

type Consent = Operations["token.consent"]["output"];
type Toolset = NonNullable<Operations["token.decide"]["input"]["toolset"]>;

const TOOLSETS: Record<Toolset, string> = {
  worker: "worker: what an agent gets",
  lead: "lead: also starts and ends agents",
  operator: "operator: also answers for you",
  all: "all: every tool it may use",
};

/** A program wants to act for the person who is signed in: who it says it is, what it gets, where the answer goes. */
export default function ConsentPage() {
  const request = location.search.slice(1);
  const [asked, setAsked] = useState<Consent | null>(null);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    document.title = "Allow access? · aetherd";
    client.token.consent({ request }).then(setAsked, (error: unknown) => {
      if (!(error instanceof AetherError && error.status === 401)) setWrong(error instanceof Error ? error.message : String(error));
    });
  }, [request]);
  return (
    <main className="grid min-h-full place-items-center px-4 py-10" data-testid="consent">
      <div className="w-full max-w-md">
        <Mark />
        {wrong && (
          <p role="alert" className="mt-8 flex gap-3 rounded-xl border border-fail/40 bg-fail/10 px-4 py-3 text-sm">
            <TriangleAlert size={17} className="mt-0.5 shrink-0 text-fail" />
            <span className="wrap-anywhere">This cannot be granted: {wrong}. Start again from the program that sent you here.</span>
          </p>
        )}
        {asked && <Question asked={asked} request={request} />}
      </div>
      <ToastStack />
    </main>
  );
}

function Question({ asked, request }: { asked: Consent; request: string }) {
  const [scopes, setScopes] = useState(asked.scopes);
  const [toolset, setToolset] = useState(asked.toolset as Toolset);
  const [busy, setBusy] = useState(false);
  const answer = async (decision: "allow" | "deny") => {
    setBusy(true);
    try {
      const { redirect } = await client.token.decide({ request, decision, ...(decision === "allow" ? { scopes, toolset } : {}) });
      location.assign(redirect);
    } catch (error) {
      explain(error, "Answering");
      setBusy(false);
    }
  };
  const toggle = (scope: string) => setScopes((had) => (had.includes(scope) ? had.filter((each) => each !== scope) : [...had, scope]));
  return (
    <>
      <h1 className="mt-8 text-xl font-semibold tracking-tight wrap-anywhere">
        Let <span data-testid="consent-name">{asked.name}</span> act for you?
      </h1>
      <p className="mt-2 text-dim">It chose this name itself. Allow it only if you have just asked it to connect to aetherd.</p>
      <div className="mt-5 space-y-4 rounded-xl border border-line bg-panel p-4 text-sm">
        <div className="flex gap-3">
          {asked.local ? <MonitorSmartphone size={17} className="mt-0.5 shrink-0 text-faint" /> : <TriangleAlert size={17} className="mt-0.5 shrink-0 text-fail" />}
          <p className="min-w-0">
            The answer goes to <span className="font-mono wrap-anywhere" data-testid="consent-host">{asked.redirect_host}</span>, {asked.local ? "a program on this machine" : "a site elsewhere"}.
          </p>
        </div>
        <fieldset className="flex gap-3">
          <ShieldQuestion size={17} className="mt-0.5 shrink-0 text-faint" />
          <div className="min-w-0 space-y-1.5">
            <legend>It may, over MCP:</legend>
            {asked.scopes.map((scope) => (
              <label key={scope} className="flex items-center gap-2">
                <input type="checkbox" data-testid={`consent-scope-${scope}`} checked={scopes.includes(scope)} onChange={() => toggle(scope)} />
                {meaning(scope)} <span className="font-mono text-xs text-faint">{scope}</span>
              </label>
            ))}
          </div>
        </fieldset>
        <label className="block">
          <span className="text-dim">Tools it is shown</span>
          <select className="field mt-1" data-testid="consent-toolset" value={toolset} onChange={(event) => setToolset(event.target.value as Toolset)}>
            {Object.entries(TOOLSETS).map(([name, text]) => (
              <option key={name} value={name}>
                {text}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p className="mt-3 text-xs text-faint">It ends when it is not used for 30 days, or when you revoke it on the System page.</p>
      <div className="mt-5 flex gap-2">
        <Button look="work" data-testid="consent-allow" disabled={busy || !scopes.length} icon={<Check size={15} />} onClick={() => void answer("allow")}>
          Allow
        </Button>
        <Button data-testid="consent-deny" disabled={busy} icon={<X size={15} />} onClick={() => void answer("deny")}>
          Deny
        </Button>
      </div>
    </>
  );
}

function meaning(scope: string): string {
  const [room, verb] = scope.split(":");
  if (room === "*") return verb === "read" ? "see everything" : "change everything, and run programs here";
  return `${verb === "read" ? "see" : "change"} ${room}`;
}
