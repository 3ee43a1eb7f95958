import type { Operations } from "../generated/types";

type Report = Operations["system.doctor"]["output"];

export type Runtime = Report["runtimes"][number];

export interface Tier {
  name: "docker" | "bwrap" | "host";
  available: boolean;
  note: string;
}

const NAMES = new Set(["docker", "bwrap", "host"]);

/** The sandbox tiers of this machine; one that only warns can be chosen. */
export function tiersOf(report: Report): Tier[] {
  return report.tiers
    .filter((each) => NAMES.has(each.name))
    .map((each) => ({
      name: each.name as Tier["name"],
      available: each.state !== "missing",
      note: each.state === "missing" && each.fix ? each.fix : each.detail,
    }));
}
