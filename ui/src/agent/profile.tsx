import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { dollars, span, toolName } from "../model/format";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { Labelled } from "../parts/labelled";
import { Section } from "../parts/page";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import { Rows } from "./rows";

type Profile = Operations["profile.get"]["output"];

const TOOLS = 8; // shown; the room counts more
const SOURCES: Record<Profile["expertise"][number]["source"], string> = { person: "a person says so", task: "tasks it did", memory: "what it remembered" };

/** What the agent has done over all its runs, counted and not said by itself; and what a person has to say of it. */
export function ProfileFacts({ agent, runs }: { agent: string; runs: unknown }) {
  const [profile, setProfile] = useState<Profile | null>(null);
  // another state of this run is another count
  const look = useCallback(() => client.profile.get({ agent }).then(setProfile, () => {}), [agent, runs]);
  useFollowed(look, "profile", "feedback");
  if (!profile) return null;
  const { success_rate, durations, thumbs_up, thumbs_down } = profile;
  return (
    <>
      <Section title="Over all its runs" note="counted, not said by itself">
        <Rows
          rows={[
            ["runs", profile.running ? `${profile.runs}, of which ${profile.running} not ended` : profile.runs],
            ["success", success_rate !== null && `${Math.round(success_rate * 100)}% completed of those that ended`],
            ["outcomes", Object.entries(profile.outcomes).map(([outcome, n]) => `${n} ${outcome}`).join(", ")],
            ["took", durations && `half of them up to ${span(durations.p50_s * 1000)}, most up to ${span(durations.p90_s * 1000)}`],
            ["cost", profile.cost_usd > 0 && dollars(profile.cost_usd)],
            ["thumbs", (thumbs_up > 0 || thumbs_down > 0) && `${thumbs_up} up, ${thumbs_down} down`],
            ["models", Object.entries(profile.models).map(([model, n]) => `${model} (${n})`).join(", ")],
            ["tools", profile.tools.slice(0, TOOLS).map(({ tool, calls }) => `${toolName(tool)} ${calls}`).join(", ")],
          ]}
        />
      </Section>
      <Section title="What a person says of it">
        <Notes key={`${profile.notes}\n${profile.expertise.length}`} profile={profile} onSaved={() => void look()} />
      </Section>
    </>
  );
}

function Notes({ profile, onSaved }: { profile: Profile; onSaved: () => void }) {
  const said = profile.expertise.filter((each) => each.source === "person").map((each) => each.topic).join(", ");
  const [notes, setNotes] = useState(profile.notes);
  const [good, setGood] = useState(said);
  const topics = good.split(",").map((each) => each.trim().toLowerCase()).filter(Boolean);
  const changed = notes !== profile.notes || topics.join(", ") !== said;
  const save = async () => {
    if (await attempt("Saving the notes", () => client.profile.update({ agent: profile.agent, notes, expertise: topics }))) onSaved();
  };
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Labelled label="Notes" hint="for who gives it work: people and agents">
        <textarea className="field block min-h-20" data-testid="profile-notes" maxLength={10_000} placeholder="Good with the parser. Wants the failing test first." value={notes} onChange={(event) => setNotes(event.target.value)} />
      </Labelled>
      <Labelled label="Good at" hint="with commas between">
        <input className="field" value={good} onChange={(event) => setGood(event.target.value)} />
      </Labelled>
      {profile.expertise.some((each) => each.source !== "person") && (
        <p className="flex flex-wrap gap-1.5">
          {profile.expertise
            .filter((each) => each.source !== "person")
            .map((each) => (
              <Chip key={`${each.source}${each.topic}`} title={SOURCES[each.source]}>
                {each.topic}
                {each.count !== null && ` ${each.count}`}
              </Chip>
            ))}
        </p>
      )}
      <Button type="submit" small look={changed ? "primary" : "plain"} disabled={!changed}>
        Save
      </Button>
    </form>
  );
}
