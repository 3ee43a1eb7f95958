import { useEffect, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { endingOf } from "../model/conditions";
import { clock, count, dollars, spent } from "../model/format";
import type { Process } from "../model/names";
import { Section } from "../parts/page";
import { agentPath, go } from "../state/route";
import { RunJudged } from "../timeline/thumbs";
import { Facts } from "../walls/facts";
import { ProfileFacts } from "./profile";
import { Rows } from "./rows";

type Result = Operations["process.result"]["output"];
type Agent = Operations["agent.get"]["output"];

/** Every fact as the daemon tells it. */
export default function Details({ process }: { process: Process }) {
  const [result, setResult] = useState<Result | null>(null);
  const [agent, setAgent] = useState<Agent | null>(null);
  useEffect(() => {
    client.process.result({ pid: process.pid }).then(setResult, () => {});
    client.agent.get({ agent: process.agent }).then(setAgent, () => {});
  }, [process.pid, process.agent, process.cost_usd, process.state]);
  const caps = Object.entries(process.capabilities);
  return (
    <div className="h-full overflow-y-auto px-4 py-5 md:px-6">
      <div className="grid max-w-5xl gap-x-10 md:grid-cols-2">
        <Section title="Process">
          <Rows
            rows={[
              ["pid", process.pid],
              ["os pid", process.os_pid],
              ["state", process.state],
              ["phase", process.phase && `${process.phase} (${process.phase_source}${process.phase_at ? `, since ${clock(process.phase_at)}` : ""})`],
              ["reason", process.reason],
              ["ended", endingOf(process)],
              ["outcome", process.outcome],
              ["incarnation", `${process.incarnation}, ${process.mode}${process.stdio ? ` on ${process.stdio}` : ""}`],
              ["priority", process.priority],
              ["created", clock(process.created_at)],
              ["started", process.started_at && clock(process.started_at)],
              ["exited", process.exited_at && clock(process.exited_at)],
              [
                "parent",
                process.parent !== null && (
                  <button type="button" className="underline" onClick={() => go(agentPath(process.parent!))}>
                    pid {process.parent}
                  </button>
                ),
              ],
            ]}
          />
        </Section>
        <Section title="Agent and runtime">
          <Rows
            rows={[
              ["name", process.name],
              ["role", process.role],
              ["template", process.template],
              ["agent", process.agent],
              ["runtime", process.runtime],
              ["model", process.model],
              ["session", process.session],
              ["permission mode", process.permission_mode],
              ["aether tools", process.tools_connected === null ? null : process.tools_connected ? "connected" : <span className="text-fail">not connected</span>],
              ["toolset", process.toolset],
              ["home", agent?.home],
              ["uid", agent && (agent.uid ?? "the daemon's own")],
              ["can", caps.filter(([, yes]) => yes).map(([name]) => name).join(", ") || "only run"],
              ["cannot", caps.filter(([, yes]) => !yes).map(([name]) => name).join(", ")],
            ]}
          />
        </Section>
        <Facts process={process} />
        <Section title="Spent" note={process.metered ? "counted at aetherd's gateway, call by call" : "the runtime's own estimate, told when a turn ends"}>
          <Rows
            rows={[
              ["cost", spent(process)],
              ["budget", process.budget_usd !== null && dollars(process.budget_usd)],
              ["its runtime says", process.metered && dollars(process.claimed_usd)],
              ["input", result && `${count(result.usage.input_tokens)} tokens`],
              ["output", result && `${count(result.usage.output_tokens)} tokens`],
              ["cache read", result && `${count(result.usage.cache_read_tokens)} tokens`],
              ["cache written", result && `${count(result.usage.cache_write_tokens)} tokens`],
            ]}
          />
          <div className="mt-3">
            <RunJudged pid={process.pid} />
          </div>
        </Section>
        <ProfileFacts agent={process.agent} runs={`${process.state} ${process.outcome}`} />
      </div>
      <div className="max-w-5xl">
        {process.goal && (
          <Section title="Goal">
            <p className="rounded-xl border border-line bg-panel px-4 py-3 whitespace-pre-wrap wrap-anywhere">{process.goal}</p>
          </Section>
        )}
        {result && result.files_changed.length > 0 && (
          <Section title={`Files changed (${result.files_changed.length})`}>
            <ul className="font-mono text-xs leading-6 text-dim">
              {result.files_changed.map((path) => (
                <li key={path}>{path}</li>
              ))}
            </ul>
          </Section>
        )}
      </div>
    </div>
  );
}
