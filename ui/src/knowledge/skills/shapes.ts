import type { Operations } from "../../generated/types";

export type Skill = Operations["skill.discover"]["output"]["skills"][number];
export type Proposal = Operations["skill.discover"]["output"]["proposals"][number];
export type SkillText = Operations["skill.get"]["output"];
export type Risk = Skill["risk"];

export const RISK_TONES: Record<Risk, "work" | "limit" | "fail"> = { low: "work", medium: "limit", high: "fail" };
