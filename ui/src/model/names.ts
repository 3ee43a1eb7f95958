import type { Operations } from "../generated/types";

/** Short names for shapes the catalogue gives as outputs of operations. */
export type Process = Operations["process.get"]["output"];
export type Task = Operations["task.get"]["output"];
export type Plan = Operations["plan.get"]["output"];
export type Workspace = Operations["workspace.get"]["output"];
export type Approval = Operations["approval.get"]["output"];
export type Lease = Operations["control.status"]["output"];
export type Terminal = Operations["terminal.open"]["output"];
export type Decision = Operations["approval.decide"]["input"]["decision"];
export type SpawnInput = Operations["process.spawn"]["input"];
export type Token = Operations["token.list"]["output"]["tokens"][number];
export type AuditRecord = Operations["audit.query"]["output"]["records"][number];
