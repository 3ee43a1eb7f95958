import { actorName } from "../../model/conditions";
import { Chip } from "../../parts/chip";
import { useAgentNames } from "../../state/news";
import { RISK_TONES, type Risk, type Skill } from "./shapes";

export function RiskChip({ risk }: { risk: Risk }) {
  return <Chip tone={RISK_TONES[risk]}>{risk} risk</Chip>;
}

/** Why it is as risky as it is said to be: nobody has to take a word for it. */
export function Reasons({ reasons }: { reasons: Skill["reasons"] }) {
  if (!reasons.length) return <p className="text-sm text-dim">Its rules found nothing risky. That is no proof: read it before you trust it.</p>;
  return (
    <ul className="space-y-1.5 text-sm" aria-label="Why">
      {reasons.map((reason, n) => (
        <li key={n} className="grid grid-cols-[4.5rem_minmax(0,1fr)] items-baseline gap-x-2">
          <RiskWord risk={reason.level} />
          <span className="min-w-0 wrap-anywhere">
            {reason.what}
            {reason.file && (
              <span className="text-xs text-faint">
                {" "}
                {reason.file}
                {reason.line !== null && `:${reason.line}`}
              </span>
            )}
            {reason.text && <code className="mt-0.5 block overflow-x-auto rounded bg-ground px-2 py-1 font-mono text-xs whitespace-pre text-dim">{reason.text}</code>}
          </span>
        </li>
      ))}
    </ul>
  );
}

function RiskWord({ risk }: { risk: Risk }) {
  return (
    <span>
      <Chip tone={RISK_TONES[risk]}>{risk}</Chip>
    </span>
  );
}

/** Who has it. */
export function Whose({ skill }: { skill: Skill }) {
  const names = useAgentNames();
  const { agent, everyone, shared } = skill;
  if (everyone) return <Chip>all agents</Chip>;
  const whose = agent === null ? "yours" : (names.get(agent) ?? actorName(agent));
  return (
    <Chip title={shared.map((each) => names.get(each) ?? each).join(", ")}>
      {whose}
      {shared.length > 0 && ` and ${shared.length} more`}
    </Chip>
  );
}

export function skillPath(id: string): string {
  return `/skills/${encodeURIComponent(id)}`;
}
