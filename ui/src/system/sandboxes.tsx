import { Hammer, Trash2 } from "lucide-react";
import { useCallback, useState } from "react";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { bytes } from "../model/format";
import { Ago } from "../parts/ago";
import { Ask } from "../parts/ask";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { Section } from "../parts/page";
import { useFollowed } from "../state/news";
import { usePulse } from "../state/pulse";
import { attempt, useToasts } from "../state/toasts";

type Tiers = Operations["sandbox.list"]["output"];
type Images = Operations["sandbox.images"]["output"];
type Image = Images["images"][number];

const MEANS: Record<string, string> = {
  bwrap: "namespaces of its own, with the system's programs",
  docker: "a hardened container with an image of its own",
  host: "only where it is asked for by name",
};

/** Which walls this machine has, why one is missing, and the images for containers. */
export function Sandboxes() {
  const [tiers, setTiers] = useState<Tiers | null>(null);
  const look = useCallback(() => client.sandbox.list({ limit: 1 }).then(setTiers, () => {}), []);
  useFollowed(look, "sandbox");
  const none = tiers?.tiers.every((each) => each.name === "host" || !each.works);
  return (
    <>
      <Section title="Sandboxes" note={tiers && `limits by ${tiers.limits}`}>
        {none && <p className="mb-3 rounded-xl border border-fail/40 bg-fail/10 px-4 py-3 text-sm text-fail">No sandbox works on this machine: agents can only run as host, which must be asked for by name. Mend one of the reasons below.</p>}
        <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm" data-testid="tiers" id="sandboxes">
          {tiers?.tiers.map((each) => (
            <li key={each.name} data-testid={`tier-${each.name}`} data-works={each.works} className="grid grid-cols-[5rem_minmax(0,1fr)] items-baseline gap-x-3 border-b border-line px-4 py-2 last:border-0">
              <span className={`font-medium ${each.name === "host" ? "text-fail" : ""}`}>{each.name}</span>
              <span className="min-w-0 text-dim wrap-anywhere">
                <span className="mr-2 inline-flex gap-1.5">
                  {each.works ? <Chip tone={each.name === "host" ? "fail" : "work"}>{each.name === "host" ? "no sandbox" : "works"}</Chip> : <Chip tone="limit">does not work here</Chip>}
                  {each.default && <Chip>default</Chip>}
                </span>
                {each.name === "host" && each.default ? "the daemon's setting `sandbox` makes it the default" : MEANS[each.name]}
                {each.reason && <span className={`block text-xs ${each.works ? "text-faint" : "text-limit"}`}>{each.reason}</span>}
              </span>
            </li>
          ))}
        </ul>
      </Section>
      <ImageList />
    </>
  );
}

const BUILD_MS = 2_000;

function ImageList() {
  const [found, setFound] = useState<Images | null>(null);
  const [asked, setAsked] = useState<string[]>([]);
  const [pruning, setPruning] = useState(false);
  const look = useCallback(() => client.sandbox.images().then(setFound, () => {}), []);
  useFollowed(look, "sandbox");
  const building = asked.length > 0 || !!found?.images.some((each) => each.state === "building");
  usePulse(look, BUILD_MS, building);

  const build = async (recipe: string) => {
    setAsked((old) => [...old, recipe]);
    const made = await attempt(`Building ${recipe}`, () => client.sandbox.build_image({ recipe }));
    setAsked((old) => old.filter((each) => each !== recipe));
    if (made) useToasts.getState().show({ tone: "work", title: `${made.name} is built` });
    await look();
  };
  if (!found) return null;
  const ours = found.images.filter((each) => each.recipe !== null);
  const others = found.images.filter((each) => each.recipe === null);
  return (
    <Section
      title="Images for containers"
      note={
        !found.unavailable && (
          <Button small look="quiet" icon={<Trash2 size={13} />} onClick={() => setPruning(true)}>
            Clear away…
          </Button>
        )
      }
    >
      {found.unavailable && <p className="mb-3 text-sm text-limit wrap-anywhere">None can be built or used: {found.unavailable}</p>}
      <ul className="overflow-hidden rounded-xl border border-line bg-panel text-sm" data-testid="images">
        {ours.map((each) => (
          <Row key={each.name} image={each} building={asked.includes(each.recipe!) || each.state === "building"} onBuild={found.unavailable ? null : () => void build(each.recipe!)} />
        ))}
        {others.map((each) => (
          <Row key={each.name} image={each} building={false} onBuild={null} />
        ))}
      </ul>
      {pruning && (
        <Prune
          onClose={() => {
            setPruning(false);
            void look();
          }}
        />
      )}
    </Section>
  );
}

const STATES: Record<string, { word: string; tone: "work" | "limit" | "calm" | "wait" }> = {
  built: { word: "built", tone: "work" },
  outdated: { word: "its recipe is newer", tone: "limit" },
  missing: { word: "not built yet", tone: "calm" },
  building: { word: "being built", tone: "wait" },
};

function Row({ image, building, onBuild }: { image: Image; building: boolean; onBuild: (() => void) | null }) {
  const { word, tone } = STATES[building ? "building" : image.state] ?? { word: image.state, tone: "calm" };
  return (
    <li data-testid={`image-${image.recipe ?? image.name}`} data-state={building ? "building" : image.state} className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 last:border-0">
      <code className="font-mono text-xs wrap-anywhere">{image.name}</code>
      {image.recipe !== null && <Chip tone={tone}>{word}</Chip>}
      <span className="min-w-0 flex-1 truncate text-xs text-faint" title={image.note ?? ""}>
        {building && !image.note ? "a minute or two" : building || !onBuild ? image.note : ""}
      </span>
      <span className="text-xs text-faint tabular">{image.bytes !== null && bytes(image.bytes)}</span>
      {image.created_at && <Ago at={image.created_at} className="text-xs text-faint" />}
      {onBuild && (
        <Button small icon={<Hammer size={13} />} disabled={building} onClick={onBuild}>
          {building ? "Building" : image.state === "missing" ? "Build" : "Build again"}
        </Button>
      )}
    </li>
  );
}

function Prune({ onClose }: { onClose: () => void }) {
  const [plan, setPlan] = useState<string[] | null>(null);
  const read = useCallback(() => attempt("Looking what is left over", () => client.sandbox.prune({ images: true, dry_run: true })).then((found) => found && "removed" in found && setPlan(found.removed)), []);
  useFollowed(read);
  return (
    <Ask
      title="Clear away what nobody needs?"
      keep="Keep it"
      act="Remove"
      disabled={!plan?.length}
      onAct={async () => !!(await attempt("Clearing away", () => client.sandbox.prune({ images: true })))}
      onClose={onClose}
    >
      {plan?.length === 0 && <p>Nothing is left over: every sandbox has its process, and every image of ours is in use.</p>}
      {plan && plan.length > 0 && (
        <ul className="list-disc pl-5 font-mono text-xs">
          {plan.map((each) => (
            <li key={each}>{each}</li>
          ))}
        </ul>
      )}
    </Ask>
  );
}
