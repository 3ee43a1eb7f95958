import { Lock, Search, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import "@xterm/xterm/css/xterm.css";
import "./screen.css";
import { Button } from "../parts/button";
import { KeyBar } from "./key-bar";
import { TerminalLine, type LineState } from "./terminal-line";

/** One terminal: bytes in, keys out, scrollback, search. */
export default function Screen({ terminal }: { terminal: string }) {
  const place = useRef<HTMLDivElement>(null);
  const line = useRef<TerminalLine | null>(null);
  const [state, setState] = useState<LineState>({ state: "connecting", writable: true, reason: null });
  const [finding, setFinding] = useState(false);

  useEffect(() => {
    const mine = new TerminalLine(terminal, place.current!, setState, () => setFinding(true));
    line.current = mine;
    return () => mine.dispose();
  }, [terminal]);

  return (
    <div className="flex h-full flex-col">
      {state.state === "live" && !state.writable && (
        <p data-testid="read-only" className="flex items-center gap-2 border-y border-line bg-panel px-4 py-1.5 text-xs text-dim md:px-6">
          <Lock size={13} /> Read-only: {state.reason ?? "the agent has the keyboard; take over to type"}
        </p>
      )}
      {state.state === "ended" && (
        <p className="border-y border-line bg-panel px-4 py-1.5 text-xs text-dim md:px-6">
          This terminal has ended{state.reason ? `: ${state.reason}` : ""}. What it showed stays here.
        </p>
      )}
      {state.state === "away" && <p className="border-y border-need/40 bg-need/12 px-4 py-1.5 text-xs md:px-6">{state.reason ?? "Connection lost"}; trying again. The screen is replayed when it is back.</p>}
      <div className="relative min-h-0 flex-1 bg-(--terminal)">
        <div ref={place} data-testid="terminal" data-state={state.state} data-writable={state.writable} className="absolute inset-0" />
        {finding ? (
          <Find
            find={(text, back) => line.current?.find(text, back)}
            onClose={() => {
              setFinding(false);
              line.current?.focus();
            }}
          />
        ) : (
          <Button small className="absolute top-2 right-4 !border-white/20 !bg-black/50 !text-white/70 hover:!text-white" icon={<Search size={14} />} aria-label="Search in the terminal" onClick={() => setFinding(true)} />
        )}
      </div>
      {state.state === "live" && state.writable && <KeyBar type={(text) => line.current?.type(text)} />}
    </div>
  );
}

function Find({ find, onClose }: { find: (text: string, back: boolean) => void; onClose: () => void }) {
  const [text, setText] = useState("");
  return (
    <form
      className="absolute top-2 right-4 flex items-center gap-1 rounded-lg border border-edge bg-panel p-1 shadow-lg"
      onSubmit={(event) => {
        event.preventDefault();
        find(text, false);
      }}
    >
      <input
        autoFocus
        className="w-48 bg-transparent px-2 text-xs outline-none"
        placeholder="Find; Shift+Enter goes up"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          find(event.target.value, true);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key === "Enter" && event.shiftKey) {
            event.preventDefault();
            find(text, true);
          }
        }}
      />
      <Button small look="quiet" icon={<X size={14} />} aria-label="Close search" onClick={onClose} />
    </form>
  );
}
