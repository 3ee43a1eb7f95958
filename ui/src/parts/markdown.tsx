import { type ReactNode, memo } from "react";

/** A small, safe part of Markdown as React elements: agent text never becomes HTML. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return <div className="space-y-2.5 leading-relaxed wrap-anywhere">{blocks(text)}</div>;
});

const LIST = /^(\s*)([-*+]|\d{1,3}[.)])\s+(.*)$/;

function blocks(text: string): ReactNode[] {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const out: ReactNode[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    const key = out.length;
    const fence = /^\s*(```+|~~~+)\s*([\w+-]*)/.exec(line);
    if (fence) {
      const body: string[] = [];
      for (at += 1; at < lines.length && !lines[at]!.trim().startsWith(fence[1]!); at += 1) body.push(lines[at]!);
      at += 1;
      out.push(<Code key={key} text={body.join("\n")} label={fence[2] ?? ""} />);
    } else if (!line.trim()) {
      at += 1;
    } else if (/^#{1,6}\s/.test(line)) {
      const level = /^#+/.exec(line)![0].length;
      const size = level === 1 ? "text-lg" : level === 2 ? "text-md" : "";
      out.push(<p key={key} className={`font-semibold ${size}`}>{inline(line.replace(/^#+\s+/, "").replace(/\s#+$/, ""))}</p>);
      at += 1;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.push(<hr key={key} className="border-line" />);
      at += 1;
    } else if (/^\s*>/.test(line)) {
      const body: string[] = [];
      for (; at < lines.length && /^\s*>/.test(lines[at]!); at += 1) body.push(lines[at]!.replace(/^\s*>\s?/, ""));
      out.push(<blockquote key={key} className="border-l-2 border-edge pl-3 text-dim">{blocks(body.join("\n"))}</blockquote>);
    } else if (line.includes("|") && /^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$/.test(lines[at + 1] ?? "")) {
      const rows: string[][] = [];
      for (; at < lines.length && lines[at]!.includes("|"); at += 1) rows.push(cells(lines[at]!));
      out.push(<Table key={key} head={rows[0] ?? []} rows={rows.slice(2)} />);
    } else if (LIST.test(line)) {
      const items: { depth: number; mark: string; text: string }[] = [];
      for (; at < lines.length; at += 1) {
        const item = LIST.exec(lines[at]!);
        if (item) items.push({ depth: Math.floor(item[1]!.length / 2), mark: item[2]!, text: item[3]! });
        else if (lines[at]!.trim() && /^\s{2,}/.test(lines[at]!) && items.length) items.at(-1)!.text += ` ${lines[at]!.trim()}`;
        else break;
      }
      out.push(<Items key={key} items={items} />);
    } else {
      const body: string[] = [];
      while (at < lines.length && lines[at]!.trim() && !/^(\s*(```|~~~|>)|#{1,6}\s)/.test(lines[at]!) && !LIST.test(lines[at]!))
        body.push(lines[at++]!);
      if (!body.length) body.push(lines[at++]!);
      out.push(<p key={key} className="whitespace-pre-wrap">{inline(body.join("\n"))}</p>);
    }
  }
  return out;
}

/** Text as it is; `wrap` for what was written to be read. */
export function Code({ text, label = "", wrap }: { text: string; label?: string; wrap?: boolean }) {
  return (
    <div className="overflow-hidden rounded-lg border border-line bg-ground">
      {label && <div className="border-b border-line px-3 py-1 font-mono text-2xs text-faint">{label}</div>}
      <pre className={`max-h-96 overflow-auto px-3 py-2 font-mono text-xs leading-relaxed ${wrap ? "whitespace-pre-wrap wrap-anywhere" : ""}`}>{text}</pre>
    </div>
  );
}

function Items({ items }: { items: { depth: number; mark: string; text: string }[] }) {
  return (
    <ul className="space-y-1">
      {items.map((item, n) => {
        const box = /^\[([ xX])\]\s+/.exec(item.text);
        return (
          <li key={n} className="flex gap-2" style={{ paddingLeft: `${item.depth * 1.1}rem` }}>
            <span className="shrink-0 text-faint tabular">{box ? (box[1] === " " ? "☐" : "☑") : /\d/.test(item.mark) ? item.mark : "•"}</span>
            <span className="min-w-0">{inline(box ? item.text.slice(box[0].length) : item.text)}</span>
          </li>
        );
      })}
    </ul>
  );
}

function cells(line: string): string[] {
  return line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
}

function Table({ head, rows }: { head: string[]; rows: string[][] }) {
  return (
    <div className="overflow-x-auto">
      <table className="text-sm">
        <thead>
          <tr>{head.map((cell, n) => <th key={n} className="border-b border-edge py-1 pr-4 text-left font-semibold">{inline(cell)}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((row, r) => (
            <tr key={r}>{row.map((cell, n) => <td key={n} className="border-b border-line py-1 pr-4 align-top">{inline(cell)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const INLINE = /(`+)([\s\S]+?)\1|\*\*([^\n]+?)\*\*|(?<![\w*])[*_]([^\s*_][^*_\n]*?)[*_](?![\w*])|\[([^\]\n]+)\]\(([^)\s]+)\)|(https?:\/\/[^\s<>()"']+[^\s<>()"'.,;:!?])/g;

function inline(text: string): ReactNode[] {
  const out: ReactNode[] = [];
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > last) out.push(text.slice(last, found.index));
    last = found.index + found[0].length;
    const key = found.index;
    const [, tick, code, bold, italic, label, target, url] = found;
    if (tick) out.push(<code key={key} className="rounded bg-raised px-1 py-px font-mono text-[0.86em]">{code!.trim()}</code>);
    else if (bold) out.push(<strong key={key} className="font-semibold">{inline(bold)}</strong>);
    else if (italic) out.push(<em key={key}>{italic}</em>);
    else out.push(<Link key={key} target={target ?? url!}>{label ?? url}</Link>);
  }
  if (last < text.length) out.push(text.slice(last));
  return out;
}

function Link({ target, children }: { target: string; children: ReactNode }) {
  if (!/^https?:\/\//i.test(target)) return <span title={target}>{children}</span>;
  return (
    <a href={target} title={target} target="_blank" rel="noopener noreferrer nofollow" className="text-wait underline decoration-wait/40 underline-offset-2 hover:decoration-wait">
      {children}
    </a>
  );
}
