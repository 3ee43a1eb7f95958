import type { Operations } from "../generated/types";

type Report = Operations["system.doctor"]["output"];

export type Runtime = Report["runtimes"][number];
export type Tier = Operations["sandbox.list"]["output"]["tiers"][number];

/** What `auto` comes to here; empty when that does not work. */
export function autoTier(tiers: readonly Tier[], image: boolean): Tier["name"] | "" {
  return tiers.find((each) => each.works && (image ? each.name === "docker" : each.default))?.name ?? "";
}

/** How agents without a sandbox are kept apart on this machine. */
export function hostDetail(report: Report): string {
  return report.tiers.find((each) => each.name === "host")?.detail ?? "";
}
