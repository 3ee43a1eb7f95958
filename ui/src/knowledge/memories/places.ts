import { useCallback, useState } from "react";
import { client } from "../../generated/client";
import type { Operations } from "../../generated/types";
import { actorName } from "../../model/conditions";
import { useFollowed } from "../../state/news";

export type Memory = Operations["memory.list"]["output"]["memories"][number];
export type WholeMemory = Operations["memory.get"]["output"];
export type Layer = Memory["layer"];
export type Namespace = Memory["namespace"];

export const LAYERS: Record<Layer, string> = {
  semantic: "a fact",
  episodic: "what happened",
  procedural: "how to do it",
  social: "about people",
};

export const NAMESPACES: Record<Namespace, string> = {
  global: "all agents",
  team: "those of one lead",
  workspace: "who has it",
  agent: "private notes",
};

export interface Names {
  agents: ReadonlyMap<string, string>;
  workspaces: ReadonlyMap<string, string>;
}

/** Who recalls it. */
export function whoRecalls({ namespace, agent, workspace }: Memory, { agents, workspaces }: Names): string {
  const name = agent === null ? "" : (agents.get(agent) ?? actorName(agent));
  switch (namespace) {
    case "global":
      return "all agents";
    case "workspace":
      return `workspace ${workspaces.get(workspace ?? "") ?? workspace ?? ""}`;
    case "team":
      return name ? `${name}'s team` : "a team";
    case "agent":
      return name ? `only ${name}` : "only its agent";
  }
}

export function useWorkspaceNames(): ReadonlyMap<string, string> {
  const [names, setNames] = useState<ReadonlyMap<string, string>>(new Map());
  const look = useCallback(
    () =>
      client.workspace.list({ limit: 500 }).then(
        (page) => setNames(new Map(page.workspaces.map((each) => [each.id, each.name]))),
        () => {},
      ),
    [],
  );
  useFollowed(look, "workspace");
  return names;
}
