import type { ButtonHTMLAttributes, ReactNode } from "react";

type Look = "plain" | "primary" | "quiet" | "danger" | "hold" | "work";

const LOOKS: Record<Look, string> = {
  plain: "border-line bg-panel text-ink hover:border-edge hover:bg-raised",
  primary: "border-transparent bg-ink text-ground hover:opacity-85",
  quiet: "border-transparent text-dim hover:bg-raised hover:text-ink",
  danger: "border-fail/40 bg-fail/10 text-fail hover:bg-fail/20",
  hold: "border-transparent bg-hold-fill text-on-hold hover:opacity-90",
  work: "border-transparent bg-work text-ground hover:opacity-85",
};

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  small?: boolean;
  icon?: ReactNode;
  /** the key that does the same */
  hotkey?: string;
}

export function Button({ look = "plain", small, icon, hotkey, children, className = "", ...rest }: Props) {
  const size = small ? "h-7 px-2 text-xs gap-1.5" : "h-8 px-3 text-sm gap-2";
  const square = children === undefined ? (small ? "w-7 !px-0" : "w-8 !px-0") : "";
  return (
    <button
      type="button"
      className={`inline-flex shrink-0 items-center justify-center rounded-lg border font-medium whitespace-nowrap transition-[background,border-color,opacity] disabled:opacity-40 ${size} ${square} ${LOOKS[look]} ${className}`}
      {...rest}
    >
      {icon}
      {children}
      {hotkey && <Key>{hotkey}</Key>}
    </button>
  );
}

/** The key that makes a command of another. */
export const MOD = /mac|iphone|ipad/i.test(navigator.platform) ? "⌘" : "Ctrl ";

export function Key({ children }: { children: ReactNode }) {
  return (
    <kbd className="hidden min-w-4.5 rounded border border-current/25 px-1 text-center text-2xs leading-4 font-normal opacity-70 md:inline-block">
      {children}
    </kbd>
  );
}
