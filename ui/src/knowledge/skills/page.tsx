import { useCallback, useState } from "react";
import { client } from "../../generated/client";
import type { Proposal, Skill } from "./shapes";
import { Button } from "../../parts/button";
import { Link } from "../../parts/link";
import { NewLine } from "../../parts/new-line";
import { Empty, Page, Section } from "../../parts/page";
import { SearchBox } from "../../parts/search";
import { KNOWLEDGE } from "../../shell/places";
import { usePaged } from "../../state/paged";
import { go } from "../../state/route";
import { attempt } from "../../state/toasts";
import { ProposalCard } from "./proposal";
import { RiskChip, Whose, skillPath } from "./marks";
import { OneSkill } from "./skill";

/** What agents can do by a written recipe; nothing reaches all of them that a person has not taken. */
export default function SkillsPage({ skill }: { skill: string }) {
  return skill ? (
    <Page title="Skills" places={KNOWLEDGE}>
      <OneSkill key={skill} skill={skill} />
    </Page>
  ) : (
    <SkillList />
  );
}

function SkillList() {
  const [query, setQuery] = useState("");
  const [proposals, setProposals] = useState<Proposal[]>([]);
  const read = useCallback(
    async (cursor?: string) => {
      const page = await attempt("Looking for skills", () => client.skill.discover({ query, proposals: !cursor, limit: 50, ...(cursor && { cursor }) }));
      if (page && !cursor) setProposals(page.proposals);
      return page && { items: page.skills, cursor: page.cursor };
    },
    [query],
  );
  const { items, more, again } = usePaged(read, "skill");
  const waiting = proposals.filter((each) => each.state === "waiting");
  const install = async (path: string) => {
    const made = await attempt("Installing", () => client.skill.install({ path }));
    if (made) go(skillPath(made.id));
    return !!made;
  };
  return (
    <Page
      title="Skills"
      places={KNOWLEDGE}
      lead={<SearchBox label="Search skills" hint="What it shall be good for" onSearch={setQuery} />}
      actions={<NewLine name="skill" field="path" label="Folder or archive with a SKILL.md" hint="Folder or archive on this machine" most={4096} word="Install" onMake={install} />}
    >
      {waiting.length > 0 && (
        <Section title={waiting.length === 1 ? "A proposal waits for you" : `${waiting.length} proposals wait for you`}>
          <div className="space-y-3">
            {waiting.map((each) => (
              <ProposalCard key={each.id} proposal={each} onDecided={() => void again()} />
            ))}
          </div>
        </Section>
      )}
      {items?.length === 0 ? (
        query ? (
          <Empty title="No skill for that">Other words may find one. Agents look with the same ones.</Empty>
        ) : (
          waiting.length === 0 && (
            <Empty title="No skills yet">
              A skill is a folder with a SKILL.md that says how something is done, and scripts if it needs them. Install one above; agents propose what they found out, and a person takes it or not.
            </Empty>
          )
        )
      ) : (
        <ul className="overflow-hidden rounded-xl border border-line bg-panel" aria-label="Skills" aria-busy={items === null}>
          {items?.map((each) => (
            <SkillRow key={each.id} skill={each} />
          ))}
        </ul>
      )}
      {more && (
        <Button className="mt-3" look="quiet" onClick={more}>
          Show more
        </Button>
      )}
      {proposals.length > waiting.length && (
        <div className="mt-8">
          <Section title="Decided">
            <div className="space-y-3">
              {proposals
                .filter((each) => each.state !== "waiting")
                .slice(0, 10)
                .map((each) => (
                  <ProposalCard key={each.id} proposal={each} />
                ))}
            </div>
          </Section>
        </div>
      )}
    </Page>
  );
}

function SkillRow({ skill }: { skill: Skill }) {
  return (
    <li className="border-b border-line last:border-0" data-testid={`skill-${skill.name}`}>
      <Link href={skillPath(skill.id)} className="block px-4 py-2.5 hover:bg-raised/60">
        <span className="flex flex-wrap items-baseline gap-x-2.5 gap-y-1">
          <span className="font-medium">{skill.name}</span>
          <span className="text-xs text-faint tabular">{skill.version > 0 ? `version ${skill.version}` : "only proposed"}</span>
          <span className="ml-auto flex gap-1.5">
            <Whose skill={skill} />
            <RiskChip risk={skill.risk} />
          </span>
        </span>
        <span className="mt-0.5 line-clamp-2 text-sm text-dim wrap-anywhere">{skill.description}</span>
      </Link>
    </li>
  );
}
