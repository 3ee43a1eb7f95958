import { ArrowLeft, PlugZap, ShieldAlert } from "lucide-react";
import type { ReactNode } from "react";
import { CONDITIONS, type Condition, endingOf, phaseWord } from "../model/conditions";
import { clock, oneLine } from "../model/format";
import { isolationOf, networkWord } from "../model/isolation";
import type { Process } from "../model/names";
import { Cost } from "../money/cost";
import { LimitedBanner } from "../money/limited";
import { Ago } from "../parts/ago";
import { Button } from "../parts/button";
import { Glyph, TEXT_TONE } from "../parts/glyph";
import { Link } from "../parts/link";
import { TierMark } from "../parts/tier-mark";
import { useFleet } from "../state/fleet";
import { agentPath, go } from "../state/route";

interface Props {
  process: Process;
  condition: Condition;
  actions: ReactNode;
}

/** Who it is, what it does, since when, and everything that is not as it should be. */
export function AgentHeader({ process, condition, actions }: Props) {
  const { word, tone } = CONDITIONS[condition];
  const ending = endingOf(process);
  const phase = phaseWord(process, condition);
  const last = useFleet((fleet) => fleet.activity[process.pid]);
  // a turn that failed is told by its event; the process itself has no word for it
  const reason = process.reason ?? (condition === "failed" && last?.kind === "trouble" ? last.text : null);
  return (
    <header className="shrink-0 px-4 pt-3 pb-2 md:px-6 md:pt-4">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <div className="flex min-w-0 flex-1 basis-80 items-start gap-2">
          <Button look="quiet" small className="-ml-2" icon={<ArrowLeft size={16} />} aria-label="All agents" onClick={() => go("/")} />
          <div className="min-w-0">
            <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
              <h1 className="text-lg leading-7 font-semibold tracking-tight">{process.name}</h1>
              <span
                data-testid={`state-${process.pid}`}
                data-condition={condition}
                className={`inline-flex items-center gap-1.5 rounded-full border border-current/25 px-2.5 py-0.5 text-xs font-medium ${TEXT_TONE[tone]}`}
                title={`known from the ${process.phase_source ?? "process"}${process.phase_at ? `, since ${clock(process.phase_at)}` : ""}`}
              >
                <Glyph condition={condition} size={12} />
                {word}
                {phase && <span className="font-normal opacity-80">· {phase}</span>}
                <Ago at={process.exited_at ?? process.phase_at ?? process.created_at} className="font-normal opacity-80" />
              </span>
              {ending && <span className="text-xs text-dim">{ending}</span>}
            </div>
            {(process.role || process.goal) && (
              <p className="mt-0.5 line-clamp-1 text-sm text-dim" title={process.goal ?? ""}>
                {process.role ? `${process.role}${process.goal ? " — " : ""}` : ""}
                {oneLine(process.goal ?? "", 200)}
              </p>
            )}
          </div>
        </div>
        <div className={`flex flex-wrap items-center gap-2 ${condition === "controlled" ? "max-md:hidden" : ""}`}>{actions}</div>
      </div>
      <Facts process={process} />
      <LimitedBanner process={process} />
      {reason && !process.limited && (condition === "failed" || condition === "limited" || condition === "unknown") && (
        <p className={`mt-1.5 text-sm wrap-anywhere ${condition === "failed" ? "text-fail" : "text-limit"}`}>{reason}</p>
      )}
    </header>
  );
}

function Facts({ process }: { process: Process }) {
  const { walls } = isolationOf(process);
  // aetherd starts every agent in the mode that asks; anything else is a surprise worth red.
  const mode = process.permission_mode;
  const surprising = mode !== null && !["default", "manual"].includes(mode);
  return (
    <dl className="flex gap-x-4 [&:has(.flex)]:mt-2 md:mt-2 gap-y-1 overflow-x-auto text-xs whitespace-nowrap text-faint [scrollbar-width:none] md:flex-wrap">
      <Fact label="pid">{process.pid}</Fact>
      <Fact label="">{process.runtime}</Fact>
      {process.model && <Fact label="">{process.model}</Fact>}
      {mode && (
        <Fact label="permissions" alarm={surprising} title={surprising ? "This mode does not ask you before acting" : "It asks before it acts"}>
          {surprising && <ShieldAlert size={12} />}
          {mode}
        </Fact>
      )}
      <div className={`items-center gap-1.5 ${walls === "walled" ? "hidden md:flex" : "flex"}`}>
        <dt>sandbox</dt>
        <dd className="text-dim">
          <Link href={agentPath(process.pid, "walls")} className="inline-flex items-center gap-1.5 hover:text-ink">
            <TierMark process={process} long />
            {walls === "walled" && networkWord(process.sandbox["network"]) && <span title="as it was started; the tab Walls has what holds now">{networkWord(process.sandbox["network"])}</span>}
          </Link>
        </dd>
      </div>
      {process.tools_connected === false && (
        <Fact label="" alarm title="The runtime reports that aether's tools are not connected">
          <PlugZap size={12} /> tools not connected
        </Fact>
      )}
      {process.os_pid !== null && <Fact label="os pid">{process.os_pid}</Fact>}
      <Fact label="cost">
        <Link href={agentPath(process.pid, "walls")} className="hover:text-ink">
          <Cost process={process} />
        </Link>
      </Fact>
      {process.started_at && (
        <Fact label={process.exited_at ? "ran until" : "up"}>{process.exited_at ? clock(process.exited_at) : <Ago at={process.started_at} />}</Fact>
      )}
    </dl>
  );
}

function Fact({ label, children, alarm, title }: { label: string; children: ReactNode; alarm?: boolean; title?: string }) {
  return (
    <div className={`items-center gap-1.5 ${alarm ? "flex" : "hidden md:flex"}`} title={title}>
      {label && <dt>{label}</dt>}
      <dd className={`inline-flex items-center gap-1 tabular ${alarm ? "rounded bg-fail/12 px-1 font-medium text-fail" : "text-dim"}`}>{children}</dd>
    </div>
  );
}
