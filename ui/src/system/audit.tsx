import { useEffect, useState } from "react";
import { client } from "../generated/client";
import { clock } from "../model/format";
import type { AuditRecord } from "../model/names";
import { Button } from "../parts/button";
import { Section } from "../parts/page";
import { attempt } from "../state/toasts";

type Outcome = "ok" | "refused" | "failed";

/** Who did what through which face; refusals too. */
export function Audit() {
  const [records, setRecords] = useState<AuditRecord[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<Outcome | "">("");
  const [operation, setOperation] = useState("");
  const look = async (from: string | null) => {
    const page = await attempt("Reading the audit log", () =>
      client.audit.query({ limit: 50, ...(from ? { cursor: from } : {}), ...(outcome ? { outcome } : {}), ...(operation ? { operation } : {}) }),
    );
    if (!page) return;
    setRecords((old) => (from ? [...old, ...page.records] : page.records));
    setCursor(page.cursor);
  };
  useEffect(() => {
    const timer = setTimeout(() => void look(null), operation ? 300 : 0);
    return () => clearTimeout(timer);
  }, [outcome, operation]);
  return (
    <Section
      title="Audit"
      note={
        <span className="flex gap-2">
          <input className="field !w-40 !py-0.5 font-mono text-xs" aria-label="Operation or room" placeholder="process.spawn" value={operation} onChange={(event) => setOperation(event.target.value)} />
          <select className="field !w-28 !py-0.5 text-xs" aria-label="Outcome" value={outcome} onChange={(event) => setOutcome(event.target.value as Outcome | "")}>
            <option value="">all</option>
            <option value="ok">ok</option>
            <option value="refused">refused</option>
            <option value="failed">failed</option>
          </select>
        </span>
      }
    >
      <div className="overflow-x-auto rounded-xl border border-line bg-panel">
        <table className="w-full text-left text-xs whitespace-nowrap" data-testid="audit">
          <thead className="text-faint">
            <tr className="border-b border-line [&>th]:px-3 [&>th]:py-1.5 [&>th]:font-medium">
              <th>at</th>
              <th>who</th>
              <th>operation</th>
              <th>on</th>
              <th>face</th>
              <th>outcome</th>
              <th className="text-right">ms</th>
            </tr>
          </thead>
          <tbody className="tabular">
            {records.map((each) => (
              <tr key={each.id} className="border-b border-line last:border-0 [&>td]:px-3 [&>td]:py-1.5" title={JSON.stringify(each.input)}>
                <td className="text-dim">{clock(each.at)}</td>
                <td>{each.actor}</td>
                <td className="font-mono">{each.operation}</td>
                <td className="max-w-40 truncate text-dim">{each.subject ?? (each.pid ? `pid ${each.pid}` : "")}</td>
                <td className="text-dim">{each.face}</td>
                <td className={each.outcome === "ok" ? "text-dim" : each.outcome === "open" ? "text-wait" : "font-medium text-fail"}>
                  {each.outcome}
                  {each.code && ` · ${each.code}`}
                </td>
                <td className="text-right text-faint">{each.ms === null ? "" : each.ms.toFixed(each.ms < 10 ? 1 : 0)}</td>
              </tr>
            ))}
            {records.length === 0 && (
              <tr>
                <td colSpan={7} className="px-3 py-4 text-faint">
                  No calls match.
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
      {cursor && (
        <Button small look="quiet" className="mt-2" onClick={() => void look(cursor)}>
          Older
        </Button>
      )}
    </Section>
  );
}
