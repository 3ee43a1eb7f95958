import { useState } from "react";

const KEYS: { label: string; text: string; says?: string }[] = [
  { label: "esc", text: "\x1b" },
  { label: "tab", text: "\t" },
  { label: "⇧tab", text: "\x1b[Z", says: "shift tab" },
  { label: "^C", text: "\x03", says: "control C" },
  { label: "^D", text: "\x04", says: "control D" },
  { label: "←", text: "\x1b[D", says: "left" },
  { label: "↑", text: "\x1b[A", says: "up" },
  { label: "↓", text: "\x1b[B", says: "down" },
  { label: "→", text: "\x1b[C", says: "right" },
  { label: "↵", text: "\r", says: "enter" },
];

/** The keys that a phone's keyboard lacks. */
export function KeyBar({ type }: { type: (text: string) => void }) {
  const [touch] = useState(() => matchMedia("(pointer: coarse)").matches);
  if (!touch) return null;
  return (
    <div className="flex shrink-0 gap-1 border-t border-line bg-panel p-1.5" data-testid="key-bar">
      {KEYS.map((key) => (
        <button
          key={key.label}
          type="button"
          aria-label={key.says ?? key.label}
          // keep the keyboard of the phone where it is
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => type(key.text)}
          className="h-9 min-w-0 flex-1 rounded-md border border-line bg-ground px-0 font-mono text-2xs whitespace-nowrap active:bg-raised"
        >
          {key.label}
        </button>
      ))}
    </div>
  );
}
