import { useCallback, useState } from "react";
import { client } from "../../generated/client";
import type { Operations } from "../../generated/types";
import { actorName } from "../../model/conditions";
import { bytes } from "../../model/format";
import type { SkillText } from "./shapes";
import { Ago } from "../../parts/ago";
import { Button } from "../../parts/button";
import { Chip } from "../../parts/chip";
import { Section } from "../../parts/page";
import { useFollowed } from "../../state/news";
import { attempt } from "../../state/toasts";
import { RiskChip } from "./marks";

type Version = Operations["skill.versions"]["output"]["versions"][number];

const SOURCES: Record<string, string> = { create: "written", install: "installed", compose: "composed", propose: "proposed" };

/** Every version there ever was; any that was taken can be the current one again. */
export function Versions({ skill, onShow }: { skill: SkillText; onShow: (version: number) => void }) {
  const { id } = skill;
  const [versions, setVersions] = useState<Version[]>([]);
  const look = useCallback(() => attempt("Reading versions", () => client.skill.versions({ skill: id })).then((found) => found && setVersions(found.versions)), [id]);
  useFollowed(look, "skill");
  return (
    <Section title="Versions">
      <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm">
        {versions.map((each) => (
          <li key={each.version} data-testid={`version-${each.version}`} data-current={each.current} className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 last:border-0">
            <span className="w-6 font-medium tabular">{each.version}</span>
            {each.current && <Chip tone="work">current</Chip>}
            {!each.taken && <Chip tone="need">not taken</Chip>}
            <RiskChip risk={each.risk} />
            <span className="min-w-0 flex-1 truncate text-xs text-dim">
              {SOURCES[each.source] ?? each.source} by {actorName(each.created_by)}, {each.files === 1 ? "1 file" : `${each.files} files`}, {bytes(each.bytes)}
              {each.parts.length > 0 && `, of ${each.parts.map((part) => `${part.name} ${part.version}`).join(", ")}`}
            </span>
            <Ago at={each.created_at} className="text-xs text-faint" />
            <span className="flex gap-1">
              {each.version !== skill.shown && (
                <Button small look="quiet" onClick={() => onShow(each.version)}>
                  Read
                </Button>
              )}
              {each.taken && !each.current && (
                <Button small onClick={() => void attempt("Going back", () => client.skill.rollback({ skill: id, version: each.version }))}>
                  Make it the current one
                </Button>
              )}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
