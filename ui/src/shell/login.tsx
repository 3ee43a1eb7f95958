import { KeyRound, Waypoints } from "lucide-react";
import { Button } from "../parts/button";
import { Code } from "../parts/markdown";
import { Mark } from "./mark";

/** No session: say how to get one. There is no password to type and none to leak. */
export function Login() {
  return (
    <main className="grid min-h-full place-items-center px-4 py-10" data-testid="login">
      <div className="w-full max-w-md">
        <Mark />
        <h1 className="mt-8 text-xl font-semibold tracking-tight">Open the console from a terminal</h1>
        <p className="mt-2 text-dim">
          The console takes one-time links instead of passwords. Run this on the machine where <span className="font-mono">aetherd</span> runs, then follow the link it prints:
        </p>
        <div className="mt-4">
          <Code text="aetherctl console" label="terminal" />
        </div>
        <ul className="mt-4 space-y-1.5 text-sm text-dim">
          <li className="flex gap-2">
            <KeyRound size={15} className="mt-0.5 shrink-0 text-faint" /> A link works once and for ten minutes. This browser then stays signed in until you sign out.
          </li>
          <li className="flex gap-2">
            <Waypoints size={15} className="mt-0.5 shrink-0 text-faint" /> <span>
              From another machine, forward the port first: <span className="font-mono text-xs whitespace-nowrap">ssh -L 3001:127.0.0.1:3001 host</span>
            </span>
          </li>
        </ul>
        <Button look="primary" className="mt-6" onClick={() => location.reload()}>
          I followed the link
        </Button>
      </div>
    </main>
  );
}
