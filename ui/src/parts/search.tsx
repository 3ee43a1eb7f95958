import { Search } from "lucide-react";
import { useEffect, useState } from "react";

const CALM_MS = 250;

/** Words to find by; told once a person stops typing. Give `onSearch` by useState or useCallback. */
export function SearchBox({ label, hint = "Search", onSearch }: { label: string; hint?: string; onSearch: (query: string) => void }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = window.setTimeout(() => onSearch(text.trim()), CALM_MS);
    return () => clearTimeout(timer);
  }, [text, onSearch]);
  return (
    <label className="relative block w-full md:w-64">
      <Search size={14} className="absolute top-1/2 left-2.5 -translate-y-1/2 text-faint" />
      <input type="search" aria-label={label} placeholder={hint} className="field h-8 !py-1 !pl-8 text-sm" value={text} onChange={(event) => setText(event.target.value)} onKeyDown={(event) => event.key === "Escape" && setText("")} />
    </label>
  );
}
