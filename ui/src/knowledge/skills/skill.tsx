import { ArrowLeft } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../../generated/client";
import { bytes } from "../../model/format";
import type { SkillText } from "./shapes";
import { Ask } from "../../parts/ask";
import { Button } from "../../parts/button";
import { Chip } from "../../parts/chip";
import { Code } from "../../parts/markdown";
import { Empty, Section } from "../../parts/page";
import { Pick } from "../../parts/pick";
import { useAgentNames, useFollowed } from "../../state/news";
import { go } from "../../state/route";
import { attempt } from "../../state/toasts";
import { Reasons, RiskChip, Whose } from "./marks";
import { Trial } from "./trial";
import { Versions } from "./versions";

/** One skill: its text, why it is risky, its versions, who has it. */
export function OneSkill({ skill: ref }: { skill: string }) {
  const [version, setVersion] = useState<number | null>(null);
  const [file, setFile] = useState("SKILL.md");
  const [skill, setSkill] = useState<SkillText | null | undefined>(undefined);
  const look = useCallback(
    () =>
      attempt("Reading the skill", () => client.skill.get({ skill: ref, ...(version !== null && { version }), ...(file !== "SKILL.md" && { file }) })).then((found) => setSkill(found ?? null)),
    [ref, version, file],
  );
  useFollowed(look, "skill");
  if (skill === undefined) return null;
  return (
    <>
      <Button look="quiet" small className="mb-3 -ml-2" icon={<ArrowLeft size={15} />} onClick={() => go("/skills")}>
        All skills
      </Button>
      {skill === null ? (
        <Empty title="No such skill">It was removed, or never taken.</Empty>
      ) : (
        <div data-testid="skill" data-version={skill.version}>
          <header className="mb-5">
            <div className="flex flex-wrap items-baseline gap-x-2.5 gap-y-1.5">
              <h2 className="text-lg font-semibold tracking-tight">{skill.name}</h2>
              <span className="text-xs text-faint tabular">{skill.version > 0 ? `version ${skill.version}` : "only proposed"}</span>
              <RiskChip risk={skill.risk} />
              <Whose skill={skill} />
              {skill.runnable && <Chip title="skill.run runs them">has steps</Chip>}
            </div>
            <p className="mt-1 max-w-3xl text-sm text-dim wrap-anywhere">{skill.description}</p>
            <Levers skill={skill} />
          </header>
          <Section title={`Risk: ${skill.risk}`} note={may(skill)}>
            <Reasons reasons={skill.reasons} />
          </Section>
          {skill.runnable && <Trial skill={skill.id} />}
          <Section
            title={skill.shown === skill.version ? "Text" : `Text of version ${skill.shown}`}
            note={<Pick label="File" value={file} options={skill.files.map((each) => [each.path, `${each.path} (${bytes(each.size)})`] as const)} onPick={setFile} />}
          >
            <Code text={skill.text} label={file} wrap={file.endsWith(".md")} />
          </Section>
          <Versions skill={skill} onShow={(each) => (setFile("SKILL.md"), setVersion(each))} />
        </div>
      )}
    </>
  );
}

function may({ tools, permissions }: SkillText): string {
  return [permissions.length ? `may use ${permissions.join(", ")}` : "", tools.length ? `without asking: ${tools.join(", ")}` : ""].filter(Boolean).join("; ");
}

function Levers({ skill }: { skill: SkillText }) {
  const names = useAgentNames();
  const [removing, setRemoving] = useState(false);
  const { id, everyone, shared } = skill;
  const share = (to: { agent: string } | { everyone: boolean }, stop: boolean) => void attempt(stop ? "Taking it back" : "Sharing", () => client.skill.share({ skill: id, ...to, stop }));
  const has = new Set([...shared, skill.agent]);
  return (
    <div className="mt-3 flex flex-wrap gap-2">
      {skill.version > 0 && (
        <Button small onClick={() => share({ everyone: true }, everyone)}>
          {everyone ? "Take it back from all agents" : "Give it to all agents"}
        </Button>
      )}
      {!everyone && <Pick label="Share" hint="Share with…" options={[...names].filter(([agent]) => !has.has(agent))} onPick={(agent) => share({ agent }, false)} />}
      {!everyone && shared.length > 0 && <Pick label="Take back" hint="Take back from…" options={shared.map((each) => [each, names.get(each) ?? each] as const)} onPick={(agent) => share({ agent }, true)} />}
      <Button small look="danger" onClick={() => setRemoving(true)}>
        Remove
      </Button>
      {removing && (
        <Ask
          title={`Remove ${skill.name}?`}
          keep="Keep it"
          act="Remove for good"
          onClose={() => setRemoving(false)}
          onAct={async () => {
            const gone = await attempt("Removing", () => client.skill.remove({ skill: id }));
            if (gone) go("/skills");
            return !!gone;
          }}
        >
          <p>All its versions go, and every agent that has it loses it. It cannot be brought back.</p>
        </Ask>
      )}
    </div>
  );
}
