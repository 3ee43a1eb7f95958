// Generated from the catalogue; do not edit. `make gen` writes it anew.

/** An identity that works towards goals; it outlives its processes. */
export interface Agent {
  id: string;
  name: string;
  role: string | null;
  description: string | null;
  user: string;
  org: string;
  /** the agent that created it, if one did */
  parent: string | null;
  /** its private directory on this machine */
  home: string;
  /** its own unprivileged uid; null when the daemon is not root */
  uid: number | null;
  created_at: string;
  archived_at: string | null;
}

/** Names one agent. */
export interface AgentArchiveInput {
  /** agent id or name */
  agent: string;
}

/** It was put away. */
export interface AgentArchivedData {
  name: string;
}

/** A new identity. */
export interface AgentCreateInput {
  /** unique among your living agents */
  name: string;
  /** what it is for, in a few words */
  role?: string | null;
  /** anything a reader should know */
  description?: string | null;
}

/** A new identity. */
export interface AgentCreatedData {
  name: string;
  parent: string | null;
}

/** A usage limit stops the model until it lifts. */
export interface AgentLimitReachedData {
  error: string | null;
  resets_at: string | null;
}

/** Which agents. */
export interface AgentListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** also those put away */
  archived?: boolean;
}

/** A page of agents. */
export interface AgentListOutput {
  agents: Agent[];
  cursor: string | null;
}

/** The runtime waits for a person's leave. */
export interface AgentPermissionRequestedData {
  approval: string;
  tool: string;
  title: string;
  input: Record<string, unknown>;
  tool_call: string | null;
}

/** Remove an agent for good. */
export interface AgentRemoveInput {
  /** agent id or name */
  agent: string;
  /** what becomes of its home directory; archive packs it into a tar file first */
  home?: "keep" | "archive" | "delete";
  /** only tell what would be removed */
  dry_run?: boolean;
}

/** What was, or would be, removed. */
export interface AgentRemoveOutput {
  agent: string;
  home: string;
  action: "keep" | "archive" | "delete";
  /** size of the home */
  bytes: number;
  /** where the home was packed to */
  archive: string | null;
  /** false for a dry run */
  done: boolean;
}

/** It is gone for good. */
export interface AgentRemovedData {
  name: string;
  home: string;
}

/** The runtime told its conversation id, model and permission mode. */
export interface AgentSessionStartedData {
  session: string;
  model: string | null;
  permission_mode: string | null;
  tools_connected: boolean | null;
  version: string | null;
}

/** A whole block of the agent's text. */
export interface AgentTextData {
  text: string;
  interrupted: boolean;
}

/** A whole block of reasoning. */
export interface AgentThoughtData {
  text: string;
}

/** A text was given to the agent: a goal, a message, a person's word. */
export interface AgentToldData {
  text: string;
  /** actor it came from */
  by: string;
  /** id of the send, when it came through aetherd */
  input: string | null;
  /** queued, sent, delivered or failed */
  state: string;
}

/** The model called a tool. */
export interface AgentToolCallData {
  tool_call: string;
  tool: string;
  input: Record<string, unknown>;
}

/** A tool answered. */
export interface AgentToolResultData {
  tool_call: string;
  text: string;
  is_error: boolean;
}

/** The runtime met an error it works on by itself, or said something nobody understands. */
export interface AgentTroubleData {
  text: string;
}

/** The model is done for now. */
export interface AgentTurnEndedData {
  /** completed, failed, interrupted or limited */
  outcome: string;
  text: string;
  error: string | null;
}

/** What to change; fields left out stay. */
export interface AgentUpdateInput {
  /** agent id or name */
  agent: string;
  /** a new name */
  name?: string | null;
  /** what it is for, in a few words */
  role?: string | null;
  /** anything a reader should know */
  description?: string | null;
}

/** Its name, role or description changed. */
export interface AgentUpdatedData {
  name: string;
  role: string | null;
  description: string | null;
}

/** Tokens and money spent, as the runtime reports them. */
export interface AgentUsageData {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  cost_usd: number;
  model: string | null;
}

/** One question to a person. */
export interface Approval {
  id: string;
  pid: number | null;
  agent: string | null;
  agent_name: string | null;
  state: "pending" | "allowed" | "denied" | "expired" | "closed";
  /** a runtime's own permission prompt, an aether operation that needs leave, or an agent's question */
  kind: "permission" | "operation" | "request";
  title: string;
  /** tool or operation asked for */
  tool: string | null;
  /** what it would be called with; secrets redacted */
  input: Record<string, unknown>;
  /** agents on whose behalf, outermost first */
  origin: string[];
  decision: string | null;
  decided_by: string | null;
  reason: string | null;
  /** the pattern that decided by itself, if one did */
  rule: string | null;
  /** what the stored operation answered once it was allowed */
  result: Record<string, unknown> | null;
  created_at: string;
  decided_at: string | null;
  expires_at: string;
}

/** A person's answer. */
export interface ApprovalDecideInput {
  /** approval id */
  id: string;
  /** once; the same kind for the rest of this run; whatever matches `pattern` until `until`; no */
  decision: "allow_once" | "allow_run" | "allow_pattern" | "deny";
  /** told to the agent when denied */
  reason?: string | null;
  /** for allow_pattern: `Tool` or `Tool(text with * wildcards)` */
  pattern?: string | null;
  /** for allow_pattern: ISO 8601 time; default is one day from now */
  until?: string | null;
}

/** A question was answered, or ended without an answer. */
export interface ApprovalDecidedData {
  approval: string;
  state: string;
  decision: string | null;
  by: string | null;
  reason: string | null;
  rule: string | null;
}

/** Names one approval. */
export interface ApprovalGetInput {
  /** approval id */
  id: string;
}

/** Which questions. */
export interface ApprovalListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only in this state; default all, newest first */
  state?: "pending" | "allowed" | "denied" | "expired" | "closed" | null;
  /** only of this process */
  pid?: number | null;
}

/** A page of questions. */
export interface ApprovalListOutput {
  approvals: Approval[];
  cursor: string | null;
}

/** An agent asks a person for leave to do something. */
export interface ApprovalRequestInput {
  /** what you want to do, in one line */
  title: string;
  /** why, and what a person should know */
  detail?: string | null;
}

/** A question waits for a person. */
export interface ApprovalRequestedData {
  approval: string;
  kind: string;
  title: string;
  tool: string | null;
  expires_at: string;
}

/** Wait for an answer. */
export interface ApprovalWaitInput {
  /** approval id */
  id: string;
  /** answer at the latest after this */
  timeout_s?: number;
}

/** Which records; newest first. */
export interface AuditQueryInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only by this actor */
  actor?: string | null;
  /** only this operation, or a whole room (`process`) */
  operation?: string | null;
  /** only calls made by this process */
  pid?: number | null;
  /** only calls that ended so; open: a stream that still flows */
  outcome?: "ok" | "refused" | "failed" | "open" | null;
  /** ISO 8601 time */
  since?: string | null;
}

/** A page of records. */
export interface AuditQueryOutput {
  records: AuditRecord[];
  cursor: string | null;
}

/** One call. */
export interface AuditRecord {
  id: number;
  at: string;
  call: string;
  actor: string;
  agent: string | null;
  pid: number | null;
  user: string;
  face: string;
  operation: string;
  effect: string | null;
  subject: string | null;
  /** secrets hidden, long texts as their length */
  input: Record<string, unknown>;
  outcome: string;
  /** error code when it did not go well */
  code: string | null;
  approval: string | null;
  ms: number | null;
}

/** One thing looked at. */
export interface Check {
  name: string;
  state: "ok" | "warning" | "missing";
  detail: string;
  /** how to mend it */
  fix: string | null;
}

/** Take a process over. */
export interface ControlAcquireInput {
  /** process id */
  pid: number;
  /** shown to others */
  reason?: string | null;
  /** how long to wait until the keyboard is yours */
  wait_s?: number;
}

/** Who holds the keyboard of a process. */
export interface ControlAcquireOutput {
  pid: number;
  held: boolean;
  /** actor who holds it */
  holder: string | null;
  /** where the hand-over is; `held` (keyboard moved) and `tui` (its own TUI is open) are the person's */
  step: "free" | "interrupting" | "draining" | "tui" | "held" | "returning";
  /** terminal to attach to while held */
  terminal: string | null;
  reason: string | null;
  since: string | null;
  /** renewed by the holder's connection and by acquire */
  expires_at: string | null;
  /** why the agent asked for a person, if it did */
  requested: string | null;
}

/** A person holds the keyboard. */
export interface ControlAcquiredData {
  holder: string;
  reason: string | null;
}

/** Hand back. */
export interface ControlReleaseInput {
  /** process id */
  pid: number;
  /** what you did; the agent is told */
  note?: string | null;
}

/** The keyboard went back to the agent. */
export interface ControlReleasedData {
  holder: string;
  note: string | null;
  reason: string;
}

/** An agent asks for a person. */
export interface ControlRequestHumanInput {
  /** what a person should do */
  reason: string;
  /** how long to wait for one to come */
  wait_s?: number;
}

/** An agent asks for a person. */
export interface ControlRequestedData {
  reason: string;
}

/** Names the process that is held. */
export interface ControlStatusInput {
  /** process id */
  pid: number;
}

/** The hand-over went one step on. */
export interface ControlSteppedData {
  /** the step before */
  from: string;
  /** the step now */
  to: string;
  holder: string | null;
}

/** One change. */
export interface FsChange {
  path: string;
  /** resync: changes were missed, look again */
  kind: "created" | "modified" | "removed" | "moved_from" | "moved_to" | "resync";
}

/** A file or directory of a home was changed by a call. */
export interface FsChangedData {
  path: string;
  what: "written" | "edited" | "made" | "moved" | "copied" | "removed";
  to: string | null;
}

/** From where to where. */
export interface FsCopyInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
  /** new path, relative to the agent's home, such as `work/notes.md`; not the directory to put it in */
  to: string;
  /** replace a file that is there */
  overwrite?: boolean;
}

/** An exact replacement. */
export interface FsEditInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
  /** exact text to replace */
  old: string;
  /** text to put there */
  new: string;
  /** replace every occurrence; otherwise there must be exactly one */
  all?: boolean;
}

/** What was replaced. */
export interface FsEditOutput {
  path: string;
  size: number;
  replaced: number;
}

/** Which directory. */
export interface FsListInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** directory, relative to the agent's home, such as `work/notes.md` */
  path?: string;
  /** also what is in its directories */
  recursive?: boolean;
  /** also names that begin with a dot */
  hidden?: boolean;
  /** most entries */
  limit?: number;
  /** the `cursor` of the page before */
  cursor?: string | null;
}

/** A page of a directory. */
export interface FsListOutput {
  path: string;
  entries: FsStat[];
  cursor: string | null;
  /** false: too big or too deep to be listed whole */
  complete: boolean;
}

/** One hit. */
export interface FsMatch {
  path: string;
  /** line number, from 1 */
  line: number | null;
  /** the line, at most 400 characters of it */
  text: string | null;
}

/** A new directory. */
export interface FsMkdirInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
  /** make missing ones above it, accept one that exists */
  parents?: boolean;
}

/** Which bytes of which file. */
export interface FsReadInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
  /** first byte */
  offset?: number;
  /** most bytes */
  limit?: number;
  /** auto: text when it is UTF-8, else base64; text: invalid bytes replaced; base64: exact */
  encoding?: "auto" | "text" | "base64";
}

/** A part of a file. */
export interface FsReadOutput {
  path: string;
  /** of the whole file */
  size: number;
  offset: number;
  /** where to go on reading */
  next_offset: number;
  /** empty when `base64` is given */
  text: string;
  /** the exact bytes, when they are not text */
  base64: string | null;
  /** nothing follows */
  eof: boolean;
}

/** What to remove. */
export interface FsRemoveInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
  /** a directory with everything in it */
  recursive?: boolean;
}

/** What is gone. */
export interface FsRemoveOutput {
  path: string;
  kind: "file" | "dir" | "link" | "other";
}

/** What to look for; at least one of `name` and `content`. */
export interface FsSearchInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** directory to search, relative to the agent's home, such as `work/notes.md` */
  path?: string;
  /** glob on the file name, or on the path when it holds a `/`: `*.py` */
  name?: string | null;
  /** text in a line */
  content?: string | null;
  /** `content` is a Python regular expression */
  regex?: boolean;
  /** for `content` */
  ignore_case?: boolean;
  /** also in names that begin with a dot */
  hidden?: boolean;
  /** most matches */
  limit?: number;
}

/** What was found. */
export interface FsSearchOutput {
  matches: FsMatch[];
  /** files looked at */
  files: number;
  /** false: a bound (matches, files, bytes or time) ended the search early */
  complete: boolean;
}

/** One file, directory or link; bytes of a name that are not UTF-8 show as U+FFFD. */
export interface FsStat {
  name: string;
  path: string;
  kind: "file" | "dir" | "link" | "other";
  size: number;
  modified: string;
  /** permissions in octal */
  mode: string;
  /** where a link points */
  target: string | null;
}

/** Names one file or directory. */
export interface FsStatInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
}

/** What to watch. */
export interface FsWatchInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** directory, relative to the agent's home, such as `work/notes.md` */
  path?: string;
  /** also the directories in it, at most 2,000 */
  recursive?: boolean;
  /** stream until you stop; otherwise answer with the first changes */
  follow?: boolean;
  /** without `follow`: answer at the latest after this */
  timeout_s?: number;
}

/** Changes that came together; none when the time was up, and in the first item of a stream. */
export interface FsWatchOutput {
  changes: FsChange[];
}

/** What to put into which file. */
export interface FsWriteInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
  /** text, or base64 with `base64: true` */
  content: string;
  /** whether `content` is base64 */
  base64?: boolean;
  /** create refuses an existing file */
  mode?: "overwrite" | "create" | "append";
  /** make missing directories */
  parents?: boolean;
}

/** What was written. */
export interface FsWriteOutput {
  path: string;
  /** of the whole file now */
  size: number;
  created: boolean;
}

/** Hard limits the kernel enforces; left out means none. */
export interface Limits {
  /** RLIMIT_NOFILE */
  open_files?: number | null;
  /** address space of each process, RLIMIT_AS */
  memory_mb?: number | null;
  /** largest file it may write, RLIMIT_FSIZE */
  file_mb?: number | null;
  /** stopped after this many seconds */
  wall_s?: number | null;
}

/** One memory. */
export interface Memory {
  id: string;
  layer: "episodic" | "semantic" | "procedural" | "social";
  namespace: "agent" | "global";
  tags: string[];
  importance: number;
  /** whose it is; null for a person's */
  agent: string | null;
  created_at: string;
  content: string;
  /** content is only the beginning; memory.get has it all */
  truncated: boolean;
}

/** Names one memory. */
export interface MemoryForgetInput {
  /** memory id */
  id: string;
}

/** What was removed. */
export interface MemoryForgetOutput {
  id: string;
}

/** It was removed for good. */
export interface MemoryForgottenData {
  memory: string;
  namespace: string;
}

/** Which memories; newest first. */
export interface MemoryListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only this layer */
  layer?: "episodic" | "semantic" | "procedural" | "social" | null;
  /** only global or only agent */
  namespace?: "agent" | "global" | null;
  /** only memories that have all of these */
  tags?: string[];
  /** only this agent's memories (id or name) */
  agent?: string | null;
}

/** A page of memories. */
export interface MemoryListOutput {
  memories: Memory[];
  cursor: string | null;
}

/** What to look for; `query` is enough. */
export interface MemoryRecallInput {
  /** plain words; any of them may match */
  query: string;
  /** only this layer */
  layer?: "episodic" | "semantic" | "procedural" | "social" | null;
  /** only global (shared) or only agent (private); default both */
  namespace?: "agent" | "global" | null;
  /** only memories that have all of these */
  tags?: string[];
  /** only this agent's memories (id or name) */
  agent?: string | null;
  /** most memories to return */
  limit?: number;
}

/** The best first. */
export interface MemoryRecallOutput {
  memories: RecalledMemory[];
}

/** Something worth knowing later; `content` is enough. */
export interface MemoryRememberInput {
  /** the fact itself, understandable on its own */
  content: string;
  /** semantic: a fact; episodic: what happened; procedural: how to; social: about people */
  layer?: "episodic" | "semantic" | "procedural" | "social";
  /** global: all agents of the same user recall it; agent: a private note */
  namespace?: "agent" | "global";
  /** words to find it by; case does not matter */
  tags?: string[];
  /** 0 trivial, 1 vital; weighs in recall */
  importance?: number;
  /** for people: keep it as this agent's private note (id or name) */
  agent?: string | null;
}

/** What was stored. */
export interface MemoryRememberOutput {
  id: string;
  layer: "episodic" | "semantic" | "procedural" | "social";
  namespace: "agent" | "global";
  tags: string[];
  importance: number;
  /** whose it is; null for a person's */
  agent: string | null;
  created_at: string;
}

/** Something was stored. */
export interface MemoryRememberedData {
  memory: string;
  namespace: string;
  layer: string;
}

/** One message. */
export interface Message {
  id: string;
  thread: string;
  reply_to: string | null;
  /** agent id, or `owner` for the person */
  from: string;
  from_name: string;
  /** agent id, or `owner` for the person */
  to: string;
  to_name: string;
  text: string;
  kind: "text" | "review_request" | "review_response" | "task_delegate" | "task_accepted" | "task_rejected" | "task_completed" | "status_update" | "knowledge_share";
  priority: "now" | "next" | "queue";
  /** queued until the recipient's runtime has it */
  state: "queued" | "delivered" | "read" | "acked" | "failed";
  data: Record<string, unknown> | null;
  created_at: string;
  delivered_at: string | null;
  read_at: string | null;
  acked_at: string | null;
  failed_reason: string | null;
}

/** Which messages you have dealt with. */
export interface MessageAckInput {
  /** message ids */
  ids: string[];
  /** acked: dealt with; read: only seen */
  state?: "read" | "acked";
}

/** The messages as they are now. */
export interface MessageAckOutput {
  messages: Message[];
}

/** The recipient has read or acknowledged it; `agent` is the recipient. */
export interface MessageAckedData {
  message: string;
  thread: string;
  state: string;
}

/** The recipient's runtime has it; `agent` is who got it. */
export interface MessageDeliveredData {
  message: string;
  thread: string;
  sender: string;
}

/** It can never be delivered; `agent` is who sent it. */
export interface MessageFailedData {
  message: string;
  thread: string;
  reason: string;
}

/** Whose messages, and which; newest first. */
export interface MessageInboxInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** for people: this agent's inbox; default your own */
  agent?: string | null;
  /** only these states; default all, see `unacked` */
  states?: ("queued" | "delivered" | "read" | "acked" | "failed")[];
  /** only those not acknowledged yet */
  unacked?: boolean;
}

/** A page of messages. */
export interface MessageInboxOutput {
  messages: Message[];
  cursor: string | null;
}

/** Text for another agent, or for the person; `to` and `text` are enough. */
export interface MessageSendInput {
  /** agent id or name, or `owner` for the person; default: who sent the message you reply to */
  to?: string | null;
  /** what you want to say */
  text: string;
  /** what it is about */
  kind?: "text" | "review_request" | "review_response" | "task_delegate" | "task_accepted" | "task_rejected" | "task_completed" | "status_update" | "knowledge_share";
  /** now cuts its current step, next is read at its next tool boundary, queue after its turn */
  priority?: "now" | "next" | "queue";
  /** thread to go on; default a new one */
  thread?: string | null;
  /** id of the message you answer; keeps its thread */
  reply_to?: string | null;
  /** anything structured that goes with it */
  data?: Record<string, unknown> | null;
}

/** A message is durable; `agent` is who sent it. */
export interface MessageSentData {
  message: string;
  thread: string;
  to: string;
  kind: string;
  priority: string;
}

/** A conversation; oldest first. */
export interface MessageThreadInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** thread id */
  thread: string;
}

/** One run of an agent. */
export interface Process {
  pid: number;
  /** agent id */
  agent: string;
  /** agent name */
  name: string;
  role: string | null;
  runtime: string;
  /** the first 2,000 characters of the goal */
  goal: string | null;
  /** created, queued, starting, running, paused, stopping, exited, lost or unknown */
  state: string;
  /** what a running agent is doing */
  phase: string | null;
  /** protocol, process, screen or user: how the phase is known */
  phase_source: string | null;
  /** since when */
  phase_at: string | null;
  /** why it is in this state, in words */
  reason: string | null;
  /** the kernel's pid of its main process */
  os_pid: number | null;
  /** how many times a runtime process was started for it */
  incarnation: number;
  mode: "headless" | "tui";
  stdio: "pty" | "pipes" | null;
  /** tier, uid and whether it has a uid of its own */
  sandbox: Record<string, unknown>;
  /** the runtime's own conversation id */
  session: string | null;
  model: string | null;
  /** as the runtime reports it */
  permission_mode: string | null;
  /** whether the runtime reports aether's tools as connected */
  tools_connected: boolean | null;
  parent: number | null;
  priority: number;
  toolset: string;
  created_at: string;
  started_at: string | null;
  exited_at: string | null;
  exit_code: number | null;
  exit_signal: number | null;
  /** who ended it, when somebody did */
  ended_by: string | null;
  /** running, completed, failed, killed or limited */
  outcome: string;
  /** who holds the control lease, if a person does */
  controller: string | null;
  /** why the agent asks for a person, while nobody has come */
  requested: string | null;
  /** questions waiting for a person */
  approvals: number;
  /** the runtime's own estimate */
  cost_usd: number;
  capabilities: Record<string, boolean>;
}

/** The daemon came back and found it alive. */
export interface ProcessAdoptedData {
  incarnation: number;
  os_pid: number;
}

/** Its output is not taken fast enough and it was made to wait, or goes on. */
export interface ProcessBlockedData {
  blocked: boolean;
  unacked: number;
}

/** A process ended for good. */
export interface ProcessExitedData {
  exit_code: number | null;
  exit_signal: number | null;
  outcome: string;
  error: string | null;
  ended_by: string | null;
}

/** Names one process. */
export interface ProcessGetInput {
  /** our process id, not the kernel's */
  pid: number;
}

/** Which processes. */
export interface ProcessListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only this state, or `live` for all that have not ended */
  state?: string | null;
  /** only of this agent (id or name) */
  agent?: string | null;
}

/** A page of processes. */
export interface ProcessListOutput {
  processes: Process[];
  cursor: string | null;
}

/** A process and those it spawned. */
export interface ProcessNode {
  process: Process;
  children: ProcessNode[];
}

/** Which bytes. */
export interface ProcessOutputInput {
  /** process id */
  pid: number;
  /** default is the newest */
  incarnation?: number | null;
  /** absolute byte offset */
  offset?: number;
  /** most bytes */
  limit?: number;
  /** go on until the end; streams */
  follow?: boolean;
  /** the last bytes of standard error instead (pipes only) */
  stderr?: boolean;
}

/** Bytes at an absolute offset. */
export interface ProcessOutputOutput {
  pid: number;
  incarnation: number;
  offset: number;
  next_offset: number;
  /** older bytes are gone */
  first_offset: number;
  /** as UTF-8, invalid bytes replaced */
  text: string;
  /** the exact bytes, when the text is not exact */
  base64: string | null;
  /** this incarnation has ended and nothing follows */
  eof: boolean;
}

/** What a running agent does changed. */
export interface ProcessPhaseChangedData {
  /** the phase before */
  from: string | null;
  /** the phase now */
  to: string;
  source: string;
  reason: string | null;
}

/** A process got another priority. */
export interface ProcessPriorityChangedData {
  priority: number;
}

/** What came of it. */
export interface ProcessResultOutput {
  pid: number;
  outcome: "running" | "completed" | "failed" | "killed" | "limited";
  /** the agent's final text; what there is so far while it runs */
  text: string;
  error: string | null;
  cost_usd: number;
  usage: Usage;
  /** paths under its working directory changed since spawn, at most 500 */
  files_changed: string[];
}

/** Text for a running agent, by its runtime's own protocol. */
export interface ProcessSendInput {
  /** process id */
  pid: number;
  /** what the agent is told */
  text: string;
  /** now cuts the current step, next is read at the next tool boundary, queue after this turn */
  priority?: "now" | "next" | "queue";
}

/** The text is durable and will be delivered at most once. */
export interface ProcessSendOutput {
  id: string;
  pid: number;
  /** queued, sent (the runtime has it), delivered (the model has it) or failed */
  state: string;
}

/** A new priority. */
export interface ProcessSetPriorityInput {
  /** process id */
  pid: number;
  /** higher starts sooner when the queue is full */
  priority: number;
}

/** A signal for the whole tree. */
export interface ProcessSignalInput {
  /** process id */
  pid: number;
  /** sent to the whole tree */
  signal: "TERM" | "KILL" | "STOP" | "CONT" | "INT" | "USR1" | "USR2";
}

/** How many kernel processes got it. */
export interface ProcessSignalOutput {
  pid: number;
  signal: string;
  processes: number;
}

/** What to run. `runtime` and `goal` are enough. */
export interface ProcessSpawnInput {
  /** claude-code, builtin or command; see system.doctor */
  runtime?: string;
  /** what the agent shall do, as a prompt */
  goal?: string | null;
  /** name of a new agent; made up if absent */
  name?: string | null;
  /** run an existing agent (id or name) again, with its memory */
  agent?: string | null;
  /** what the agent is for, in a few words */
  role?: string | null;
  /** command line, for runtime command */
  argv?: string[] | null;
  /** environment for the runtime; values are kept secret everywhere */
  env?: Record<string, string>;
  /** directory to work in; default is the agent's home/work */
  cwd?: string | null;
  /** where it runs */
  sandbox?: SandboxWish;
  /** shared directory; the room workspace comes later */
  workspace?: string | null;
  /** role template; the room template comes later */
  template?: string | null;
  /** model name as the runtime knows it */
  model?: string | null;
  /** which aether tools it is shown */
  toolset?: "worker" | "lead" | "operator" | "all";
  /** hard limits */
  limits?: Limits;
  /** USD; enforced when the model gateway lands */
  budget?: number | null;
  /** higher starts sooner when the queue is full */
  priority?: number;
  /** pid of the spawning process; set for agents */
  parent?: number | null;
  /** with `agent`: go on in its last conversation of this runtime, or start afresh */
  session?: "resume" | "new";
  /** terminal rows */
  rows?: number;
  /** terminal columns */
  cols?: number;
}

/** A process was accepted and is durable. */
export interface ProcessSpawnedData {
  name: string;
  runtime: string;
  goal: string | null;
  parent: number | null;
}

/** A runtime process was started for it: a new incarnation. */
export interface ProcessStartedData {
  incarnation: number;
  os_pid: number;
  mode: string;
  stdio: string;
}

/** A process went from one state to another. */
export interface ProcessStateChangedData {
  /** the state before */
  from: string;
  /** the state now */
  to: string;
  /** protocol, process, screen or user */
  source: string;
  reason: string | null;
}

/** Which part of a process's story. */
export interface ProcessTimelineInput {
  /** most events to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** process id */
  pid: number;
  /** only events older than this id; newest page first */
  before?: number | null;
  /** only events newer than this id */
  after?: number | null;
}

/** Events of one process, oldest first, in the wire form of the event log. */
export interface ProcessTimelineOutput {
  events: Record<string, unknown>[];
  /** whether older (or, with `after`, newer) ones exist */
  more: boolean;
}

/** Names one process; without a pid the caller's own. */
export interface ProcessTreeInput {
  /** process id; default is the calling agent's own */
  pid?: number | null;
}

/** Who spawned whom, and the kernel's processes under one of ours. */
export interface ProcessTreeOutput {
  roots: ProcessNode[];
  /** kernel pids of the named process's tree; empty without a pid */
  os_pids: number[];
}

/** Wait for something to be done. */
export interface ProcessWaitInput {
  /** process id */
  pid: number;
  /** `result`: the goal is finished or the process ended; `exit`: it ended */
  until?: "result" | "exit";
  /** answer at the latest after this */
  timeout_s?: number;
}

/** No input. */
export type ProcessWhoamiInput = Record<string, never>;

/** Who the caller is. */
export interface ProcessWhoamiOutput {
  actor: string;
  agent: string | null;
  name: string | null;
  pid: number | null;
  runtime: string | null;
  home: string | null;
  user: string;
  org: string;
  toolset: string;
  scopes: string[];
}

/** A memory and how well it fits. */
export interface RecalledMemory {
  id: string;
  layer: "episodic" | "semantic" | "procedural" | "social";
  namespace: "agent" | "global";
  tags: string[];
  importance: number;
  /** whose it is; null for a person's */
  agent: string | null;
  created_at: string;
  content: string;
  /** content is only the beginning; memory.get has it all */
  truncated: boolean;
  /** 0 to 1: fit of the words x importance x freshness, relative to the best fit */
  score: number;
}

/** A room's own word on how it is. */
export interface RoomHealth {
  ok: boolean;
  detail: string;
}

/** A runtime adapter and whether it can run here. */
export interface RuntimeFound {
  name: string;
  title: string;
  summary: string;
  available: boolean;
  version: string | null;
  path: string | null;
  /** what to do when it is not available */
  missing: string | null;
  /** environment variables it can use */
  needs: string[];
  capabilities: Record<string, boolean>;
}

/** Where it should run; left out, the strongest tier of this machine. */
export interface SandboxWish {
  /** docker, bwrap or host; only host exists yet */
  tier?: "docker" | "bwrap" | "host" | null;
  /** egress policy; needs a sandbox tier */
  network?: string | null;
  /** container image; needs tier docker */
  image?: string | null;
  /** with a desktop; needs a sandbox tier */
  graphical?: boolean;
  /** with GPUs */
  gpu?: boolean | number;
}

/** One setting, as it is now. */
export interface Setting {
  name: string;
  env: string;
  value: unknown;
  doc: string;
}

/** No input. */
export type SystemConfigInput = Record<string, never>;

/** All settings; secrets are hidden. */
export interface SystemConfigOutput {
  settings: Setting[];
  /** where settings are written */
  file: string;
}

/** What this machine offers, and what to mend. */
export interface SystemDoctorOutput {
  checks: Check[];
  runtimes: RuntimeFound[];
  /** sandbox tiers */
  tiers: Check[];
}

/** How to end. */
export interface SystemShutdownInput {
  /** also end every agent; otherwise they go on and are re-adopted */
  agents?: boolean;
}

/** It is ending. */
export interface SystemShutdownOutput {
  agents_ended: number;
}

/** The daemon at a glance. */
export interface SystemStatusOutput {
  version: string;
  home: string;
  /** where the console is served */
  address: string | null;
  os_pid: number;
  uptime_s: number;
  /** processes by state */
  processes: Record<string, number>;
  /** questions that wait for a person */
  approvals: number;
  newest_event: number;
  health: Record<string, RoomHealth>;
  /** what a person should know, most serious first */
  warnings: string[];
}

/** One PTY. */
export interface Terminal {
  terminal: string;
  pid: number | null;
  agent: string;
  /** what runs in it */
  title: string;
  /** the process's own PTY */
  main: boolean;
  rows: number;
  cols: number;
  alive: boolean;
  exit_code: number | null;
  created_at: string;
}

/** Names a terminal: its id, or a pid for the process's own screen. */
export interface TerminalAttachInput {
  /** terminal id (`term_…`), or a pid for that process's own PTY */
  terminal: string;
}

/** Opens the byte channel once. */
export interface TerminalAttachOutput {
  ticket: string;
  /** path of the WebSocket, with the ticket */
  url: string;
  expires_at: string;
  /** false: you can watch, somebody else has the keyboard */
  writable: boolean;
  /** why it is read-only */
  reason: string | null;
}

/** A terminal ended. */
export interface TerminalClosedData {
  terminal: string;
  exit_code: number | null;
}

/** Which terminals. */
export interface TerminalListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only of this process */
  pid?: number | null;
  /** also those that have ended */
  ended?: boolean;
}

/** A page of terminals. */
export interface TerminalListOutput {
  terminals: Terminal[];
  cursor: string | null;
}

/** A new terminal beside the agent, in its home, under its uid. */
export interface TerminalOpenInput {
  /** process whose place it opens in; default the caller's own */
  pid?: number | null;
  /** command; default is a login shell */
  argv?: string[] | null;
  /** directory, relative to the home; default the home */
  cwd?: string | null;
  /** height in characters */
  rows?: number;
  /** width in characters */
  cols?: number;
}

/** A terminal was opened. */
export interface TerminalOpenedData {
  terminal: string;
  title: string;
}

/** The rendered screen as text. */
export interface TerminalReadOutput {
  terminal: string;
  lines: string[];
  cursor_row: number;
  cursor_col: number;
  rows: number;
  cols: number;
  title: string;
  alive: boolean;
}

/** A new size. */
export interface TerminalResizeInput {
  /** terminal id, or a pid */
  terminal: string;
  /** height in characters */
  rows: number;
  /** width in characters */
  cols: number;
}

/** Keys. */
export interface TerminalSendInput {
  /** terminal id, or a pid */
  terminal: string;
  /** typed as it is; `\r` is Enter */
  text?: string;
  /** named keys sent after the text: Enter, Tab, Escape, Up, PageUp, F1, C-c, M-x, … */
  keys?: string[];
}

/** How much was typed. */
export interface TerminalSendOutput {
  terminal: string;
  bytes: number;
}

/** A credential without its secret. */
export interface Token {
  id: string;
  name: string;
  kind: "owner" | "api" | "process" | "session";
  scopes: string[];
  toolset: string;
  agent: string | null;
  pid: number | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  created_by: string;
}

/** A credential for a script, a client or a reader. */
export interface TokenCreateInput {
  /** what it is for */
  name: string;
  /** `room:read|write|admin`, `*:read`, `*:write` or `*`; never more than your own */
  scopes?: string[];
  /** which tools it is shown over MCP */
  toolset?: "worker" | "lead" | "operator" | "all";
  /** seconds until it ends; null keeps it until revoked */
  expires_in_s?: number | null;
}

/** A new credential; the secret is shown this once. */
export interface TokenCreateOutput {
  id: string;
  name: string;
  kind: "owner" | "api" | "process" | "session";
  scopes: string[];
  toolset: string;
  agent: string | null;
  pid: number | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  created_by: string;
  secret: string;
}

/** A credential was made; its secret is nowhere in here. */
export interface TokenCreatedData {
  token: string;
  name: string;
  scopes: string[];
}

/** Which tokens. */
export interface TokenListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** also those revoked or expired */
  revoked?: boolean;
}

/** A page of tokens. */
export interface TokenListOutput {
  tokens: Token[];
  cursor: string | null;
}

/** Names one token. */
export interface TokenRevokeInput {
  /** token id */
  id: string;
}

/** A credential ended. */
export interface TokenRevokedData {
  token: string;
  name: string;
}

/** One operation you may call. */
export interface Tool {
  /** operation name, for tool.call */
  name: string;
  /** its name where it is listed as a tool of its own */
  tool: string;
  summary: string;
  /** destroy needs a person's approval for agents */
  effect: "read" | "write" | "destroy";
  /** JSON Schema of its input */
  input: Record<string, unknown>;
}

/** Which operation, with what. */
export interface ToolCallInput {
  /** `memory.recall` or `aether_memory_recall`, from tool.search */
  name: string;
  /** its input, as its schema says */
  input?: Record<string, unknown>;
}

/** What the operation answered. */
export interface ToolCallOutput {
  operation: string;
  /** its output; the last item when it streams */
  result: Record<string, unknown>;
}

/** What you want to do. */
export interface ToolSearchInput {
  /** a few words; empty shows what there is */
  query?: string;
  /** most tools to return */
  limit?: number;
}

/** The best fit first. */
export interface ToolSearchOutput {
  tools: Tool[];
  /** how many fit */
  total: number;
}

/** Tokens as the runtime reports them. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
}

/** Every operation: what it takes and what it gives. */
export interface Operations {
  /** Put an agent away: it is no longer listed, its home and memory stay. */
  "agent.archive": { input: AgentArchiveInput; output: Agent; effect: "write"; streams: false };
  /** Create an identity with a home of its own; run it with process.spawn. */
  "agent.create": { input: AgentCreateInput; output: Agent; effect: "write"; streams: false };
  /** Show one agent. */
  "agent.get": { input: AgentArchiveInput; output: Agent; effect: "read"; streams: false };
  /** List agents, newest first; an agent sees itself and those it created. */
  "agent.list": { input: AgentListInput; output: AgentListOutput; effect: "read"; streams: false };
  /** Remove an agent for good; say what becomes of its home, and try it with dry_run first. */
  "agent.remove": { input: AgentRemoveInput; output: AgentRemoveOutput; effect: "destroy"; streams: false };
  /** Change an agent's name, role or description. */
  "agent.update": { input: AgentUpdateInput; output: Agent; effect: "write"; streams: false };
  /** Answer a question: allow once, allow for this run, allow a pattern for a while, or deny with a reason. */
  "approval.decide": { input: ApprovalDecideInput; output: Approval; effect: "write"; streams: false };
  /** Show one question and what became of it. */
  "approval.get": { input: ApprovalGetInput; output: Approval; effect: "read"; streams: false };
  /** List questions that wait or waited for a person, newest first. */
  "approval.list": { input: ApprovalListInput; output: ApprovalListOutput; effect: "read"; streams: false };
  /** Ask a person for leave, and wait a little for the answer; approval.wait waits longer. */
  "approval.request": { input: ApprovalRequestInput; output: Approval; effect: "write"; streams: false };
  /** Wait for the answer to a question, and for the result of the call it allows. */
  "approval.wait": { input: ApprovalWaitInput; output: Approval; effect: "read"; streams: true };
  /** Show who did what through which face, newest first; an agent sees its own calls. */
  "audit.query": { input: AuditQueryInput; output: AuditQueryOutput; effect: "read"; streams: false };
  /** Take a process's keyboard: a headless Claude Code is stopped and its own TUI opens on the same conversation. */
  "control.acquire": { input: ControlAcquireInput; output: ControlAcquireOutput; effect: "write"; streams: false };
  /** Hand the keyboard back; the agent goes on in the same conversation and is told your note. */
  "control.release": { input: ControlReleaseInput; output: ControlAcquireOutput; effect: "write"; streams: false };
  /** Ask for a person to look or take over, and wait a little for one to come. */
  "control.request_human": { input: ControlRequestHumanInput; output: ControlAcquireOutput; effect: "write"; streams: false };
  /** Show who holds a process's keyboard and where a hand-over is. */
  "control.status": { input: ControlStatusInput; output: ControlAcquireOutput; effect: "read"; streams: false };
  /** Copy a file or a directory within the home. */
  "fs.copy": { input: FsCopyInput; output: FsStat; effect: "write"; streams: false };
  /** Replace exact text in a file; refused when it is not there, or more than once without `all`. */
  "fs.edit": { input: FsEditInput; output: FsEditOutput; effect: "write"; streams: false };
  /** List a directory, sorted by name, a page at a time. */
  "fs.list": { input: FsListInput; output: FsListOutput; effect: "read"; streams: false };
  /** Make a directory. */
  "fs.mkdir": { input: FsMkdirInput; output: FsStat; effect: "write"; streams: false };
  /** Move or rename a file or directory within the home. */
  "fs.move": { input: FsCopyInput; output: FsStat; effect: "write"; streams: false };
  /** Read a file, or a part of it by byte offset; binary content comes as base64. */
  "fs.read": { input: FsReadInput; output: FsReadOutput; effect: "read"; streams: false };
  /** Remove a file, a link (not its target) or a directory. */
  "fs.remove": { input: FsRemoveInput; output: FsRemoveOutput; effect: "destroy"; streams: false };
  /** Find files by name, or lines by text or regular expression; takes at most 5 seconds. */
  "fs.search": { input: FsSearchInput; output: FsSearchOutput; effect: "read"; streams: false };
  /** Describe one file, directory or link (not its target). */
  "fs.stat": { input: FsStatInput; output: FsStat; effect: "read"; streams: false };
  /** Wait for files of a directory to change, by whatever program; with `follow` go on telling. */
  "fs.watch": { input: FsWatchInput; output: FsWatchOutput; effect: "read"; streams: true };
  /** Write a file as a whole, atomically, or append to it; missing directories are made. */
  "fs.write": { input: FsWriteInput; output: FsWriteOutput; effect: "write"; streams: false };
  /** Remove a memory for good, such as a wrong or outdated one; only its author or a person may. */
  "memory.forget": { input: MemoryForgetInput; output: MemoryForgetOutput; effect: "destroy"; streams: false };
  /** Show one memory in full. */
  "memory.get": { input: MemoryForgetInput; output: Memory; effect: "read"; streams: false };
  /** List memories, newest first; an agent sees its own and the shared ones. */
  "memory.list": { input: MemoryListInput; output: MemoryListOutput; effect: "read"; streams: false };
  /** Find what you or other agents remembered, best first; do this before you start on something. */
  "memory.recall": { input: MemoryRecallInput; output: MemoryRecallOutput; effect: "read"; streams: false };
  /** Store a fact that should outlive this run, so that you or another agent can recall it. */
  "memory.remember": { input: MemoryRememberInput; output: MemoryRememberOutput; effect: "write"; streams: false };
  /** Tell that you have dealt with messages you got, so that their senders know. */
  "message.ack": { input: MessageAckInput; output: MessageAckOutput; effect: "write"; streams: false };
  /** Show the messages you got, newest first; looking changes nothing, message.ack does. */
  "message.inbox": { input: MessageInboxInput; output: MessageInboxOutput; effect: "read"; streams: false };
  /** Send text to another agent by id or name, or to the person with `to: owner`. */
  "message.send": { input: MessageSendInput; output: Message; effect: "write"; streams: false };
  /** Show a conversation you take part in, oldest first. */
  "message.thread": { input: MessageThreadInput; output: MessageInboxOutput; effect: "read"; streams: false };
  /** Show one process: state, phase, exit, cost, and where each is known from. */
  "process.get": { input: ProcessGetInput; output: Process; effect: "read"; streams: false };
  /** Stop the current turn; the process lives on and waits for input. */
  "process.interrupt": { input: ProcessGetInput; output: Process; effect: "write"; streams: false };
  /** Stop a process and everything it started at once, without letting it save. */
  "process.kill": { input: ProcessGetInput; output: Process; effect: "destroy"; streams: false };
  /** List processes, newest first; an agent sees its own and those it spawned. */
  "process.list": { input: ProcessListInput; output: ProcessListOutput; effect: "read"; streams: false };
  /** Read what a process printed, from an absolute byte offset. */
  "process.output": { input: ProcessOutputInput; output: ProcessOutputOutput; effect: "read"; streams: true };
  /** Freeze every process of its tree where it stands. */
  "process.pause": { input: ProcessGetInput; output: Process; effect: "write"; streams: false };
  /** Show what came of a process: final text, outcome, cost, files changed. */
  "process.result": { input: ProcessGetInput; output: ProcessResultOutput; effect: "read"; streams: false };
  /** Thaw a paused process: it goes on exactly where it was. */
  "process.resume": { input: ProcessGetInput; output: Process; effect: "write"; streams: false };
  /** Tell a running agent something; it is delivered at most once, by the runtime's own protocol. */
  "process.send": { input: ProcessSendInput; output: ProcessSendOutput; effect: "write"; streams: false };
  /** Change how soon a queued process starts. */
  "process.set_priority": { input: ProcessSetPriorityInput; output: Process; effect: "write"; streams: false };
  /** Send a signal to every process of its tree. */
  "process.signal": { input: ProcessSignalInput; output: ProcessSignalOutput; effect: "write"; streams: false };
  /** Start an agent in a runtime and give it its goal, in one durable step. */
  "process.spawn": { input: ProcessSpawnInput; output: Process; effect: "write"; streams: false };
  /** Show what a process did: thoughts, texts, tool calls and results, approvals, state changes. */
  "process.timeline": { input: ProcessTimelineInput; output: ProcessTimelineOutput; effect: "read"; streams: false };
  /** Show who spawned whom; with a pid also the kernel's processes under it. */
  "process.tree": { input: ProcessTreeInput; output: ProcessTreeOutput; effect: "read"; streams: false };
  /** Wait until a process has its result, or has ended; outcome `running` means the time was up. */
  "process.wait": { input: ProcessWaitInput; output: ProcessResultOutput; effect: "read"; streams: true };
  /** Show who you are: your agent, process, home, scopes. */
  "process.whoami": { input: ProcessWhoamiInput; output: ProcessWhoamiOutput; effect: "read"; streams: false };
  /** Show every setting as it is now, and where it is set; secrets are hidden. */
  "system.config": { input: SystemConfigInput; output: SystemConfigOutput; effect: "read"; streams: false };
  /** Look at this machine: what works, what is missing, and how to get it. */
  "system.doctor": { input: SystemConfigInput; output: SystemDoctorOutput; effect: "read"; streams: false };
  /** End the daemon. Agents go on without it and are re-adopted at its next start, unless told otherwise. */
  "system.shutdown": { input: SystemShutdownInput; output: SystemShutdownOutput; effect: "destroy"; streams: false };
  /** Show how the daemon is: processes by state, open questions, health of every room, warnings. */
  "system.status": { input: SystemConfigInput; output: SystemStatusOutput; effect: "read"; streams: false };
  /** Get a one-time ticket, good for a minute, that opens the terminal's WebSocket. */
  "terminal.attach": { input: TerminalAttachInput; output: TerminalAttachOutput; effect: "write"; streams: false };
  /** End a terminal and everything that was started in it. */
  "terminal.close": { input: TerminalAttachInput; output: Terminal; effect: "destroy"; streams: false };
  /** List terminals, newest first; with a pid, that process's own screen before them. */
  "terminal.list": { input: TerminalListInput; output: TerminalListOutput; effect: "read"; streams: false };
  /** Open a terminal beside a process: a login shell, or `argv`, in the agent's home, under its uid. */
  "terminal.open": { input: TerminalOpenInput; output: Terminal; effect: "write"; streams: false };
  /** Read the screen of a terminal as text, as a person would see it now. */
  "terminal.read": { input: TerminalAttachInput; output: TerminalReadOutput; effect: "read"; streams: false };
  /** Set the size of a terminal; its program is told. */
  "terminal.resize": { input: TerminalResizeInput; output: Terminal; effect: "write"; streams: false };
  /** Type text and then named keys into a terminal; refused while somebody else has the keyboard. */
  "terminal.send": { input: TerminalSendInput; output: TerminalSendOutput; effect: "write"; streams: false };
  /** Make a credential for a script, an outside MCP client or a read-only reader. */
  "token.create": { input: TokenCreateInput; output: TokenCreateOutput; effect: "write"; streams: false };
  /** List credentials, newest first, without their secrets. */
  "token.list": { input: TokenListInput; output: TokenListOutput; effect: "read"; streams: false };
  /** End a credential at once, everywhere. */
  "token.revoke": { input: TokenRevokeInput; output: Token; effect: "destroy"; streams: false };
  /** Run any operation by name, found with tool.search, as if it were a tool of your own. */
  "tool.call": { input: ToolCallInput; output: ToolCallOutput; effect: "write"; streams: false };
  /** Find operations beyond the tools you are shown, by what they do; run one with tool.call. */
  "tool.search": { input: ToolSearchInput; output: ToolSearchOutput; effect: "read"; streams: false };
}

export type OperationName = keyof Operations;

/** The data of every event by its type. */
export interface EventData {
  /** It was put away. */
  "agent.archived": AgentArchivedData;
  /** A new identity. */
  "agent.created": AgentCreatedData;
  /** A usage limit stops the model until it lifts. */
  "agent.limit_reached": AgentLimitReachedData;
  /** The runtime waits for a person's leave. */
  "agent.permission_requested": AgentPermissionRequestedData;
  /** It is gone for good. */
  "agent.removed": AgentRemovedData;
  /** The runtime told its conversation id, model and permission mode. */
  "agent.session_started": AgentSessionStartedData;
  /** A whole block of the agent's text. */
  "agent.text": AgentTextData;
  /** A whole block of reasoning. */
  "agent.thought": AgentThoughtData;
  /** A text was given to the agent: a goal, a message, a person's word. */
  "agent.told": AgentToldData;
  /** The model called a tool. */
  "agent.tool_call": AgentToolCallData;
  /** A tool answered. */
  "agent.tool_result": AgentToolResultData;
  /** The runtime met an error it works on by itself, or said something nobody understands. */
  "agent.trouble": AgentTroubleData;
  /** The model is done for now. */
  "agent.turn_ended": AgentTurnEndedData;
  /** Its name, role or description changed. */
  "agent.updated": AgentUpdatedData;
  /** Tokens and money spent, as the runtime reports them. */
  "agent.usage": AgentUsageData;
  /** A question was answered, or ended without an answer. */
  "approval.decided": ApprovalDecidedData;
  /** A question waits for a person. */
  "approval.requested": ApprovalRequestedData;
  /** A person holds the keyboard. */
  "control.acquired": ControlAcquiredData;
  /** The keyboard went back to the agent. */
  "control.released": ControlReleasedData;
  /** An agent asks for a person. */
  "control.requested": ControlRequestedData;
  /** The hand-over went one step on. */
  "control.stepped": ControlSteppedData;
  /** A file or directory of a home was changed by a call. */
  "fs.changed": FsChangedData;
  /** It was removed for good. */
  "memory.forgotten": MemoryForgottenData;
  /** Something was stored. */
  "memory.remembered": MemoryRememberedData;
  /** The recipient has read or acknowledged it; `agent` is the recipient. */
  "message.acked": MessageAckedData;
  /** The recipient's runtime has it; `agent` is who got it. */
  "message.delivered": MessageDeliveredData;
  /** It can never be delivered; `agent` is who sent it. */
  "message.failed": MessageFailedData;
  /** A message is durable; `agent` is who sent it. */
  "message.sent": MessageSentData;
  /** The daemon came back and found it alive. */
  "process.adopted": ProcessAdoptedData;
  /** Its output is not taken fast enough and it was made to wait, or goes on. */
  "process.blocked": ProcessBlockedData;
  /** A process ended for good. */
  "process.exited": ProcessExitedData;
  /** What a running agent does changed. */
  "process.phase_changed": ProcessPhaseChangedData;
  /** A process got another priority. */
  "process.priority_changed": ProcessPriorityChangedData;
  /** A process was accepted and is durable. */
  "process.spawned": ProcessSpawnedData;
  /** A runtime process was started for it: a new incarnation. */
  "process.started": ProcessStartedData;
  /** A process went from one state to another. */
  "process.state_changed": ProcessStateChangedData;
  /** A terminal ended. */
  "terminal.closed": TerminalClosedData;
  /** A terminal was opened. */
  "terminal.opened": TerminalOpenedData;
  /** A credential was made; its secret is nowhere in here. */
  "token.created": TokenCreatedData;
  /** A credential ended. */
  "token.revoked": TokenRevokedData;
}

export type EventType = keyof EventData;

/** An event of one type, as it is on the wire. */
export interface EventOf<T extends EventType> {
  /** place in the log; a stream resumes after it */
  id: number;
  type: T;
  at: string;
  actor: string;
  call: string | null;
  pid: number | null;
  agent: string | null;
  data: EventData[T];
}

/** Any event; `type` tells which. */
export type AnyEvent = { [T in EventType]: EventOf<T> }[EventType];

/** What a call can fail with. */
export type ErrorCode = "invalid" | "unauthenticated" | "forbidden" | "not_found" | "conflict" | "exhausted" | "pending_approval" | "unavailable" | "internal";

/** What a token can be allowed. */
export type Scope = "agent:read" | "agent:write" | "approval:read" | "approval:write" | "audit:read" | "control:read" | "control:write" | "fs:read" | "fs:write" | "memory:read" | "memory:write" | "message:read" | "message:write" | "process:read" | "process:write" | "system:admin" | "system:read" | "terminal:read" | "terminal:write" | "token:read" | "token:write" | "tool:read";
