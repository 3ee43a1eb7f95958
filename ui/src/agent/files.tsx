import { ChevronRight, Download, File, FileSymlink, Folder, RefreshCw } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { bytes, clock } from "../model/format";
import type { Process } from "../model/names";
import { Button } from "../parts/button";
import { Markdown } from "../parts/markdown";
import { Empty } from "../parts/page";
import { attempt } from "../state/toasts";

type Entry = Operations["fs.list"]["output"]["entries"][number];
type Content = Operations["fs.read"]["output"];

/** The agent's home: look around, read, download. */
export default function Files({ process }: { process: Process }) {
  const { agent } = process;
  const [path, setPath] = useState("work");
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [file, setFile] = useState<Content | null>(null);
  const [hidden, setHidden] = useState(false);
  const [complete, setComplete] = useState(true);

  const look = useCallback(
    async (where: string) => {
      const list = (from: string) => client.fs.list({ agent, path: from, hidden, limit: 500 });
      const page = await (where === "work" ? list("work").catch(() => list(".")) : attempt("Listing files", () => list(where)));
      if (!page) return;
      setPath(page.path === "" ? "." : page.path);
      setComplete(page.complete && !page.cursor);
      setEntries([...page.entries].sort((a, b) => Number(b.kind === "dir") - Number(a.kind === "dir") || a.name.localeCompare(b.name)));
    },
    [agent, hidden],
  );
  useEffect(() => {
    look(path).catch(() => setEntries([]));
    // only when another agent, or hidden files, are wanted; going elsewhere calls `look` itself
  }, [look]);

  const read = async (where: string) => {
    const content = await attempt("Reading", () => client.fs.read({ agent, path: where, limit: 262_144 }));
    if (content) setFile(content);
  };
  const parts = path === "." ? [] : path.split("/");
  return (
    <div className="flex h-full flex-col md:flex-row">
      <div className={`flex min-h-0 flex-col md:w-80 md:shrink-0 md:border-r md:border-line ${file ? "max-md:h-2/5" : "flex-1 md:flex-none"}`}>
        <div className="flex items-center gap-1 border-b border-line px-4 py-1.5 text-xs">
          <nav aria-label="Path" className="flex min-w-0 flex-1 items-center overflow-x-auto font-mono">
            <button type="button" className="text-dim hover:text-ink" onClick={() => void look(".")}>
              home
            </button>
            {parts.map((part, n) => (
              <span key={n} className="flex items-center">
                <ChevronRight size={12} className="text-faint" />
                <button type="button" className={n === parts.length - 1 ? "text-ink" : "text-dim hover:text-ink"} onClick={() => void look(parts.slice(0, n + 1).join("/"))}>
                  {part}
                </button>
              </span>
            ))}
          </nav>
          <label className="flex items-center gap-1 text-faint">
            <input type="checkbox" checked={hidden} onChange={(event) => setHidden(event.target.checked)} /> hidden
          </label>
          <Button small look="quiet" icon={<RefreshCw size={13} />} aria-label="Look again" onClick={() => void look(path)} />
        </div>
        <ul className="min-h-0 flex-1 overflow-y-auto py-1">
          {entries?.map((entry) => {
            const Icon = entry.kind === "dir" ? Folder : entry.kind === "link" ? FileSymlink : File;
            return (
              <li key={entry.path}>
                <button
                  type="button"
                  onClick={() => void (entry.kind === "dir" ? look(entry.path) : read(entry.path))}
                  title={`${clock(entry.modified)} · ${entry.mode}${entry.target ? ` → ${entry.target}` : ""}`}
                  className={`flex w-full items-center gap-2.5 px-4 py-1 text-left text-sm hover:bg-raised ${file?.path === entry.path ? "bg-raised" : ""}`}
                >
                  <Icon size={15} className={`shrink-0 ${entry.kind === "dir" ? "text-wait" : "text-faint"}`} />
                  <span className="min-w-0 flex-1 truncate">{entry.name}</span>
                  {entry.kind === "file" && <span className="text-xs text-faint tabular">{bytes(entry.size)}</span>}
                </button>
              </li>
            );
          })}
          {entries?.length === 0 && <li className="px-4 py-6 text-sm text-faint">Nothing in here.</li>}
          {!complete && <li className="px-4 py-2 text-xs text-limit">Not everything is listed: the directory is too big.</li>}
        </ul>
      </div>
      <div className="min-h-0 min-w-0 flex-1 overflow-auto max-md:border-t max-md:border-line">
        {file ? (
          <Reader file={file} agent={agent} />
        ) : (
          <div className="hidden p-6 md:block">
            <Empty title="Choose a file">What the agent has in its home. You read here; to change something, write to the agent or take over.</Empty>
          </div>
        )}
      </div>
    </div>
  );
}

function Reader({ file, agent }: { file: Content; agent: string }) {
  const [raw, setRaw] = useState(false);
  const readable = /\.(md|markdown)$/i.test(file.path) && !raw;
  return (
    <div>
      <header className="sticky top-0 flex items-center gap-3 border-b border-line bg-ground px-4 py-1.5 text-xs">
        <span className="min-w-0 flex-1 truncate font-mono">{file.path}</span>
        <span className="text-faint tabular">{bytes(file.size)}</span>
        {/\.(md|markdown)$/i.test(file.path) && (
          <button type="button" className="text-dim underline" onClick={() => setRaw(!raw)}>
            {raw ? "rendered" : "raw"}
          </button>
        )}
        <a className="text-dim hover:text-ink" aria-label="Download" href={`/v1/files/${encodeURIComponent(agent)}/${file.path.split("/").map(encodeURIComponent).join("/")}`} download>
          <Download size={14} />
        </a>
      </header>
      {file.base64 !== null ? (
        <p className="px-4 py-8 text-center text-sm text-dim">This is not text. Download it to look at it.</p>
      ) : readable ? (
        <div className="max-w-3xl px-5 py-4">
          <Markdown text={file.text} />
        </div>
      ) : (
        <pre className="px-4 py-3 font-mono text-xs leading-relaxed">{file.text}</pre>
      )}
      {!file.eof && <p className="border-t border-line px-4 py-2 text-xs text-limit">Only the first {bytes(file.next_offset)} are shown. Download it for the rest.</p>}
    </div>
  );
}
