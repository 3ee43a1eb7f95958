import { useCallback, useEffect, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { Page, Section } from "../parts/page";
import { HOUSE } from "../shell/places";
import { useFollowed } from "../state/news";
import { attempt } from "../state/toasts";
import { Abilities } from "./abilities";
import { type Following, useInstalls } from "./installs";
import { RuntimeRow } from "./row";

export type Runtime = Operations["runtime.get"]["output"];

/** What can be hosted here: installed or not, and what each was seen to do. */
export default function Runtimes() {
  const [runtimes, setRuntimes] = useState<Runtime[] | null>(null);
  const look = useCallback(async () => {
    const found = await attempt("Listing runtimes", () => client.runtime.list());
    if (!found) return;
    const whole = await Promise.all(found.runtimes.map((each) => client.runtime.get({ runtime: each.name })));
    setRuntimes(whole);
  }, []);
  useFollowed(look, "runtime");
  const { installs, follow } = useInstalls(look);
  // an install that was begun elsewhere, or before this page was opened
  useEffect(() => runtimes?.forEach((each) => each.state === "installing" && follow(each.name)), [runtimes, follow]);

  const shown = runtimes && [...runtimes].sort((a, b) => Number(b.available) - Number(a.available));
  return (
    <Page title="Runtimes" places={HOUSE} lead={<p className="text-sm text-dim">Whose agents can be hosted here. What is installed stands in aetherd's own home; nothing of the system is changed.</p>}>
      {shown && (
        <ul className="mb-8 overflow-hidden rounded-xl border border-line bg-panel" data-testid="runtimes">
          {shown.map((each) => (
            <RuntimeRow key={each.name} runtime={each} installing={progressOf(each, installs)} onInstall={() => follow(each.name)} onChanged={look} />
          ))}
        </ul>
      )}
      {shown && (
        <Section title="What each was seen to do" note="driven by a scripted model through the same behaviours; not what its documentation says">
          <Abilities runtimes={shown} />
        </Section>
      )}
    </Page>
  );
}

function progressOf(runtime: Runtime, installs: Following) {
  return installs[runtime.name] ?? runtime.installing;
}
