import type { Process } from "./names";

/** What stands between an agent and this machine: walls, a uid of its own and nothing else, or nothing at all. */
export type Walls = "walled" | "uid" | "none";

export interface Isolation {
  tier: string;
  walls: Walls;
  /** in one or two words: for a row */
  word: string;
  /** in a few: for a header */
  words: string;
  why: string;
}

const WALLED: Record<string, string> = {
  docker: "A container of its own: it sees its home, its workspaces and its image, and nothing of this machine's network",
  bwrap: "Namespaces of its own: it sees its home, its workspaces and the system's programs, and nothing of this machine's network",
};

/** How an agent is kept apart; tier `host` is told in every case, loudly where it has no uid of its own. */
export function isolationOf({ sandbox }: Pick<Process, "sandbox">): Isolation {
  const tier = String(sandbox["tier"] ?? "?");
  if (tier !== "host") return { tier, walls: "walled", word: tier, words: tier, why: WALLED[tier] ?? "" };
  if (sandbox["own_uid"] === true)
    return {
      tier,
      walls: "uid",
      word: "host",
      words: "host: own uid, no namespace",
      why: "No sandbox: a uid of its own keeps it from the daemon and from other agents, but it sees this machine's files, processes and network",
    };
  return { tier, walls: "none", word: "no sandbox", words: "host: no sandbox", why: "No sandbox and no uid of its own: it can do whatever the daemon can" };
}

/** The network policy it was started with, in words; empty when nothing was said, and the agent's own holds. */
export function networkWord(network: unknown): string {
  if (network === "none") return "no network";
  if (network === "all") return "public network";
  return network === null || network === undefined || network === "" ? "" : "listed hosts only";
}
