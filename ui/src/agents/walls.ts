import type { Tier } from "../model/doctor";
import type { SpawnInput } from "../model/names";

type Wish = NonNullable<SpawnInput["sandbox"]>;
type Limits = NonNullable<SpawnInput["limits"]>;

/** What a person chose of walls and limits; empty is what the daemon would choose. */
export interface WallsForm {
  tier: Tier["name"] | "";
  image: string;
  network: "" | "all" | "none" | "list";
  rules: string;
  graphical: boolean;
  gpu: string;
  limits: Record<LimitName, string>;
}

export type LimitName = "cpu" | "memory_mb" | "pids" | "disk_mb" | "wall_s";

export const NO_WISH: WallsForm = {
  tier: "",
  image: "",
  network: "",
  rules: "",
  graphical: false,
  gpu: "",
  limits: { cpu: "", memory_mb: "", pids: "", disk_mb: "", wall_s: "" },
};

interface LimitField {
  name: LimitName;
  label: string;
  unit: string;
  /** what one of the unit is in the daemon's */
  times: number;
  least: number;
}

export const LIMITS: readonly LimitField[] = [
  { name: "cpu", label: "CPU", unit: "cores", times: 1, least: 0.01 },
  { name: "memory_mb", label: "Memory", unit: "MB", times: 1, least: 16 },
  { name: "pids", label: "Processes", unit: "at once", times: 1, least: 4 },
  { name: "disk_mb", label: "Home on disk", unit: "MB", times: 1, least: 1 },
  { name: "wall_s", label: "Time", unit: "minutes", times: 60, least: 0.1 },
];

/** Rules as they were typed: one per line, or with commas between. */
export function rulesOf(text: string): string[] {
  return [...new Set(text.split(/[\n,]/).map((each) => each.trim()).filter(Boolean))];
}

/** Only what was chosen; what tier `host` cannot give is left out, as the form shows it. */
export function wishOf(form: WallsForm, auto: string): { sandbox?: Wish; limits?: Limits } {
  const sandbox: Wish = {};
  if (form.tier) sandbox.tier = form.tier;
  if (form.graphical) sandbox.graphical = true;
  if (form.gpu && Number(form.gpu) > 0) sandbox.gpu = Number(form.gpu);
  if ((form.tier || auto) !== "host") {
    if (form.image.trim() && form.tier !== "bwrap") sandbox.image = form.image.trim();
    if (form.network) sandbox.network = form.network === "list" ? rulesOf(form.rules).join(", ") || "none" : form.network;
  }
  const limits = Object.fromEntries(LIMITS.filter(({ name }) => Number(form.limits[name]) > 0).map(({ name, times }) => [name, Number(form.limits[name]) * times]));
  return {
    ...(Object.keys(sandbox).length > 0 && { sandbox }),
    ...(Object.keys(limits).length > 0 && { limits: limits as Limits }),
  };
}

/** What was chosen, in a line, for when the fields are folded away. */
export function wishWords(form: WallsForm, auto: string): string {
  const { sandbox, limits } = wishOf(form, auto);
  const named = LIMITS.filter(({ name }) => limits && name in limits).map(({ name, label, unit }) => `${label.toLowerCase()} ${form.limits[name]} ${unit}`);
  return [
    form.tier || (auto ? `auto (${auto})` : "auto"),
    sandbox?.network && form.network === "list" ? `${rulesOf(form.rules).length || "no"} hosts` : sandbox?.network === "none" ? "no network" : "",
    sandbox?.graphical ? "with a desktop" : "",
    sandbox?.gpu ? (sandbox.gpu === 1 ? "a GPU" : `${Number(sandbox.gpu)} GPUs`) : "",
    ...named,
  ]
    .filter(Boolean)
    .join(" · ");
}
