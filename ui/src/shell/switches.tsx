import { BellOff, BellRing, Moon, Sun } from "lucide-react";
import { type ReactNode, useState } from "react";
import { noticesOn, switchNotices } from "../state/notices";

interface SmallProps {
  icon: ReactNode;
  label: string;
  hint?: ReactNode;
  /** with its label on any screen */
  wide?: boolean | undefined;
  onClick: () => void;
}

/** A minor thing of the rail: its icon, and its label where there is room. */
export function Small({ icon, label, hint, wide, onClick }: SmallProps) {
  return (
    <button
      type="button"
      title={label}
      aria-label={label}
      onClick={onClick}
      className={`flex w-full items-center gap-3 rounded-lg px-2.5 py-1.5 text-sm text-dim hover:bg-raised hover:text-ink ${wide ? "" : "justify-center lg:justify-start"}`}
    >
      {icon}
      <span className={wide ? "" : "hidden lg:inline"}>{label}</span>
      {hint && <span className="ml-auto hidden lg:inline">{hint}</span>}
    </button>
  );
}

export function NoticeSwitch({ wide }: { wide?: boolean }) {
  const [on, setOn] = useState(noticesOn);
  if (!("Notification" in window)) return null;
  return <Small wide={wide} icon={on ? <BellRing size={16} /> : <BellOff size={16} />} label={on ? "Notices on" : "Notices off"} onClick={() => void switchNotices().then(setOn)} />;
}

export function ThemeSwitch({ wide }: { wide?: boolean }) {
  const [theme, setTheme] = useState(document.documentElement.dataset["theme"] ?? "dark");
  const other = theme === "dark" ? "light" : "dark";
  const change = (): void => {
    document.documentElement.dataset["theme"] = other;
    setTheme(other);
    try {
      localStorage.setItem("theme", other);
    } catch {
      // private mode: for this page only
    }
  };
  return <Small wide={wide} icon={theme === "dark" ? <Sun size={16} /> : <Moon size={16} />} label={other === "dark" ? "Dark" : "Light"} onClick={change} />;
}
