// Generated from the catalogue; do not edit. `make gen` writes it anew.

/** An identity that works towards goals; it outlives its processes. */
export interface Agent {
  id: string;
  name: string;
  role: string | null;
  description: string | null;
  /** the template its runs start from, where none else is named */
  template: string | null;
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
  /** role template for its runs (template.list), with its list of tools */
  template?: string | null;
}

/** A new identity. */
export interface AgentCreatedData {
  name: string;
  parent: string | null;
}

/** An agent that waited for a usage limit is told to go on, in the same conversation. */
export interface AgentLimitLiftedData {
  waited_s: number;
  /** how often in a row the limit was hit */
  times: number;
}

/** A usage limit stops the model until it lifts. */
export interface AgentLimitReachedData {
  error: string | null;
  /** when it lifts, as the runtime or the model gateway was told */
  resets_at: string | null;
  /** when the agent is told to go on; null: never */
  wakes_at: string | null;
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

/** What an agent uses now. */
export interface AgentUsage {
  /** agent id */
  agent: string;
  name: string;
  /** its processes that have not ended */
  runs: RunUsage[];
  /** what its home holds on disk; null: not measured in time */
  disk_bytes: number | null;
  disk_files: number | null;
  /** its calls to models, today and this month */
  spending: Spending[];
}

/** Tokens and money spent: as the model gateway counts each call, and as the runtime itself tells. */
export interface AgentUsageData {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  cost_usd: number;
  model: string | null;
  /** once the gateway counts a run, what the runtime tells is not added to its cost */
  source: "gateway" | "runtime";
}

/** A GPU that a process has. */
export interface Allocation {
  /** uuid */
  gpu: string;
  pid: number;
  agent: string;
  /** since when */
  at: string;
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
  /** http, mcp, ws, or how an MCP client asked its person */
  decided_via: string | null;
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
  via: string | null;
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

/** Names a tab of a process's browser. */
export interface BrowserBackInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
}

/** A tab after something was done in it. */
export interface BrowserBackOutput {
  pid: number;
  browser: string;
  tab: string;
  url: string;
  title: string;
  /** HTTP status of the page, when this call loaded it */
  status: number | null;
  /** it was not done loading when the time was up */
  loading: boolean;
  /** what happened since: dialogs, new tabs, downloads */
  notes: string[];
}

/** What to click: a number, a text, a selector or a point. */
export interface BrowserClickInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
  /** number of an element in the last browser.snapshot of this tab, such as e12 or f1e3 */
  element?: string | null;
  /** visible text of what to click */
  text?: string | null;
  /** CSS selector */
  selector?: string | null;
  /** pixels from the left of the screenshot */
  x?: number | null;
  /** pixels from its top */
  y?: number | null;
  /** mouse button */
  button?: "left" | "right" | "middle";
  /** 2 is a double click */
  count?: number;
  /** say yes to a question the page asks because of it */
  accept_dialogs?: boolean;
}

/** The tabs of a process's browser. */
export interface BrowserCloseOutput {
  pid: number;
  /** whether there is a browser */
  running: boolean;
  /** it has no window on the process's desktop */
  headless: boolean;
  tabs: Tab[];
}

/** A browser ended. */
export interface BrowserClosedData {
  browser: string;
  reason: string;
}

/** A file was downloaded into the agent's home. */
export interface BrowserDownloadedData {
  browser: string;
  path: string;
  url: string;
  size: number;
}

/** A page to read. */
export interface BrowserFetchInput {
  /** http or https */
  url: string;
  /** under whose network policy; default the caller's own */
  agent?: string | null;
  /** most text to return */
  max_chars?: number;
  /** skip so many characters: `next_offset` of the part before */
  offset?: number;
}

/** A page as text, like Markdown. */
export interface BrowserFetchOutput {
  /** where it came from, after redirects */
  url: string;
  status: number;
  content_type: string;
  title: string;
  text: string;
  /** at most 200, in the order of the page */
  links: Link[];
  total_chars: number;
  /** where the rest begins, None when this is all */
  next_offset: number | null;
  /** the page was too long and its end is missing */
  truncated: boolean;
}

/** Keys. */
export interface BrowserKeyInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
  /** pressed one after the other: Enter, Tab, ArrowDown, Control+A, … */
  keys: string[];
  /** say yes to a question the page asks because of it */
  accept_dialogs?: boolean;
}

/** An address. */
export interface BrowserNavigateInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
  /** http, https, file or data; a name alone means https */
  url: string;
  /** how long to wait until the page is loaded */
  timeout_s?: number;
}

/** A tab shows another address. */
export interface BrowserNavigatedData {
  browser: string;
  tab: string;
  url: string;
  title: string;
}

/** A new tab, in a browser that is started when none runs. */
export interface BrowserOpenInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** where it goes; default an empty page */
  url?: string | null;
}

/** A browser was started beside a process. */
export interface BrowserOpenedData {
  browser: string;
  headless: boolean;
}

/** What of the page. */
export interface BrowserScreenshotInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
  /** the whole page, down to 8000 pixels, not only what is seen */
  full_page?: boolean;
  /** only this: number of an element in the last browser.snapshot of this tab, such as e12 or f1e3 */
  element?: string | null;
  /** format of the picture */
  media_type?: "image/png" | "image/jpeg";
}

/** What a tab looks like. */
export interface BrowserScreenshotOutput {
  pid: number;
  tab: string;
  url: string;
  title: string;
  /** pixels of the picture; a point in it is a point for browser.click */
  width: number;
  height: number;
  picture: Picture;
}

/** How far. */
export interface BrowserScrollInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
  /** where to */
  direction?: "down" | "up" | "left" | "right" | "top" | "bottom";
  /** pixels */
  amount?: number;
  /** scroll until it is seen instead: number of an element in the last browser.snapshot of this tab, such as e12 or f1e3 */
  element?: string | null;
}

/** How much of the page. */
export interface BrowserSnapshotInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
  /** only this part: CSS selector */
  selector?: string | null;
  /** most text to return */
  max_chars?: number;
  /** skip so many characters: `next_offset` of the part before */
  offset?: number;
}

/** A page as its accessibility tree, elements numbered for browser.click and browser.type. */
export interface BrowserSnapshotOutput {
  pid: number;
  tab: string;
  url: string;
  title: string;
  text: string;
  total_chars: number;
  /** where the rest begins, None when this is all */
  next_offset: number | null;
  /** what happened since: dialogs, new tabs, downloads */
  notes: string[];
}

/** Names a process's browser. */
export interface BrowserTabsInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
}

/** Text for a field; without a field it goes where the focus is. */
export interface BrowserTypeInput {
  /** process whose browser it is; default the caller's own */
  pid?: number | null;
  /** id of a tab; default the one used last */
  tab?: string | null;
  /** text; of a list, the option's label */
  text: string;
  /** number of an element in the last browser.snapshot of this tab, such as e12 or f1e3 */
  element?: string | null;
  /** label or placeholder of it */
  label?: string | null;
  /** CSS selector */
  selector?: string | null;
  /** replace what is in the field */
  clear?: boolean;
  /** press Enter after it */
  submit?: boolean;
}

/** What became of one test. */
export interface CaseDone {
  name: string;
  passed: boolean;
  problem: string | null;
  steps: StepDone[];
}

/** A file that changed. */
export interface Change {
  path: string;
  kind: "created" | "modified" | "removed";
  /** id of the agent that did it, as far as it is known */
  agent: string | null;
  /** name of the agent, or the person; null: not known */
  by: string | null;
  /** when it is not known: agents that were at work then */
  maybe: string[];
  /** fs: through an fs tool; seen: found in the directory afterwards */
  via: "fs" | "seen";
  at: string;
}

/** A file that differs from the base. */
export interface Changed {
  path: string;
  /** lines; null for a binary file */
  added: number | null;
  removed: number | null;
}

/** One thing looked at. */
export interface Check {
  name: string;
  /** missing: something aetherd can do without is not here; failed: mend it, aetherd needs it */
  state: "ok" | "warning" | "missing" | "failed";
  detail: string;
  /** how to mend it */
  fix: string | null;
}

/** Another worktree of the repository that cannot be merged beside this one. */
export interface Clash {
  worktree: string;
  branch: string;
  agent: string;
  /** that agent's name */
  name: string;
  /** what both changed in ways that conflict; the first 50 */
  files: string[];
}

/** A write past a reservation. */
export interface Conflict {
  path: string;
  kind: "created" | "modified" | "removed";
  /** who had reserved it */
  holder: string;
  holder_agent: string | null;
  /** who wrote; null: not known */
  by: string | null;
  by_agent: string | null;
  maybe: string[];
  /** why it was reserved */
  reason: string;
  /** how often it was seen */
  count: number;
  first_at: string;
  at: string;
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

/** Names the process whose desktop is meant. */
export interface DesktopAttachInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
}

/** Opens the byte channel once: the RFB protocol (noVNC speaks it), watched over by the daemon. */
export interface DesktopAttachOutput {
  ticket: string;
  /** path of the WebSocket, with the ticket */
  url: string;
  expires_at: string;
  /** whether clicks and keys count now: they do while you have control */
  writable: boolean;
  /** why they do not */
  reason: string | null;
}

/** A click. */
export interface DesktopClickInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** pixels from the left */
  x: number;
  /** pixels from the top */
  y: number;
  /** which */
  button?: "left" | "middle" | "right";
  /** 2 is a double click */
  count?: number;
  /** keys held meanwhile: ctrl, shift, alt, super */
  hold?: string[];
}

/** Where the pointer is. */
export interface DesktopClickOutput {
  pid: number;
  x: number;
  y: number;
}

/** From where to where, with a button held. */
export interface DesktopDragInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** from here */
  x: number;
  /** from here */
  y: number;
  /** to here */
  to_x: number;
  /** to here */
  to_y: number;
  /** which */
  button?: "left" | "middle" | "right";
}

/** A program. */
export interface DesktopExecInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** command line */
  argv: string[];
}

/** A program that was started on a desktop. */
export interface DesktopExecOutput {
  pid: number;
  /** its number where it runs */
  os_pid: number;
  /** set when it has ended already, 127 when there is no such program */
  exit_code: number | null;
  /** what was complained of since, when it ended badly */
  error: string | null;
}

/** A desktop, or that there is none. */
export interface DesktopInfoOutput {
  pid: number;
  agent: string;
  running: boolean;
  width: number | null;
  height: number | null;
  /** what a program of this process needs to open a window on it */
  env: Record<string, string>;
  /** who has control of the process: only they click and type meanwhile */
  holder: string | null;
  viewers: number;
  started_at: string | null;
}

/** Keys to press, one chord after the other. */
export interface DesktopKeyInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** chords such as Return, ctrl+c, alt+F4, shift+Tab, Page_Down, é */
  keys: string[];
}

/** How much was typed. */
export interface DesktopKeyOutput {
  pid: number;
  /** characters or chords */
  count: number;
}

/** Where the pointer goes. */
export interface DesktopMoveInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** pixels from the left */
  x: number;
  /** pixels from the top */
  y: number;
}

/** How to take a picture. */
export interface DesktopScreenshotInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** jpeg is smaller, png exact */
  format?: "png" | "jpeg";
  /** a wider screen is scaled down to this */
  max_width?: number;
  /** a higher screen is scaled down to this */
  max_height?: number;
}

/** What is on the screen now. */
export interface DesktopScreenshotOutput {
  pid: number;
  /** of the picture */
  width: number;
  /** of the picture */
  height: number;
  /** a position in the picture times this is the position on the screen */
  scale: number;
  picture: Picture;
}

/** Turns of the wheel at a place. */
export interface DesktopScrollInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** pixels from the left */
  x: number;
  /** pixels from the top */
  y: number;
  /** notches down; negative is up */
  down?: number;
  /** notches right; negative is left */
  right?: number;
}

/** A new desktop. */
export interface DesktopStartInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** pixels */
  width?: number;
  /** pixels */
  height?: number;
  /** program to start on it at once */
  argv?: string[] | null;
}

/** A desktop was started beside a process. */
export interface DesktopStartedData {
  width: number;
  height: number;
}

/** A desktop ended, with all that ran on it. */
export type DesktopStoppedData = Record<string, never>;

/** A text to type. */
export interface DesktopTypeInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** any Unicode; a line break is Enter */
  text: string;
}

/** What to wait for; all that is given must hold at once. */
export interface DesktopWaitForInput {
  /** process whose desktop it is; default the caller's own */
  pid?: number | null;
  /** nothing changed for this many seconds */
  stable_s?: number | null;
  /** a pixel has this colour */
  pixel?: Point | null;
  /** this can be read on it (needs tesseract) */
  text?: string | null;
  /** how long at most */
  timeout_s?: number;
}

/** How the wait ended. */
export interface DesktopWaitForOutput {
  pid: number;
  /** false: the time was up */
  met: boolean;
  waited_s: number;
  /** what did not hold at the end: stable, pixel, text */
  missing: string[];
}

/** How the later differs from the snapshot. */
export interface Difference {
  snapshot: string;
  /** null: the agent as it is now */
  other: string | null;
  added: number;
  removed: number;
  changed: number;
  files: FileChange[];
  /** files that differ and are not named here */
  more: number;
  /** what was told to it and what it said since, at most 100 */
  messages: Record<string, unknown>[];
}

/** How long runs took that have ended. */
export interface Durations {
  /** half of them took at most this */
  p50_s: number;
  p90_s: number;
}

/** Something an agent is good at, and how that is known. */
export interface Expertise {
  topic: string;
  /** person: said by one; task: a queue it did tasks of; memory: a tag of what it remembered */
  source: "person" | "task" | "memory";
  /** tasks done or memories; null for what a person said */
  count: number | null;
}

/** Samples of one thing. */
export interface Family {
  name: string;
  /** counter, gauge or histogram */
  type: string;
  help: string;
  samples: Sample[];
}

/** One person's word on a run or a step. */
export interface Feedback {
  id: string;
  pid: number;
  agent: string;
  /** the event it is about; null: the run as a whole */
  step: number | null;
  /** what the run was for, or what the step was, in a few words */
  about: string;
  verdict: "up" | "down";
  comment: string;
  created_at: string;
  created_by: string;
}

/** Which feedback; newest first. */
export interface FeedbackListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only on this agent's runs (id or name) */
  agent?: string | null;
  /** only on this run */
  pid?: number | null;
  /** only up or only down */
  verdict?: "up" | "down" | null;
}

/** A page of feedback. */
export interface FeedbackListOutput {
  feedback: Feedback[];
  cursor: string | null;
}

/** Thumbs up or down, and why; a second one on the same thing takes the place of your first. */
export interface FeedbackSubmitInput {
  /** the run it is about */
  pid: number;
  /** up or down */
  verdict: "up" | "down";
  /** why; the agent is told so when it runs the next time */
  comment?: string;
  /** id of an event of this run (process.timeline), if it is about one step */
  step?: number | null;
}

/** A person said what they think of a run, or of one step in it. */
export interface FeedbackSubmittedData {
  feedback: string;
  verdict: string;
  step: number | null;
  comment: string;
}

/** A file that differs. */
export interface FileChange {
  /** under the part's directory; workspaces begin with their id */
  path: string;
  change: "added" | "removed" | "changed";
  /** file, dir or link */
  kind: string;
  /** its size, in the later of the two */
  bytes: number;
  /** unified diff, cut to 8,000 characters; null for other than text */
  text: string | null;
}

/** One run of a flow. */
export interface Flow {
  /** null for a dry run */
  id: string | null;
  name: string;
  state: "running" | "waiting" | "completed" | "failed" | "cancelled" | "planned";
  /** why it failed, or was cancelled */
  reason: string | null;
  /** those that were begun, in that order; a page of them */
  steps: FlowStep[];
  /** more steps: flow.get with it */
  cursor: string | null;
  /** what it came to */
  outputs: Record<string, unknown> | unknown[] | string | number | boolean | null;
  cost_usd: number;
  budget: number | null;
  /** who runs it; null for a person */
  agent: string | null;
  created_at: string | null;
  ended_at: string | null;
  /** of a dry run */
  plan: Plan | null;
}

/** A step asked a person and waits; `unknown` when nobody knows whether it was done before aetherd was stopped. */
export interface FlowAskedData {
  flow: string;
  step: string;
  approval: string;
  unknown: boolean;
  state: string;
}

/** Which flow, and why. */
export interface FlowCancelInput {
  /** flow id */
  id: string;
  /** why */
  reason?: string;
}

/** A flow has ended: completed, failed or cancelled. */
export interface FlowFinishedData {
  flow: string;
  name: string;
  state: string;
  error: string | null;
  cost_usd: number;
}

/** Which flow, and which of its steps. */
export interface FlowGetInput {
  /** flow id */
  id: string;
  /** only this one, with its whole output */
  step?: string | null;
  /** only steps in these states */
  states?: ("running" | "waiting" | "unknown" | "delayed" | "completed" | "failed" | "skipped" | "cancelled")[];
  /** most steps to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
}

/** Which flows; newest first. */
export interface FlowListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only in these states; default all */
  states?: ("running" | "waiting" | "completed" | "failed" | "cancelled")[];
}

/** A page of flows, without their steps. */
export interface FlowListOutput {
  flows: Flow[];
  cursor: string | null;
}

/** A flow: its definition, or a file that holds it. */
export interface FlowRunInput {
  /** the definition, as an object or as YAML: `name`, `inputs`, `budget`, `defaults` of agents, `outputs`, and `steps`. A step has a `name` and one of `agent`, `call`, `ask`, `set`, `parallel`, `each`, `loop`, `vote`, `supervise`; and `needs`, `when`, `retry`, `timeout_s`, `on_error` */
  flow?: Record<string, unknown> | string | null;
  /** instead of `flow`: a YAML file that holds it */
  file?: string | null;
  /** workspace (id or name) the file is in */
  workspace?: string | null;
  /** agent (id or name) whose home the file is in; default your own */
  agent?: string | null;
  /** values for the inputs it declares */
  inputs?: Record<string, unknown>;
  /** name of this run; default: the flow's */
  name?: string | null;
  /** USD: nothing is started that could exceed it, and what exceeds it is stopped */
  budget?: number | null;
  /** only check it, and show the plan and its worst-case cost */
  dry_run?: boolean;
  /** wait so long for its end before answering */
  wait_s?: number;
}

/** A flow is durable and begins; `agent` is who runs it. */
export interface FlowStartedData {
  flow: string;
  name: string;
  state: string;
}

/** What is known of one step. */
export interface FlowStep {
  /** the names that lead to it: a step in a step, a round of a loop */
  name: string;
  kind: string;
  /** unknown: it was under way when aetherd was stopped, and a person is asked; delayed: tried again */
  state: "running" | "waiting" | "unknown" | "delayed" | "completed" | "failed" | "skipped" | "cancelled";
  attempt: number;
  pid: number | null;
  /** the question that waits for a person */
  approval: string | null;
  /** the first 500 characters; flow.get with `step` has it all */
  output: string | null;
  error: string | null;
  cost_usd: number;
  started_at: string;
  ended_at: string | null;
  /** when it is tried again */
  due: string | null;
}

/** A step came to an end: completed, failed, skipped, cancelled, or delayed until it is tried again. */
export interface FlowStepFinishedData {
  flow: string;
  step: string;
  kind: string;
  attempt: number;
  outcome: string;
  error: string | null;
  cost_usd: number;
  state: string;
}

/** A step began, or began again; `pid` is the process that was started for it. */
export interface FlowStepStartedData {
  flow: string;
  step: string;
  kind: string;
  attempt: number;
  state: string;
}

/** One change. */
export interface FsChange {
  path: string;
  /** resync: changes were missed, look again */
  kind: "created" | "modified" | "removed" | "moved_from" | "moved_to" | "resync";
}

/** A file or directory of a home, or of a workspace, was changed by a call. */
export interface FsChangedData {
  path: string;
  what: "written" | "edited" | "made" | "moved" | "copied" | "removed";
  to: string | null;
  workspace: string | null;
}

/** From where to where. */
export interface FsCopyInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
  /** make missing ones above it, accept one that exists */
  parents?: boolean;
}

/** Which bytes of which file. */
export interface FsReadInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
  /** relative to the agent's home, such as `work/notes.md` */
  path: string;
}

/** What to watch. */
export interface FsWatchInput {
  /** agent id or name; default is the calling agent, a person names one */
  agent?: string | null;
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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
  /** workspace (id or name) or worktree (id or branch): its files instead, paths relative to it */
  workspace?: string | null;
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

/** One GPU of this machine. */
export interface Gpu {
  /** as nvidia-smi counts; may change when the machine is restarted */
  index: number;
  /** its uuid, which never changes */
  id: string;
  name: string;
  memory_bytes: number;
  /** no process of aetherd has it; programs outside aetherd may use it all the same */
  free: boolean;
  /** the process that has it, if you may see that process */
  pid: number | null;
}

/** A process was given GPUs of its own. */
export interface GpuAllocatedData {
  /** uuids */
  devices: string[];
}

/** Which part of the list, by the id of the GPU. */
export interface GpuAllocationsInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
}

/** A page of them. */
export interface GpuAllocationsOutput {
  allocations: Allocation[];
  cursor: string | null;
}

/** No input. */
export type GpuListInput = Record<string, never>;

/** The GPUs of this machine; none is a normal answer. */
export interface GpuListOutput {
  gpus: Gpu[];
  /** why there is none */
  reason: string | null;
  /** version of the NVIDIA driver */
  driver: string | null;
}

/** What one GPU does now; null: this GPU does not tell. */
export interface GpuReading {
  index: number;
  id: string;
  /** part of the last moment in which it computed */
  utilisation_percent: number | null;
  memory_used_bytes: number | null;
  memory_total_bytes: number | null;
  temperature_c: number | null;
  power_w: number | null;
  /** programs that compute on it */
  programs: number | null;
}

/** A process ended and its GPUs are free again. */
export interface GpuReleasedData {
  /** uuids */
  devices: string[];
}

/** What every GPU does now. */
export interface GpuStatsOutput {
  gpus: GpuReading[];
  /** why there is none */
  reason: string | null;
}

/** A container image, or a recipe for one. */
export interface Image {
  /** what process.spawn takes as sandbox.image */
  name: string;
  /** which of our recipes it is made from, if one */
  recipe: string | null;
  state: "built" | "outdated" | "missing" | "building";
  id: string | null;
  bytes: number | null;
  created_at: string | null;
  /** what to do about it; while it is being built, what the build said last */
  note: string | null;
}

/** A model with a known price. */
export interface KnownModel {
  provider: string;
  model: string;
  price: ModelPrice;
  /** the price was configured here */
  own: boolean;
}

/** The newest run. */
export interface LastRun {
  pid: number;
  runtime: string;
  state: string;
  outcome: string;
  created_at: string;
  exited_at: string | null;
}

/** Something that is not in it, and why. */
export interface Left {
  path: string;
  why: string;
}

/** A usage limit that an agent waits for; it has no runtime meanwhile where that can go on later. */
export interface Limited {
  since: string;
  /** when it lifts, as the runtime or the model gateway was told */
  resets_at: string | null;
  /** when it is told to go on; process.resume does so at once */
  wakes_at: string;
  /** how often in a row it was hit */
  times: number;
  error: string | null;
}

/** Hard limits, enforced from outside; left out, what quota.get tells. */
export interface Limits {
  /** cores it may use */
  cpu?: number | null;
  /** memory of all its programs together, swap included */
  memory_mb?: number | null;
  /** processes and threads */
  pids?: number | null;
  /** what its home may hold; looked at every few seconds, and past it, it is paused */
  disk_mb?: number | null;
  /** RLIMIT_NOFILE */
  open_files?: number | null;
  /** largest file it may write */
  file_mb?: number | null;
  /** stopped after this many seconds */
  wall_s?: number | null;
  /** tokens of its calls to models, and of all it starts */
  tokens?: number | null;
  /** calls to models, and as many of tools; stopped when it would make one more */
  steps?: number | null;
}

/** A link of a page. */
export interface Link {
  text: string;
  url: string;
}

/** One memory. */
export interface Memory {
  id: string;
  layer: "episodic" | "semantic" | "procedural" | "social";
  namespace: "agent" | "team" | "workspace" | "global";
  /** id of the workspace whose it is */
  workspace: string | null;
  tags: string[];
  importance: number;
  /** whose it is; null for a person's */
  agent: string | null;
  created_at: string;
  updated_at: string | null;
  /** pid of the run that aetherd itself tells of here; null: remembered on purpose */
  journal: number | null;
  content: string;
  /** content is only the beginning; memory.get has it all */
  truncated: boolean;
}

/** Which memories to look through, and how alike is alike. */
export interface MemoryConsolidateInput {
  /** whose: default `agent`, the private notes, for an agent, and `global` for a person */
  namespace?: "agent" | "team" | "workspace" | "global" | null;
  /** this workspace's memories (id or name) */
  workspace?: string | null;
  /** for people: only this agent's memories (id or name) */
  agent?: string | null;
  /** share of words two have in common; 1: the same words */
  similarity?: number;
  /** most memories to look at in this call, newest first */
  limit?: number;
  /** the `cursor` of the call before, to go on with older ones */
  cursor?: string | null;
  /** only say what would be merged */
  dry_run?: boolean;
}

/** What was merged, or would be. */
export interface MemoryConsolidateOutput {
  merged: Merged[];
  looked_at: number;
  /** false for a dry run */
  done: boolean;
  /** there are older ones: give it back to go on with them */
  cursor: string | null;
}

/** Near-duplicates became one: `merged` are in it now and found no longer by themselves. */
export interface MemoryConsolidatedData {
  memory: string;
  namespace: string;
  merged: string[];
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

/** One memory in full, and where it comes from. */
export interface MemoryGetOutput {
  id: string;
  layer: "episodic" | "semantic" | "procedural" | "social";
  namespace: "agent" | "team" | "workspace" | "global";
  /** id of the workspace whose it is */
  workspace: string | null;
  tags: string[];
  importance: number;
  /** whose it is; null for a person's */
  agent: string | null;
  created_at: string;
  updated_at: string | null;
  /** pid of the run that aetherd itself tells of here; null: remembered on purpose */
  journal: number | null;
  content: string;
  /** content is only the beginning; memory.get has it all */
  truncated: boolean;
  /** the memory it is a copy of, by memory.share */
  origin: string | null;
  /** memories merged into it; memory.get still shows each */
  sources: string[];
  /** the memory it is part of now; recall finds that one */
  merged_into: string | null;
}

/** Which memories; newest first. */
export interface MemoryListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only this layer */
  layer?: "episodic" | "semantic" | "procedural" | "social" | null;
  /** only this namespace */
  namespace?: "agent" | "team" | "workspace" | "global" | null;
  /** only this workspace's memories (id or name) */
  workspace?: string | null;
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
  /** only this namespace; default all you may see */
  namespace?: "agent" | "team" | "workspace" | "global" | null;
  /** only this workspace's memories (id or name) */
  workspace?: string | null;
  /** only memories that have all of these */
  tags?: string[];
  /** only this agent's memories (id or name) */
  agent?: string | null;
  /** most memories to return */
  limit?: number;
}

/** The best first; journals after all that was remembered on purpose. */
export interface MemoryRecallOutput {
  memories: RecalledMemory[];
}

/** Something worth knowing later; `content` is enough. */
export interface MemoryRememberInput {
  /** the fact itself, understandable on its own */
  content: string;
  /** semantic: a fact; episodic: what happened; procedural: how to; social: about people */
  layer?: "episodic" | "semantic" | "procedural" | "social";
  /** who recalls it. global: all agents of the same user; agent: a private note; team: the agents that come from the same lead; workspace: those that have the workspace */
  namespace?: "agent" | "team" | "workspace" | "global";
  /** for namespace workspace: its name or id */
  workspace?: string | null;
  /** words to find it by; case does not matter */
  tags?: string[];
  /** 0 trivial, 1 vital; weighs in recall */
  importance?: number;
  /** for people: keep it as this agent's private note, or its team's (id or name) */
  agent?: string | null;
}

/** What was stored. */
export interface MemoryRememberOutput {
  id: string;
  layer: "episodic" | "semantic" | "procedural" | "social";
  namespace: "agent" | "team" | "workspace" | "global";
  /** id of the workspace whose it is */
  workspace: string | null;
  tags: string[];
  importance: number;
  /** whose it is; null for a person's */
  agent: string | null;
  created_at: string;
  updated_at: string | null;
  /** pid of the run that aetherd itself tells of here; null: remembered on purpose */
  journal: number | null;
}

/** Something was stored. */
export interface MemoryRememberedData {
  memory: string;
  namespace: string;
  layer: string;
}

/** With whom: one of the three. */
export interface MemoryShareInput {
  /** memory id */
  id: string;
  /** global: all agents of the user; team: those that come from the same lead */
  namespace?: "team" | "workspace" | "global" | null;
  /** those that have this workspace (id or name) */
  workspace?: string | null;
  /** one agent (id or name): it gets a copy of its own */
  to?: string | null;
}

/** More may see it now; with `source` it is a copy that was given. */
export interface MemorySharedData {
  memory: string;
  namespace: string;
  from_namespace: string;
  source: string | null;
}

/** What to change; what is left out stays. */
export interface MemoryUpdateInput {
  /** memory id */
  id: string;
  /** the fact as it is now */
  content?: string | null;
  /** another layer */
  layer?: "episodic" | "semantic" | "procedural" | "social" | null;
  /** these tags instead of those it has */
  tags?: string[] | null;
  /** 0 trivial, 1 vital */
  importance?: number | null;
}

/** It was changed; `fields` says what. */
export interface MemoryUpdatedData {
  memory: string;
  namespace: string;
  fields: string[];
}

/** A place in the merge queue. */
export interface Merge {
  id: string;
  worktree: string;
  state: "queued" | "rebasing" | "testing" | "merged" | "conflict" | "failed_tests" | "failed" | "cancelled";
  how: "rebase" | "merge";
  /** the commit of the branch that is merged */
  tip: string;
  test: string | null;
  /** what the base branch became, once merged */
  commit: string | null;
  /** where it conflicts */
  files: string[];
  /** why it ended so, or what is to be done now */
  reason: string | null;
  /** the last of what the test printed */
  output: string | null;
  /** merges of the same repository that come first */
  ahead: number;
  created_at: string;
  created_by: string;
  ended_at: string | null;
}

/** Memories that say the same. */
export interface Merged {
  /** the newest of them, which stays, with the tags and the highest importance of all */
  id: string;
  /** what it says; long ones are cut */
  content: string;
  /** what is merged into it; memory.get still shows each */
  sources: string[];
  /** of the one least like it */
  similarity: number;
}

/** One message. */
export interface Message {
  id: string;
  thread: string;
  /** the same for a request and all that answers it */
  correlation: string | null;
  reply_to: string | null;
  /** agent id, `owner` for the person, `aetherd` for a notice */
  from: string;
  from_name: string;
  /** agent id, or `owner` for the person */
  to: string;
  to_name: string;
  text: string;
  kind: "text" | "review_request" | "review_response" | "task_delegate" | "task_accepted" | "task_rejected" | "task_completed" | "status_update" | "knowledge_share";
  priority: "now" | "next" | "queue";
  /** queued until the recipient's runtime has it, then delivered; failed: it never can */
  state: "queued" | "delivered" | "read" | "acked" | "failed";
  data: Record<string, unknown> | null;
  created_at: string;
  delivered_at: string | null;
  read_at: string | null;
  acked_at: string | null;
  failed_at: string | null;
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

/** Text for many agents; `text` alone goes to all agents of the user, except you and those put away. */
export interface MessageBroadcastInput {
  /** what you want to say */
  text: string;
  /** what it is about */
  kind?: "text" | "review_request" | "status_update" | "knowledge_share";
  /** as in message.send */
  priority?: "now" | "next" | "queue";
  /** only agents of exactly this role */
  role?: string | null;
  /** only agents made from this template */
  template?: string | null;
  /** only agents that have this workspace */
  workspace?: string | null;
  /** facts, as in message.send */
  data?: Record<string, unknown> | null;
}

/** How far it has come; message.thread shows each message, and what is answered. */
export interface MessageBroadcastOutput {
  /** the same for all of them; each agent sees only its own part */
  thread: string;
  /** of a request: what all answers carry */
  correlation: string | null;
  /** the memory a knowledge_share was kept as */
  memory: string | null;
  recipients: number;
  /** how many are in which state by now */
  states: Record<string, number>;
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
  to: string;
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
  /** facts, by kind: review_request {subject}, review_response {verdict: approve, changes or reject}, task_* {task?: id}, task_rejected {reason}, status_update {status}, knowledge_share {tags?}; text: any */
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

/** Which series. */
export interface MetricQueryInput {
  /** only those whose name begins so */
  prefix?: string;
}

/** The series as they stand now; counters begin anew with each start of the daemon. */
export interface MetricQueryOutput {
  families: Family[];
}

/** What to change; everything that is left out stays as it is. */
export interface ModelConfigureInput {
  /** anthropic, openai, gemini, ollama or a new name */
  provider?: string | null;
  /** what a new provider speaks; default openai */
  dialect?: "anthropic" | "openai" | "gemini" | "ollama" | null;
  /** its address; empty: the usual one again */
  base_url?: string | null;
  /** kept in a file that only the daemon reads; empty forgets it */
  api_key?: string | null;
  /** key: an API key; claude: a long-lived token of `claude setup-token`; bearer: any other */
  kind?: "key" | "bearer" | "claude" | null;
  /** by model, `*` for all others of the provider; null: as in the table */
  prices?: Record<string, ModelPriceInput | null> | null;
  /** all routing rules, in order */
  rules?: ModelRouteRuleInput[] | null;
  /** agent (id or name) -> whether to keep what it says to models, redacted */
  trace?: Record<string, boolean> | null;
  /** forget the provider and its key */
  remove?: boolean;
}

/** All providers, and how calls are routed and traced. */
export interface ModelConfigureOutput {
  providers: Provider[];
  rules: ModelRouteRule[];
  /** agents whose calls are kept, redacted, below log/models of aetherd's home */
  traced: string[];
  /** when the table of prices was looked at */
  prices_date: string;
  prices_source: string;
}

/** A person changed a provider, prices, routing or tracing; a key is never told. */
export interface ModelConfiguredData {
  /** null: rules or tracing alone */
  provider: string | null;
  /** what was given: base_url, api_key, prices, rules, … */
  changed: string[];
  by: string;
}

/** Which models to list. */
export interface ModelListInput {
  /** of this one, also when it cannot be used */
  provider?: string | null;
}

/** Models whose prices are known; others can be used, bounded by tokens. */
export interface ModelListOutput {
  models: KnownModel[];
  date: string;
  source: string;
}

/** Prices of a call whose input is longer than this. */
export interface ModelOver {
  /** input that was read from a cache; USD for a million */
  cache_read: number | null;
  /** input written to a cache, for five minutes */
  cache_write: number | null;
  /** and for an hour */
  cache_write_1h: number | null;
  /** pictures the model makes */
  image_output: number | null;
  /** sound that is sent */
  audio_input: number | null;
  /** sound the model makes */
  audio_output: number | null;
  /** dearer above this size of the input */
  tokens: number;
  /** USD for a million tokens */
  input: number | null;
  /** USD for a million tokens */
  output: number | null;
}

/** Prices of a call whose input is longer than this. */
export interface ModelOverInput {
  /** input that was read from a cache; USD for a million */
  cache_read?: number | null;
  /** input written to a cache, for five minutes */
  cache_write?: number | null;
  /** and for an hour */
  cache_write_1h?: number | null;
  /** pictures the model makes */
  image_output?: number | null;
  /** sound that is sent */
  audio_input?: number | null;
  /** sound the model makes */
  audio_output?: number | null;
  /** dearer above this size of the input */
  tokens: number;
  /** USD for a million tokens */
  input?: number | null;
  /** USD for a million tokens */
  output?: number | null;
}

/** What a model costs, in USD for a million tokens. */
export interface ModelPrice {
  /** input that was read from a cache; USD for a million */
  cache_read: number | null;
  /** input written to a cache, for five minutes */
  cache_write: number | null;
  /** and for an hour */
  cache_write_1h: number | null;
  /** pictures the model makes */
  image_output: number | null;
  /** sound that is sent */
  audio_input: number | null;
  /** sound the model makes */
  audio_output: number | null;
  /** USD for a million tokens that are sent */
  input: number;
  /** USD for a million tokens that come back */
  output: number;
  /** USD for a search by the provider's own tool */
  search: number | null;
  /** most tokens of input */
  context: number | null;
  /** most tokens of output */
  most_output: number | null;
  /** dearer prices of long inputs */
  over: ModelOver | null;
  /** by how much a way to be served is dearer or cheaper, such as priority or fast */
  factors: Record<string, number> | null;
}

/** What a model costs, in USD for a million tokens. */
export interface ModelPriceInput {
  /** input that was read from a cache; USD for a million */
  cache_read?: number | null;
  /** input written to a cache, for five minutes */
  cache_write?: number | null;
  /** and for an hour */
  cache_write_1h?: number | null;
  /** pictures the model makes */
  image_output?: number | null;
  /** sound that is sent */
  audio_input?: number | null;
  /** sound the model makes */
  audio_output?: number | null;
  /** USD for a million tokens that are sent */
  input: number;
  /** USD for a million tokens that come back */
  output?: number;
  /** USD for a search by the provider's own tool */
  search?: number | null;
  /** most tokens of input */
  context?: number | null;
  /** most tokens of output */
  most_output?: number | null;
  /** dearer prices of long inputs */
  over?: ModelOverInput | null;
  /** by how much a way to be served is dearer or cheaper, such as priority or fast */
  factors?: Record<string, number> | null;
}

/** Nothing to say. */
export type ModelProvidersInput = Record<string, never>;

/** A call that is not made. */
export interface ModelRouteInput {
  /** that is asked */
  provider: string;
  /** that is asked for */
  model: string;
  /** agent (id or name) */
  agent?: string | null;
  /** of the agent */
  role?: string | null;
  /** that hosts it */
  runtime?: string | null;
  /** what the process is doing */
  phase?: string | null;
  /** names of the tools that are offered */
  tools?: string[];
  /** size of the input */
  tokens?: number;
  /** most tokens that may come back */
  most_output?: number;
}

/** Where a call would go, and why. */
export interface ModelRouteOutput {
  /** the rule that decided; null: none fits, so it goes as asked */
  rule: string | null;
  stops: Stop[];
  /** what was looked at, in order */
  why: string[];
}

/** The first rule that fits decides; the next place is tried when one is down, overloaded or limits us. */
export interface ModelRouteRule {
  /** to be told by, in model.route */
  name: string;
  /** which calls it is for; empty: all */
  when: ModelWhen;
  /** in order; an empty one is the call as it was */
  to: ModelTarget[];
}

/** The first rule that fits decides; the next place is tried when one is down, overloaded or limits us. */
export interface ModelRouteRuleInput {
  /** to be told by, in model.route */
  name: string;
  /** which calls it is for; empty: all */
  when?: ModelWhenInput;
  /** in order; an empty one is the call as it was */
  to: ModelTargetInput[];
}

/** Where a call goes instead. */
export interface ModelTarget {
  /** default: as asked; it must speak the same dialect */
  provider: string | null;
  /** default: as asked */
  model: string | null;
}

/** Where a call goes instead. */
export interface ModelTargetInput {
  /** default: as asked; it must speak the same dialect */
  provider?: string | null;
  /** default: as asked */
  model?: string | null;
}

/** Whose calls, since when. */
export interface ModelUsageInput {
  /** agent (id or name); default: all one may see */
  agent?: string | null;
  /** calls begun in so many days */
  days?: number;
}

/** What was used, the dearest first. */
export interface ModelUsageOutput {
  lines: UsageLine[];
  cost_usd: number;
}

/** Which calls a rule is for: all that is given must hold. Names may have `*` in them. */
export interface ModelWhen {
  /** as the runtime asks for it */
  provider: string | null;
  /** as the runtime asks for it */
  model: string | null;
  /** name or id: so one agent is routed by itself */
  agent: string | null;
  /** of the agent */
  role: string | null;
  /** that hosts it */
  runtime: string | null;
  /** what the process is doing, as process.get says */
  phase: string | null;
  /** whether the call offers tools; titles and summaries do not */
  tools: boolean | null;
  /** one of the tools that are offered */
  tool: string | null;
  /** least size of the input, about */
  min_tokens: number | null;
  /** most size of the input, about */
  max_tokens: number | null;
  /** the call could cost more than this */
  over_usd: number | null;
}

/** Which calls a rule is for: all that is given must hold. Names may have `*` in them. */
export interface ModelWhenInput {
  /** as the runtime asks for it */
  provider?: string | null;
  /** as the runtime asks for it */
  model?: string | null;
  /** name or id: so one agent is routed by itself */
  agent?: string | null;
  /** of the agent */
  role?: string | null;
  /** that hosts it */
  runtime?: string | null;
  /** what the process is doing, as process.get says */
  phase?: string | null;
  /** whether the call offers tools; titles and summaries do not */
  tools?: boolean | null;
  /** one of the tools that are offered */
  tool?: string | null;
  /** least size of the input, about */
  min_tokens?: number | null;
  /** most size of the input, about */
  max_tokens?: number | null;
  /** the call could cost more than this */
  over_usd?: number | null;
}

/** What came of a task that had to be done first. */
export interface Needed {
  id: string;
  title: string;
  result: string | null;
}

/** Which requests. */
export interface NetworkLogInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** agent (id or name); default: yourself, for a person every agent's */
  agent?: string | null;
  /** only refused ones, or only allowed ones */
  refused?: boolean | null;
}

/** A page of requests, newest first. */
export interface NetworkLogOutput {
  requests: NetworkRequest[];
  cursor: string | null;
}

/** Whose policy. */
export interface NetworkPolicyInput {
  /** agent (id or name); default: yourself */
  agent?: string | null;
}

/** What an agent may reach from inside a sandbox. Tier host has no wall that could hold it to this. */
export interface NetworkPolicyOutput {
  agent: string;
  mode: "none" | "all" | "rules";
  rules: string[];
  /** nobody has set it; it is the setting `network` */
  default: boolean;
}

/** What an agent may reach was changed. */
export interface NetworkPolicySetData {
  mode: "none" | "all" | "rules";
  rules: string[];
  by: string;
}

/** A request of an agent was refused; told once a minute for each host, all are in network.log. */
export interface NetworkRefusedData {
  host: string;
  port: number;
  reason: string;
  /** the rule that would allow it, when one would */
  rule: string | null;
}

/** One request of an agent, as it was decided. */
export interface NetworkRequest {
  id: number;
  at: string;
  /** null: asked by the daemon for the agent, as browser.fetch does */
  pid: number | null;
  agent: string;
  allowed: boolean;
  /** CONNECT is a tunnel, whose inside nobody sees; TCP a service of this machine */
  method: string;
  host: string;
  port: number;
  path: string | null;
  /** where it was connected to */
  address: string | null;
  /** why it was refused, or failed */
  reason: string | null;
  /** the rule that would allow it */
  rule: string | null;
}

/** What it shall be from now on. */
export interface NetworkSetPolicyInput {
  /** agent (id or name); default: yourself */
  agent?: string | null;
  /** none: nothing; all: public addresses, and what rules list of others; rules: only what they name */
  mode: "none" | "all" | "rules";
  /** a rule is a host (`pypi.org`, `*.pypi.org`), an address or network (`10.0.0.5`, `10.0.0.0/8`), each with `:PORT` if only that port is meant, or `GET http://host/path*` for plain HTTP */
  rules?: string[];
}

/** A step, with the smaller steps it consists of. */
export interface NewStep {
  /** what is to be done, in a few words */
  title: string;
  /** where it stands */
  status?: "pending" | "active" | "done" | "failed" | "skipped";
  /** smaller steps, 4 levels in all */
  steps?: NewStep[];
}

/** What one behaviour was seen to be, with a scripted model. */
export interface Observed {
  behaviour: string;
  summary: string;
  /** None: it does not apply, or was not tried */
  holds: boolean | null;
  note: string;
}

/** One skill it shall be made of. */
export interface PartWish {
  /** skill id or name */
  skill: string;
  /** exactly this version; default the current one */
  version?: number | null;
}

/** A picture. MCP answers it as image content beside the text, `aetherctl` writes it to `--output`. */
export interface Picture {
  media_type: "image/png" | "image/jpeg";
  base64: string;
}

/** What a flow does at most. */
export interface Plan {
  steps: PlannedStep[];
  most_steps: number;
  most_agents: number;
  /** null: unbounded, see there */
  worst_case_usd: number | null;
  /** steps whose agents have no budget */
  unbounded: string[];
  budget: number | null;
}

/** The whole plan. */
export interface PlanCreateInput {
  /** what the plan is for */
  title: string;
  /** the steps in order */
  steps: NewStep[];
  /** whose plan (id or name); default your own */
  agent?: string | null;
}

/** The living plan of an agent. */
export interface PlanCreateOutput {
  id: string;
  agent: string;
  /** the process that wrote it last; null for a person */
  pid: number | null;
  title: string;
  steps: Step[];
  /** smallest steps that are done or skipped */
  done: number;
  /** smallest steps in all */
  total: number;
  version: number;
  created_at: string;
  updated_at: string;
}

/** The agent has a new plan; the one before is gone. */
export interface PlanCreatedData {
  plan: string;
  title: string;
  version: number;
  done: number;
  total: number;
}

/** Names a plan by its agent. */
export interface PlanGetInput {
  /** whose plan (id or name); default your own */
  agent?: string | null;
}

/** What changed; numbers of steps never do. */
export interface PlanUpdateInput {
  /** steps that moved on */
  changes?: StepChange[];
  /** steps that turned out to be needed */
  add?: StepAdded[];
  /** whose plan (id or name); default your own */
  agent?: string | null;
}

/** Steps changed or came in; `version` tells whether a copy of the plan is old. */
export interface PlanUpdatedData {
  plan: string;
  version: number;
  steps: Record<string, string>;
  done: number;
  total: number;
}

/** One step of a plan. */
export interface PlannedStep {
  /** the names that lead to it */
  step: string;
  kind: string;
  /** steps beside it that come first */
  needs: string[];
  what: string;
  /** how often it runs at most */
  times: number;
  /** how many of the steps in it at a time */
  max_parallel: number | null;
  /** null: its agents have no budget */
  worst_case_usd: number | null;
}

/** A pixel and what colour it shall have. */
export interface Point {
  /** pixels from the left */
  x: number;
  /** pixels from the top */
  y: number;
  /** #rrggbb */
  colour: string;
  /** how far each of red, green and blue may be off */
  tolerance?: number;
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
  /** the role it was started from */
  template: string | null;
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
  /** the usage limit it waits for */
  limited: Limited | null;
  /** who holds the control lease, if a person does */
  controller: string | null;
  /** why the agent asks for a person, while nobody has come */
  requested: string | null;
  /** questions waiting for a person */
  approvals: number;
  /** metered by the model gateway; else, when not `metered`, the runtime's own word */
  cost_usd: number;
  /** its calls to models go through the gateway, which counts them */
  metered: boolean;
  /** what its runtime says that it has cost */
  claimed_usd: number;
  /** for it and all it starts; null: none of its own */
  budget_usd: number | null;
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

/** What a running process may use was changed. */
export interface ProcessLimitsChangedData {
  /** those in force now, as in process.spawn */
  limits: Record<string, unknown>;
  by: string;
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
  /** what it shall do, as a prompt */
  goal?: string | null;
  /** name of a new agent; made up if absent */
  name?: string | null;
  /** existing agent (id or name) to run again */
  agent?: string | null;
  /** what it is for, in a few words */
  role?: string | null;
  /** command line, for runtime command */
  argv?: string[] | null;
  /** environment for the runtime; values are kept secret */
  env?: Record<string, string>;
  /** where it works; default is home/work */
  cwd?: string | null;
  /** where it runs */
  sandbox?: SandboxWish;
  /** workspace (id or name) to mount and to work in */
  workspace?: string | null;
  /** role to start from (template.list): instructions, model, limits, the only tools */
  template?: string | null;
  /** model name as the runtime knows it */
  model?: string | null;
  /** which aether tools it is shown */
  toolset?: "worker" | "lead" | "operator" | "all";
  /** hard limits */
  limits?: Limits;
  /** USD for its calls to models and those of all it starts; the call that could go past it is refused */
  budget?: number | null;
  /** higher starts sooner when the queue is full */
  priority?: number;
  /** pid of who spawns it; set for agents */
  parent?: number | null;
  /** with `agent`: go on in its last conversation, or start afresh */
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
  /** the only operations you may use; null: whatever your scopes allow */
  tools: string[] | null;
}

/** Names a profile by its agent. */
export interface ProfileGetInput {
  /** whose (id or name); default your own */
  agent?: string | null;
}

/** The same, with its tools. */
export interface ProfileGetOutput {
  agent: string;
  name: string;
  role: string | null;
  template: string | null;
  /** its newest 1,000 at most; all figures are about these */
  runs: number;
  /** of them have not ended */
  running: number;
  /** runs that have ended by outcome */
  outcomes: Record<string, number>;
  /** completed of those that have ended, 0 to 1; null before the first */
  success_rate: number | null;
  /** the runtimes' own estimates */
  cost_usd: number;
  input_tokens: number;
  output_tokens: number;
  /** null before a run has ended */
  durations: Durations | null;
  /** runs by runtime */
  runtimes: Record<string, number>;
  /** runs by model, where the runtime told it */
  models: Record<string, number>;
  thumbs_up: number;
  thumbs_down: number;
  last_run: LastRun | null;
  /** what a person wrote of it */
  notes: string;
  expertise: Expertise[];
  /** what it called most, in its newest 2,000 calls of tools */
  tools: ProfileTool[];
}

/** Which profiles. */
export interface ProfileListInput {
  /** also of agents put away */
  archived?: boolean;
  /** most profiles to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
}

/** A page of profiles, newest agent first. */
export interface ProfileListOutput {
  profiles: ProfileSummary[];
  cursor: string | null;
}

/** What an agent has done, counted over its newest runs; nothing of it is what it says of itself. */
export interface ProfileSummary {
  agent: string;
  name: string;
  role: string | null;
  template: string | null;
  /** its newest 1,000 at most; all figures are about these */
  runs: number;
  /** of them have not ended */
  running: number;
  /** runs that have ended by outcome */
  outcomes: Record<string, number>;
  /** completed of those that have ended, 0 to 1; null before the first */
  success_rate: number | null;
  /** the runtimes' own estimates */
  cost_usd: number;
  input_tokens: number;
  output_tokens: number;
  /** null before a run has ended */
  durations: Durations | null;
  /** runs by runtime */
  runtimes: Record<string, number>;
  /** runs by model, where the runtime told it */
  models: Record<string, number>;
  thumbs_up: number;
  thumbs_down: number;
  last_run: LastRun | null;
  /** what a person wrote of it */
  notes: string;
  expertise: Expertise[];
}

/** A tool and how often it was called. */
export interface ProfileTool {
  tool: string;
  calls: number;
}

/** What a person has to say of an agent; fields left out stay. */
export interface ProfileUpdateInput {
  /** whose (id or name) */
  agent: string;
  /** anything who gives it work should know */
  notes?: string | null;
  /** what it is good at, in place of what you said before */
  expertise?: string[] | null;
}

/** A person changed what they say of an agent. */
export interface ProfileUpdatedData {
  notes: string;
  expertise: string[];
}

/** How far an install is. */
export interface Progress {
  runtime: string;
  version: string;
  step: "waiting" | "node" | "npm" | "packages" | "checksums" | "switch" | "done";
  detail: string;
  elapsed_s: number;
}

/** A version that waits, or waited, for a person. */
export interface Proposal {
  id: string;
  skill: string;
  version: number;
  name: string;
  /** a new skill, not a version of one that is there */
  new: boolean;
  state: "waiting" | "approved" | "rejected";
  note: string;
  /** the person's */
  reason: string;
  /** who made it; null for a person */
  agent: string | null;
  agent_name: string;
  risk: "low" | "medium" | "high";
  reasons: Reason[];
  created_at: string;
  decided_at: string | null;
  decided_by: string | null;
}

/** A provider; its key is never shown. */
export interface Provider {
  name: string;
  dialect: "anthropic" | "openai" | "gemini" | "ollama";
  base_url: string;
  /** where the key is from */
  key: "configured" | "file" | "environment" | "none";
  kind: "key" | "bearer" | "claude";
  /** whether calls can be made */
  ready: boolean;
  /** what is missing, and how to mend it; empty when nothing */
  note: string;
  /** configured, by model */
  own_prices: Record<string, ModelPrice>;
}

/** A run reached a limit: of disk, then it was paused; of money, tokens or steps, then its call was refused. */
export interface QuotaExceededData {
  resource: "disk" | "usd" | "tokens" | "steps";
  /** bytes of disk, USD, tokens, or calls to models */
  used: number;
  /** bytes of disk, USD, tokens, or calls to models */
  bound: number;
  budget: "run" | "flow" | "agent" | "user" | "org";
  /** process id, number of the flow, agent id, org/user, or org */
  of: string | null;
  period: "run" | "day" | "month";
  resets_at: string | null;
}

/** Whose quota. */
export interface QuotaGetInput {
  /** agent (id or name); default: yourself, for a person all agents */
  agent?: string | null;
}

/** What an agent may use. */
export interface QuotaGetOutput {
  /** agent id; null: every agent of the user */
  agent: string | null;
  /** set for this agent; empty for all agents */
  own: QuotaLimits;
  /** set for each agent of the user */
  everyone: QuotaLimits;
  /** set for all agents of the user together; agents are not told */
  user: QuotaLimits;
  /** set for all of the organization together; agents are not told */
  org: QuotaLimits;
  /** what days and months have come to: of the agent, and for a person of all together */
  spending: Spending[];
  /** what its next run gets at most; in a sandbox, memory and processes have a bound beside */
  effective: QuotaLimits;
  /** cgroup2, cgroup1 or rlimit */
  enforced_by: string;
  /** what this machine cannot enforce, in words; empty when nothing */
  lacking: string;
}

/**
 * The most that each run may use, and all runs in a day or month (UTC). Null: no bound of this kind.
 *
 * Money and tokens are those of calls through the model gateway: a call that could go past one is refused.
 */
export interface QuotaLimits {
  /** cores; 0.5 is half of one */
  cpu: number | null;
  /** memory of all its programs together, with swap */
  memory_mb: number | null;
  /** processes and threads at the same time */
  pids: number | null;
  /** what the agent's home may hold. Looked at every few seconds: a fast writer goes past it, is then paused, and its files are refused until something was removed */
  disk_mb: number | null;
  /** a run is ended after this many seconds */
  wall_s: number | null;
  /** USD of a run with all it starts */
  budget: number | null;
  /** tokens of a run with all it starts */
  tokens: number | null;
  /** calls of a run to models, and as many of tools */
  steps: number | null;
  /** USD in a day */
  day_usd: number | null;
  /** USD in a calendar month */
  month_usd: number | null;
  /** tokens in a day */
  day_tokens: number | null;
  /** tokens in a calendar month */
  month_tokens: number | null;
}

/** A person changed what an agent, or every agent of theirs, may use. */
export interface QuotaSetData {
  /** those that are set now; without an agent they are for all */
  limits: Record<string, unknown>;
  /** each: every agent of the user; user and org: all of them together */
  of: "agent" | "each" | "user" | "org" | "run";
  by: string;
}

/** New bounds; those left out stay as they are, null lifts one. Those of disk, days and months hold at once. */
export interface QuotaSetInput {
  /** cores; 0.5 is half of one */
  cpu?: number | null;
  /** memory of all its programs together, with swap */
  memory_mb?: number | null;
  /** processes and threads at the same time */
  pids?: number | null;
  /** what the agent's home may hold. Looked at every few seconds: a fast writer goes past it, is then paused, and its files are refused until something was removed */
  disk_mb?: number | null;
  /** a run is ended after this many seconds */
  wall_s?: number | null;
  /** USD of a run with all it starts */
  budget?: number | null;
  /** tokens of a run with all it starts */
  tokens?: number | null;
  /** calls of a run to models, and as many of tools */
  steps?: number | null;
  /** USD in a day */
  day_usd?: number | null;
  /** USD in a calendar month */
  month_usd?: number | null;
  /** tokens in a day */
  day_tokens?: number | null;
  /** tokens in a calendar month */
  month_tokens?: number | null;
  /** agent (id or name); left out: every agent of yours, now and later */
  agent?: string | null;
  /** user: days and months of all your agents together; org: of everybody's */
  of?: "each" | "user" | "org";
  /** a run that is there: its budget, tokens or steps are changed at once */
  pid?: number | null;
}

/** Which part of the summary. */
export interface QuotaSummaryInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
}

/** What agents use now, newest agent first. */
export interface QuotaSummaryOutput {
  agents: AgentUsage[];
  cursor: string | null;
  /** calls to models of all agents, today and this month; empty for agents */
  spending: Spending[];
  /** of this machine */
  cores: number;
  /** of this machine */
  memory_bytes: number;
  /** where homes are */
  disk_free_bytes: number;
}

/** Most of a budget is spent: told once for each bound. */
export interface QuotaWarnedData {
  resource: "disk" | "usd" | "tokens" | "steps";
  /** bytes of disk, USD, tokens, or calls to models */
  used: number;
  /** bytes of disk, USD, tokens, or calls to models */
  bound: number;
  budget: "run" | "flow" | "agent" | "user" | "org";
  /** process id, number of the flow, agent id, org/user, or org */
  of: string;
  period: "run" | "day" | "month";
  resets_at: string | null;
}

/** One thing that makes it risky. */
export interface Reason {
  level: "low" | "medium" | "high";
  what: string;
  file: string | null;
  line: number | null;
  /** the line */
  text: string | null;
}

/** A memory and how well it fits. */
export interface RecalledMemory {
  id: string;
  layer: "episodic" | "semantic" | "procedural" | "social";
  namespace: "agent" | "team" | "workspace" | "global";
  /** id of the workspace whose it is */
  workspace: string | null;
  tags: string[];
  importance: number;
  /** whose it is; null for a person's */
  agent: string | null;
  created_at: string;
  updated_at: string | null;
  /** pid of the run that aetherd itself tells of here; null: remembered on purpose */
  journal: number | null;
  content: string;
  /** content is only the beginning; memory.get has it all */
  truncated: boolean;
  /** 0 to 1: fit of the words x importance x freshness, relative to the best fit */
  score: number;
}

/** What was learnt from a run; the rating is the agent's own, feedback is the person's. */
export interface Reflection {
  id: string;
  pid: number;
  agent: string;
  rating: number;
  lessons: string[];
  differently: string | null;
  skill: string | null;
  /** the procedural memory that keeps it; memory.recall finds it */
  memory: string;
  created_at: string;
  created_by: string;
}

/** A look back at your run; `rating` and `lessons` are enough. */
export interface ReflectionAddInput {
  /** how well it went: 1 it failed, 5 nothing to do better */
  rating: number;
  /** what to know next time, each understandable on its own */
  lessons: string[];
  /** what you would do differently */
  differently?: string | null;
  /** a skill that could be made of it: what for, and the file or memory that has its text */
  skill?: string | null;
  /** who recalls it. global: all agents of the same user; agent: you alone */
  namespace?: "agent" | "global";
  /** words to find it by */
  tags?: string[];
  /** the run; default your own that is running */
  pid?: number | null;
}

/** An agent looked back at its run; this is in the run's timeline. */
export interface ReflectionAddedData {
  reflection: string;
  rating: number;
  lessons: string[];
  differently: string | null;
  skill: string | null;
  memory: string;
}

/** Which reflections; newest first. */
export interface ReflectionListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only this agent's (id or name) */
  agent?: string | null;
  /** only on this run */
  pid?: number | null;
}

/** A page of reflections. */
export interface ReflectionListOutput {
  reflections: Reflection[];
  cursor: string | null;
}

/** A repository in which worktrees may be made. */
export interface Repository {
  id: string;
  path: string;
  base: string;
  test: string | null;
  test_timeout_s: number;
  /** merges that wait or are at work */
  queue: number;
  /** what our copies of its objects take on disk, beside the worktrees themselves */
  bytes: number;
}

/** A path that somebody keeps others off. */
export interface Reservation {
  id: string;
  workspace: string;
  path: string;
  tree: boolean;
  mode: "exclusive" | "shared";
  /** who holds it; null for a person */
  agent: string | null;
  /** the agent's name, or the person */
  holder: string;
  /** it ends with this process */
  pid: number | null;
  reason: string;
  created_at: string;
  expires_at: string;
}

/** A room's own word on how it is. */
export interface RoomHealth {
  ok: boolean;
  detail: string;
}

/** What a run with all it started has spent; and what it alone has, beside what its runtime tells of that. */
export interface RunMoney {
  budget: "run" | "flow" | "agent" | "user" | "org";
  /** process id, number of the flow, agent id, org/user, or org */
  of: string;
  /** days and months are those of UTC */
  period: "run" | "day" | "month";
  limit_usd: number | null;
  spent_usd: number;
  reserved_usd: number;
  limit_tokens: number | null;
  spent_tokens: number;
  reserved_tokens: number;
  /** its own calls to models */
  calls: number;
  /** when the day or month ends */
  resets_at: string | null;
  limit_steps: number | null;
  /** as its runtime tells */
  tool_calls: number;
  /** calls to models without a known price: not in the USD */
  unpriced: number;
  /** calls counted as the most they could cost, because nobody told */
  estimated: number;
  own_usd: number;
  own_tokens: number;
  /** as its runtime tells */
  claimed_usd: number;
  claimed_tokens: number;
  /** own less claimed; null: none of its calls was metered */
  difference_usd: number | null;
  difference_tokens: number | null;
}

/** What everything of one process uses now; null was not measured. */
export interface RunUsage {
  pid: number;
  state: string;
  tier: string;
  /** in force for this run, as in process.spawn */
  limits: Record<string, number>;
  /** without page cache that can go */
  memory_bytes: number | null;
  /** most so far, with page cache */
  memory_peak_bytes: number | null;
  /** processes and threads now */
  processes: number | null;
  /** processor seconds used */
  cpu_s: number | null;
  /** programs killed because its memory was full */
  oom_kills: number;
  /** cgroup; or processes: summed over those that live */
  source: string;
  /** its calls to models */
  money: RunMoney | null;
}

/** Which runtime. */
export interface RuntimeCheckInput {
  /** as process.spawn takes it, or the part after its colon: `acp:codex` or `codex` */
  runtime: string;
}

/** Whether what is installed is as it was installed, and runs. */
export interface RuntimeCheckOutput {
  runtime: string;
  ok: boolean;
  version: string | null;
  /** files that are missing or different, the first 20 */
  damaged: string[];
  /** what to do */
  problem: string | null;
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

/** A runtime, what it was seen to do, and what is installed of it. */
export interface RuntimeGetOutput {
  name: string;
  title: string;
  summary: string;
  /** outdated: it runs, and aetherd pins another version; broken: install it again */
  state: "ready" | "missing" | "outdated" | "broken" | "installing";
  available: boolean;
  /** as the runtime says */
  version: string | null;
  path: string | null;
  /** what to do when it is not available */
  missing: string | null;
  /** runtime.install can fetch it */
  installable: boolean;
  /** the version runtime.install fetches */
  pinned: string | null;
  /** the version below aetherd's home */
  installed: string | null;
  /** an install that is under way */
  installing: Progress | null;
  /** environment variables it can use */
  needs: string[];
  /** as its adapter says */
  capabilities: Record<string, boolean>;
  /** from the conformance bench; empty when it was not put through it */
  observed: Observed[];
  /** the version the bench saw */
  observed_version: string | null;
  /** what is fetched, pinned */
  packages: string[];
  /** the Node it gets */
  node: string | null;
  /** on disk */
  bytes: number | null;
  files: number | null;
  installed_at: string | null;
  /** pids that run it now */
  processes: number[];
}

/** A runtime, and whether it can run here. */
export interface RuntimeInfo {
  name: string;
  title: string;
  summary: string;
  /** outdated: it runs, and aetherd pins another version; broken: install it again */
  state: "ready" | "missing" | "outdated" | "broken" | "installing";
  available: boolean;
  /** as the runtime says */
  version: string | null;
  path: string | null;
  /** what to do when it is not available */
  missing: string | null;
  /** runtime.install can fetch it */
  installable: boolean;
  /** the version runtime.install fetches */
  pinned: string | null;
  /** the version below aetherd's home */
  installed: string | null;
  /** an install that is under way */
  installing: Progress | null;
  /** environment variables it can use */
  needs: string[];
  /** as its adapter says */
  capabilities: Record<string, boolean>;
}

/** It could not be installed; what was there before is still in use. */
export interface RuntimeInstallFailedData {
  runtime: string;
  error: string;
}

/** A version was installed and is in use from now on; what runs goes on with the one it was started with. */
export interface RuntimeInstalledData {
  runtime: string;
  version: string;
  before: string | null;
}

/** No input. */
export type RuntimeListInput = Record<string, never>;

/** Every adapter there is. */
export interface RuntimeListOutput {
  runtimes: RuntimeInfo[];
}

/** It is gone. */
export interface RuntimeRemoveOutput {
  runtime: string;
  version: string | null;
  freed_bytes: number;
}

/** An installed runtime was removed. */
export interface RuntimeRemovedData {
  runtime: string;
  version: string | null;
}

/** Which runtime, or all of them. */
export interface RuntimeUpdateInput {
  /** as process.spawn takes it, or the part after its colon: `acp:codex` or `codex`; none: all that are installed */
  runtime?: string | null;
}

/** What was brought to its pinned version. */
export interface RuntimeUpdateOutput {
  updated: Progress[];
  unchanged: string[];
}

/** One value. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  /** none: not a number */
  value: number | null;
}

/** Where a process runs. */
export interface Sandbox {
  pid: number;
  agent: string;
  /** the agent's name */
  name: string;
  /** the process's own */
  state: string;
  tier: "docker" | "bwrap" | "host";
  /** under whom it runs; null: the daemon's own uid */
  uid: number | null;
  /** container image it asked for, tier docker */
  image: string | null;
  /** egress policy it was started with; null: the agent's own policy */
  network: string | null;
  graphical: boolean;
  /** as process.spawn takes them; those that hold now */
  limits: Record<string, unknown>;
  /** its home, its workspaces; not what its runtime needs to read */
  mounts: SandboxMounted[];
}

/** Make an image from one of our recipes. */
export interface SandboxBuildImageInput {
  /** see sandbox.images */
  recipe?: string;
  /** debootstrap needs no registry; dockerfile an engine that may pull */
  way?: "auto" | "debootstrap" | "dockerfile";
}

/** A command to run in a process's sandbox. */
export interface SandboxExecInput {
  /** process id; default is the calling agent's own */
  pid?: number | null;
  /** the command line; no shell takes it apart */
  argv: string[];
  /** default is the agent's working directory */
  cwd?: string | null;
  /** killed with all it started after so long */
  timeout_s?: number;
  /** most bytes of output to answer; the rest: file */
  limit?: number;
}

/** How it went. */
export interface SandboxExecOutput {
  pid: number;
  /** exit code; null when a signal or the timeout ended it */
  code: number | null;
  signal: number | null;
  timed_out: boolean;
  duration_s: number;
  /** as UTF-8, invalid bytes replaced; its first bytes where it is cut */
  stdout: string;
  /** its last bytes where it is cut */
  stderr: string;
  /** whether standard output was longer than `limit` */
  truncated: boolean;
  /** of standard output, in all */
  bytes: number;
  /** in the agent's home: the whole standard output, when it is cut here */
  file: string | null;
}

/** Names a process, whose sandbox is meant; without a pid the caller's own. */
export interface SandboxGetInput {
  /** process id; default is the calling agent's own */
  pid?: number | null;
}

/** An image was made from its recipe. */
export interface SandboxImageMadeData {
  image: string;
  recipe: string;
}

/** No input. */
export type SandboxImagesInput = Record<string, never>;

/** Images for the tier docker. */
export interface SandboxImagesOutput {
  images: Image[];
  /** why there is no tier docker here; then no image can be built or used */
  unavailable: string | null;
}

/** Which page of them; oldest process first. */
export interface SandboxListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
}

/** The tiers of this machine, and where each process runs. */
export interface SandboxListOutput {
  tiers: TierFound[];
  /** what enforces limits here, and what it leaves out */
  limits: string;
  sandboxes: Sandbox[];
  cursor: string | null;
}

/** A path of this machine that its programs reach, at the same path. */
export interface SandboxMounted {
  path: string;
  readonly: boolean;
}

/** The kernel killed programs in it that wanted more memory than the limit allows. */
export interface SandboxOomKilledData {
  kills: number;
}

/** Remove what no process needs any more. */
export interface SandboxPruneInput {
  /** also our own images that no container uses */
  images?: boolean;
  /** only tell what would be removed */
  dry_run?: boolean;
}

/** What was, or would be, removed. */
export interface SandboxPruneOutput {
  /** sandboxes without a process, and images */
  removed: string[];
  /** false for a dry run */
  done: boolean;
}

/** What was left of sandboxes without a process was removed. */
export interface SandboxPrunedData {
  removed: string[];
}

/** Limits to change while it runs; what is not named stays. 0 lifts one. */
export interface SandboxSetLimitsInput {
  /** process id; default is the calling agent's own */
  pid?: number | null;
  /** cores it may use; 0.5 is half of one */
  cpu?: number | null;
  /** of all its programs together */
  memory_mb?: number | 0 | null;
  /** processes and threads */
  pids?: number | null;
  /** what its home may hold */
  disk_mb?: number | 0 | null;
}

/** Those now in force. */
export interface SandboxSetLimitsOutput {
  pid: number;
  /** as process.spawn takes them; those that hold now */
  limits: Record<string, unknown>;
}

/** What everything of a process uses together. */
export interface SandboxStatsOutput {
  pid: number;
  /** without what the kernel only keeps to be quick; null: not measured */
  memory_bytes: number | null;
  /** most it ever had; null where nobody counts it */
  memory_peak: number | null;
  /** processes and threads */
  processes: number | null;
  /** seconds of processor time so far */
  cpu_s: number | null;
  /** programs that were killed because memory was full */
  oom_kills: number;
  /** cgroup, or processes: added up without one */
  source: string;
  /** as process.spawn takes them; those that hold now */
  limits: Record<string, unknown>;
}

/** Where it should run; left out, as the setting `sandbox` says. */
export interface SandboxWish {
  /** docker, bwrap or host (no walls); see sandbox.list */
  tier?: "docker" | "bwrap" | "host" | null;
  /** none, all, or rules: `pypi.org, *.npmjs.org:443` */
  network?: string | null;
  /** for tier docker; see sandbox.images */
  image?: string | null;
  /** with a desktop */
  graphical?: boolean;
  /** GPUs of its own: true for one, or how many */
  gpu?: boolean | number;
  /** exactly these GPUs (gpu.list) */
  gpu_devices?: string[];
}

/** One setting, as it is now. */
export interface Setting {
  name: string;
  env: string;
  value: unknown;
  doc: string;
}

/** One skill, as far as its current version goes. */
export interface Skill {
  id: string;
  name: string;
  description: string;
  /** the current one; 0 while it is only proposed */
  version: number;
  /** whose it is; null for a person */
  agent: string | null;
  /** all agents of the person have it */
  everyone: boolean;
  /** ids of agents it is shared with */
  shared: string[];
  /** it has steps: skill.run */
  runnable: boolean;
  risk: "low" | "medium" | "high";
  /** why, worst first */
  reasons: Reason[];
  /** what its text lets a model use without asking */
  tools: string[];
  permissions: string[];
  created_at: string;
  created_by: string;
}

/** Which proposal, and for whom. */
export interface SkillApproveInput {
  /** proposal id */
  proposal: string;
  /** why; the agent is told */
  reason?: string;
  /** of a new skill: give it to all your agents; false: only to the one that made it */
  everyone?: boolean;
}

/** A person took a proposal; `agent` is who made it. */
export interface SkillApprovedData {
  proposal: string;
  skill: string;
  name: string;
  version: number;
}

/** Which skills, and how they go together. */
export interface SkillComposeInput {
  /** name of the whole */
  name: string;
  /** what the whole does and when to use it */
  description: string;
  /** what it is made of, in order */
  parts: PartWish[];
  /** how they go together, for the model; default: one by one */
  text?: string;
}

/** A new skill, or the next version of your own of that name. */
export interface SkillCreateInput {
  /** lowercase letters, digits and hyphens, as Claude Code names skills */
  name: string;
  /** what it does and when to use it: models choose by it; left out, the head of `text` says it */
  description?: string | null;
  /** SKILL.md: what a model shall do, step by step; with or without its YAML head */
  text: string;
  /** more files by path, such as scripts/check.sh; steps.yaml makes it one that skill.run runs */
  files?: Record<string, string>;
  /** which of the files can be executed */
  executable?: string[];
  /** allowed-tools: what the model may use without asking, such as Read */
  tools?: string[];
  /** what it may need; steps that use more are refused */
  permissions?: ("files" | "model" | "network" | "shell")[] | null;
}

/** A skill is there; `agent` is whose it is, None a person's. */
export interface SkillCreatedData {
  skill: string;
  name: string;
  version: number;
  risk: string;
}

/** What it should be good for. */
export interface SkillDiscoverInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** words; the best fit comes first; empty lists all */
  query?: string;
  /** also proposals that wait for a person, and what became of yours */
  proposals?: boolean;
  /** only what this agent (id or name) has */
  agent?: string | null;
}

/** A page of skills. */
export interface SkillDiscoverOutput {
  skills: Skill[];
  /** newest first, at most 100; empty unless asked for */
  proposals: Proposal[];
  cursor: string | null;
}

/** A file of it. */
export interface SkillFile {
  path: string;
  size: number;
  executable: boolean;
}

/** Its steps were run, or tried with `test`; `agent` is in whose place. */
export interface SkillFinishedData {
  skill: string;
  name: string;
  version: number;
  test: boolean;
  outcome: string;
}

/** Which part of it. */
export interface SkillGetInput {
  /** skill id or name */
  skill: string;
  /** default the current one */
  version?: number | null;
  /** show this file instead of SKILL.md */
  file?: string | null;
}

/** A version with its text. */
export interface SkillGetOutput {
  id: string;
  name: string;
  description: string;
  /** the current one; 0 while it is only proposed */
  version: number;
  /** whose it is; null for a person */
  agent: string | null;
  /** all agents of the person have it */
  everyone: boolean;
  /** ids of agents it is shared with */
  shared: string[];
  /** it has steps: skill.run */
  runnable: boolean;
  risk: "low" | "medium" | "high";
  /** why, worst first */
  reasons: Reason[];
  /** what its text lets a model use without asking */
  tools: string[];
  permissions: string[];
  created_at: string;
  created_by: string;
  /** the version that is shown */
  shown: number;
  /** of the whole version */
  sha256: string;
  files: SkillFile[];
  parts: SkillPart[];
  /** SKILL.md, or the file that was asked for */
  text: string;
}

/** From where; give one of path and archive. */
export interface SkillInstallInput {
  /** folder or archive: relative to the agent's home or the workspace; a person also names any by / */
  path?: string | null;
  /** workspace (id or name) the path is in */
  workspace?: string | null;
  /** agent whose home the path is in; default you */
  agent?: string | null;
  /** zip or tar (gz, bz2, xz) as base64; a big one goes by path */
  archive?: string | null;
}

/** What a skill was made of. */
export interface SkillPart {
  skill: string;
  name: string;
  version: number;
}

/** What a person shall take for all agents. */
export interface SkillProposeInput {
  /** lowercase letters, digits and hyphens, as Claude Code names skills */
  name: string;
  /** what it does and when to use it: models choose by it; left out, the head of `text` says it */
  description?: string | null;
  /** SKILL.md: what a model shall do, step by step; with or without its YAML head */
  text: string;
  /** more files by path, such as scripts/check.sh; steps.yaml makes it one that skill.run runs */
  files?: Record<string, string>;
  /** which of the files can be executed */
  executable?: string[];
  /** allowed-tools: what the model may use without asking, such as Read */
  tools?: string[];
  /** what it may need; steps that use more are refused */
  permissions?: ("files" | "model" | "network" | "shell")[] | null;
  /** the skill of which it is a new version (id or name); left out, a new skill */
  skill?: string | null;
  /** why: what it is good for, how you tried it */
  note?: string;
}

/** An agent asks a person to take a skill, or a version, for all; `agent` is who. */
export interface SkillProposedData {
  proposal: string;
  skill: string;
  name: string;
  version: number;
  risk: string;
}

/** Which proposal, and why not. */
export interface SkillRejectInput {
  /** proposal id */
  proposal: string;
  /** why not; the agent is told */
  reason: string;
}

/** A person did not take a proposal; `agent` is who made it. */
export interface SkillRejectedData {
  proposal: string;
  skill: string;
  name: string;
  reason: string;
}

/** Names a skill. */
export interface SkillRemoveInput {
  /** skill id or name */
  skill: string;
}

/** What is gone. */
export interface SkillRemoveOutput {
  skill: string;
  name: string;
  versions: number;
}

/** It is gone for good, with all its versions. */
export interface SkillRemovedData {
  skill: string;
  name: string;
}

/** An older version is the current one again. */
export interface SkillRevertedData {
  skill: string;
  name: string;
  version: number;
  before: number;
}

/** It has a new version, which is now the current one. */
export interface SkillRevisedData {
  skill: string;
  name: string;
  version: number;
  risk: string;
}

/** To which version. */
export interface SkillRollbackInput {
  /** skill id or name */
  skill: string;
  /** the one that shall be current */
  version: number;
}

/** With what, and in whose place. */
export interface SkillRunInput {
  /** skill id or name */
  skill: string;
  /** what its steps.yaml declares */
  inputs?: Record<string, unknown>;
  /** agent (id or name) as which it runs; default you, a person names one */
  agent?: string | null;
  /** default the current one */
  version?: number | null;
  /** for all steps together */
  timeout_s?: number;
}

/** What came of it. */
export interface SkillRunOutput {
  skill: string;
  version: number;
  outcome: "completed" | "failed";
  out: unknown;
  problem: string | null;
  steps: StepDone[];
}

/** With whom. */
export interface SkillShareInput {
  /** skill id or name */
  skill: string;
  /** this agent (id or name) */
  agent?: string | null;
  /** all agents of the person; only a person says so */
  everyone?: boolean;
  /** take it back instead */
  stop?: boolean;
}

/** Who may use it has changed; `to` is the agent that has it now, or no more, None all of the person's. */
export interface SkillSharedData {
  skill: string;
  name: string;
  to: string | null;
  shared: boolean;
}

/** With what; without inputs the tests of its steps.yaml are run. */
export interface SkillTestInput {
  /** skill id or name */
  skill: string;
  /** try it with these */
  inputs?: Record<string, unknown> | null;
  /** default the current one */
  version?: number | null;
  /** for everything together */
  timeout_s?: number;
}

/** What a throw-away agent found. */
export interface SkillTestOutput {
  skill: string;
  version: number;
  passed: boolean;
  cases: CaseDone[];
}

/** One version. */
export interface SkillVersion {
  version: number;
  current: boolean;
  /** false while it is only proposed, or was rejected */
  taken: boolean;
  sha256: string;
  description: string;
  files: number;
  bytes: number;
  risk: "low" | "medium" | "high";
  /** create, install, compose or propose */
  source: string;
  parts: SkillPart[];
  created_at: string;
  created_by: string;
}

/** All of them, newest first. */
export interface SkillVersionsOutput {
  skill: string;
  name: string;
  versions: SkillVersion[];
}

/** An agent as it was at one moment: files, conversation, and the position in the event log. */
export interface Snapshot {
  id: string;
  /** agent id */
  agent: string;
  /** as it was called then */
  agent_name: string;
  name: string | null;
  /** manual, auto (a checkpoint after a turn) or safety (what a restore took the place of) */
  kind: string;
  /** creating or ready */
  state: string;
  /** its newest process then */
  pid: number | null;
  runtime: string | null;
  /** the runtime's own conversation id */
  session: string | null;
  /** id of the newest event then */
  event: number;
  /** SHA-256 of the manifest; every file is named by its own in there */
  digest: string;
  files: number;
  /** of its files as they are read */
  bytes: number;
  /** bytes that it added to the store; what was there before is shared */
  stored: number;
  /** how long the agent stood still for it */
  frozen_ms: number;
  created_at: string;
  created_by: string;
}

/** Whom to keep as it is. */
export interface SnapshotCreateInput {
  /** agent (id or name); default: the caller */
  agent?: string | null;
  /** what it is called, for people */
  name?: string | null;
}

/** An agent was kept as it is. It is not of a process's story, which may have ended before: `of` names that. */
export interface SnapshotCreatedData {
  snapshot: string;
  of: number | null;
  name: string | null;
  kind: string;
  files: number;
  bytes: number;
  stored: number;
  frozen_ms: number;
}

/** What to compare. */
export interface SnapshotDiffInput {
  /** snapshot id */
  snapshot: string;
  /** a later snapshot; default: the agent as it is now */
  other?: string | null;
  /** with the changed lines of small text files */
  text?: boolean;
  /** most files to name */
  limit?: number;
}

/** One was begun and could not be made; nothing of it is kept. */
export interface SnapshotFailedData {
  snapshot: string;
  kind: string;
  reason: string;
}

/** How to run an agent as it was under a new one. */
export interface SnapshotForkInput {
  /** snapshot id */
  snapshot: string;
  /** name of the new agent; made up if absent */
  name?: string | null;
  /** what the agent is told then; default: it waits for a word */
  text?: string | null;
  /** environment for the runtime, as in process.spawn: a snapshot holds no secrets */
  env?: Record<string, string>;
}

/** What became of it. */
export interface SnapshotForkOutput {
  snapshot: string;
  agent: string;
  /** the process that goes on; null with dry_run */
  pid: number | null;
  /** the conversation it goes on in; null: a new one */
  session: string | null;
  /** new: this runtime cannot go on in an old one */
  conversation: "resumed" | "new";
  /** brought back */
  files: number;
  /** what is undone by it; null for a fork */
  changes: Difference | null;
  /** snapshot of the state before; restore that to undo this */
  safety: string | null;
  /** workspaces that stay as they are, and why */
  left: Left[];
  done: boolean;
}

/** A new agent (`agent`) goes on from another's snapshot. */
export interface SnapshotForkedData {
  snapshot: string;
  source: string;
}

/** Names one snapshot, and whether to read all of it. */
export interface SnapshotGetInput {
  /** snapshot id */
  snapshot: string;
  /** read every stored file and compare its hash; may take a while */
  verify?: boolean;
}

/** A snapshot with what it holds. */
export interface SnapshotGetOutput {
  id: string;
  /** agent id */
  agent: string;
  /** as it was called then */
  agent_name: string;
  name: string | null;
  /** manual, auto (a checkpoint after a turn) or safety (what a restore took the place of) */
  kind: string;
  /** creating or ready */
  state: string;
  /** its newest process then */
  pid: number | null;
  runtime: string | null;
  /** the runtime's own conversation id */
  session: string | null;
  /** id of the newest event then */
  event: number;
  /** SHA-256 of the manifest; every file is named by its own in there */
  digest: string;
  files: number;
  /** of its files as they are read */
  bytes: number;
  /** bytes that it added to the store; what was there before is shared */
  stored: number;
  /** how long the agent stood still for it */
  frozen_ms: number;
  created_at: string;
  created_by: string;
  parts: SnapshotPart[];
  /** pipes, credentials, what could not be read: at most 200 */
  left_out: Left[];
  left_out_total: number;
  /** what its process was: model, limits, directory, goal */
  process: Record<string, unknown> | null;
  /** its plan then */
  plan: Record<string, unknown> | null;
  /** the newest messages it had got, at most 50 */
  messages: Record<string, unknown>[];
  /** whether every file was read and is whole */
  verified: boolean;
}

/** Which snapshots. */
export interface SnapshotListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only of this agent (id or name) */
  agent?: string | null;
  /** only manual, auto or safety ones */
  kind?: "manual" | "auto" | "safety" | null;
}

/** A page of snapshots, newest first. */
export interface SnapshotListOutput {
  snapshots: Snapshot[];
  cursor: string | null;
}

/** A directory that is in it. */
export interface SnapshotPart {
  /** home, or the id of a workspace */
  name: string;
  /** where it was */
  path: string;
  files: number;
  bytes: number;
}

/** Names one snapshot. */
export interface SnapshotRemoveInput {
  /** snapshot id */
  snapshot: string;
}

/** It is gone. */
export interface SnapshotRemoveOutput {
  snapshot: string;
  agent: string;
}

/** It is gone for good. */
export interface SnapshotRemovedData {
  snapshot: string;
  kind: string;
  reason: string;
}

/** How to go back to a snapshot. */
export interface SnapshotRestoreInput {
  /** snapshot id */
  snapshot: string;
  /** only say what would change */
  dry_run?: boolean;
  /** what the agent is told then; default: it waits for a word */
  text?: string | null;
  /** environment for the runtime, as in process.spawn: a snapshot holds no secrets */
  env?: Record<string, string>;
  /** bring its workspaces back too; one that another running agent has is left as it is */
  workspaces?: boolean;
}

/** An agent goes on from a snapshot, as a new process. */
export interface SnapshotRestoredData {
  snapshot: string;
  safety: string | null;
}

/** What was spent of a budget, and is set aside for calls under way; a limit is null where none is set. */
export interface Spending {
  budget: "run" | "flow" | "agent" | "user" | "org";
  /** process id, number of the flow, agent id, org/user, or org */
  of: string;
  /** days and months are those of UTC */
  period: "run" | "day" | "month";
  limit_usd: number | null;
  spent_usd: number;
  reserved_usd: number;
  limit_tokens: number | null;
  spent_tokens: number;
  reserved_tokens: number;
  /** to models */
  calls: number;
  /** when the day or month ends */
  resets_at: string | null;
}

/** One step of a plan. */
export interface Step {
  /** 2.1 is the first step in step 2; it stays while the plan lives */
  number: string;
  title: string;
  status: "pending" | "active" | "done" | "failed" | "skipped";
  note: string | null;
  steps: Step[];
}

/** A step that comes in at the end. */
export interface StepAdded {
  /** what is to be done, in a few words */
  title: string;
  /** where it stands */
  status?: "pending" | "active" | "done" | "failed" | "skipped";
  /** smaller steps, 4 levels in all */
  steps?: NewStep[];
  /** number of the step it is part of; default none */
  under?: string | null;
}

/** What is new about one step. */
export interface StepChange {
  /** its number, such as 2 or 2.1 */
  step: string;
  /** where it stands now */
  status?: "pending" | "active" | "done" | "failed" | "skipped" | null;
  /** new wording */
  title?: string | null;
  /** what came of it, or why it failed */
  note?: string | null;
}

/** What became of a step. */
export interface StepDone {
  name: string;
  kind: string;
  state: "done" | "skipped" | "failed";
  /** what it gave; long texts are cut */
  out: unknown;
  /** exit code of a command, status of an answer */
  code: number | null;
  /** why it failed */
  problem: string | null;
  ms: number;
}

/** A place a call would go to, after those before it failed. */
export interface Stop {
  provider: string;
  model: string;
  ready: boolean;
  /** the most that is set aside for it; null: no known price */
  most_usd: number | null;
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

/** One tab. */
export interface Tab {
  tab: string;
  url: string;
  title: string;
  /** the one that was used last */
  active: boolean;
}

/** One task. */
export interface Task {
  id: string;
  title: string;
  text: string;
  /** text or result is only the beginning; task.get has it all */
  truncated: boolean;
  queue: string;
  priority: number;
  /** waiting for others, queued, delayed until tried again, claimed, done, dead after too many attempts, or cancelled */
  state: "waiting" | "queued" | "delayed" | "claimed" | "done" | "dead" | "cancelled";
  /** who made it; null for a person */
  agent: string | null;
  /** the only agent that may do it */
  to: string | null;
  /** who works on it */
  holder: string | null;
  attempt: number;
  max_attempts: number;
  /** when the lease of its holder ends, or when it is tried again */
  due: string | null;
  /** the task it is a part of */
  parent: string | null;
  depends_on: string[];
  result: string | null;
  /** why the last attempt failed, or why it was cancelled */
  reason: string | null;
  data: Record<string, unknown> | null;
  created_at: string;
  claimed_at: string | null;
  ended_at: string | null;
}

/** Which task, and why. */
export interface TaskCancelInput {
  /** task id */
  id: string;
  /** why, for whoever works on it */
  reason?: string;
}

/** What will not be done. */
export interface TaskCancelOutput {
  /** the task, its parts, and all that waited for one of them */
  ids: string[];
}

/** Nobody shall do it any more; `agent` is who made it. */
export interface TaskCancelledData {
  task: string;
  queue: string;
  reason: string;
}

/** Which task; without an id the next of the queue. */
export interface TaskClaimInput {
  /** this task; one you hold gets a longer lease */
  id?: string | null;
  /** without an id: where to look */
  queue?: string;
  /** how long you keep it; claim it again by id to keep it longer */
  lease_s?: number;
  /** to renew: the lease you have; only needed when you share a token */
  lease?: string | null;
  /** without an id: how long to wait when there is nothing */
  wait_s?: number;
}

/** What you work on now; null when there is nothing to do. */
export interface TaskClaimOutput {
  task: Task | null;
  /** proves that you hold it; only needed when you share a token with others */
  lease: string | null;
  /** results of what had to be done first; long ones are cut */
  inputs: Needed[];
}

/** Somebody works on it until the lease ends; `agent` is who. */
export interface TaskClaimedData {
  task: string;
  queue: string;
  title: string;
  attempt: number;
  until: string;
}

/** What came of it. */
export interface TaskCompleteInput {
  /** task id */
  id: string;
  /** what came of it, for whoever goes on from here */
  result?: string;
  /** the lease you have; only needed when you share a token */
  lease?: string | null;
}

/** It is done; `agent` is who did it. */
export interface TaskCompletedData {
  task: string;
  queue: string;
  attempt: number;
}

/** Work for whoever takes it; `title` is enough. */
export interface TaskCreateInput {
  /** what it is, in a line */
  title: string;
  /** what is to be done, and how one sees that it is done */
  text?: string;
  /** where workers look for it */
  queue?: string;
  /** higher is taken first */
  priority?: number;
  /** ids of tasks that must be done first */
  depends_on?: string[];
  /** only this agent (id or name) may do it; it is told, and you how it goes */
  to?: string | null;
  /** anything structured that goes with it */
  data?: Record<string, unknown> | null;
  /** tries before it becomes a dead letter */
  max_attempts?: number;
  /** pause after the first failure; doubles each time */
  backoff_s?: number;
  /** pieces it consists of; it can be claimed when all are done */
  parts?: TaskPart[];
}

/** The task, and its parts by their keys. */
export interface TaskCreateOutput {
  id: string;
  title: string;
  text: string;
  /** text or result is only the beginning; task.get has it all */
  truncated: boolean;
  queue: string;
  priority: number;
  /** waiting for others, queued, delayed until tried again, claimed, done, dead after too many attempts, or cancelled */
  state: "waiting" | "queued" | "delayed" | "claimed" | "done" | "dead" | "cancelled";
  /** who made it; null for a person */
  agent: string | null;
  /** the only agent that may do it */
  to: string | null;
  /** who works on it */
  holder: string | null;
  attempt: number;
  max_attempts: number;
  /** when the lease of its holder ends, or when it is tried again */
  due: string | null;
  /** the task it is a part of */
  parent: string | null;
  depends_on: string[];
  result: string | null;
  /** why the last attempt failed, or why it was cancelled */
  reason: string | null;
  data: Record<string, unknown> | null;
  created_at: string;
  claimed_at: string | null;
  ended_at: string | null;
  /** key -> task id */
  parts: Record<string, string>;
}

/** A task is durable; `agent` is who made it. */
export interface TaskCreatedData {
  task: string;
  queue: string;
  title: string;
  state: string;
  parent: string | null;
}

/** Whom to give it to: an agent that exists, or a new one. */
export interface TaskDelegateInput {
  /** task id */
  id: string;
  /** an agent (id or name); it gets a message */
  to?: string | null;
  /** or start a new agent in this runtime for it */
  runtime?: string | null;
  /** name of the new agent */
  name?: string | null;
  /** model of the new agent */
  model?: string | null;
}

/** The task, and who has it now. */
export interface TaskDelegateOutput {
  task: Task;
  /** agent id */
  agent: string;
  /** the process that was started for it */
  pid: number | null;
}

/** It was given to one agent; `agent` is that one. */
export interface TaskDelegatedData {
  task: string;
  queue: string;
  title: string;
  by: string;
}

/** The lease ended, or the process did, before the task was done; `agent` is who had it. */
export interface TaskExpiredData {
  task: string;
  queue: string;
  attempt: number;
  state: string;
  reason: string;
}

/** Why it did not work. */
export interface TaskFailInput {
  /** task id */
  id: string;
  /** what went wrong, for who tries next */
  reason: string;
  /** false: trying again is of no use; it becomes a dead letter */
  retry?: boolean;
  /** the lease you have; only needed when you share a token */
  lease?: string | null;
}

/** An attempt went wrong; `state` says whether it is tried again, `agent` is who tried. */
export interface TaskFailedData {
  task: string;
  queue: string;
  attempt: number;
  state: string;
  due: string | null;
}

/** Names one task. */
export interface TaskGetInput {
  /** task id */
  id: string;
}

/** Which tasks; newest first. */
export interface TaskListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only in these states; default all */
  states?: ("waiting" | "queued" | "delayed" | "claimed" | "done" | "dead" | "cancelled")[];
  /** only this queue */
  queue?: string | null;
  /** only the parts of this task */
  parent?: string | null;
  /** only what you made, hold or were given */
  mine?: boolean;
}

/** A page of tasks; long texts are cut. */
export interface TaskListOutput {
  tasks: Task[];
  cursor: string | null;
}

/** A piece of a larger task, for others to do. */
export interface TaskPart {
  /** short name, for `depends_on` of the other parts */
  key: string;
  /** what it is, in a line */
  title: string;
  /** what is to be done, and how one sees that it is done */
  text?: string;
  /** keys of other parts, or ids of tasks, that come first */
  depends_on?: string[];
  /** default: the queue of the whole */
  queue?: string | null;
  /** only this agent (id or name) may do it */
  to?: string | null;
}

/** It can be claimed now: what it waited for is done, or it is time to try again; `agent` is who made it. */
export interface TaskQueuedData {
  task: string;
  queue: string;
  attempt: number;
}

/** A role of your own; `name` and `title` are enough. */
export interface TemplateCreateInput {
  /** what it is called in process.spawn: small letters, digits and dashes */
  name: string;
  /** the role, in a few words */
  title: string;
  /** what it is good for, for who chooses */
  description?: string;
  /** what each of its agents is told before its goal */
  instructions?: string;
  /** what it runs on, where the spawn does not say */
  runtime?: string;
  /** model as that runtime knows it, where the spawn names none */
  model?: string | null;
  /** menu of tools it is shown; default all of `tools`, or worker without such a list */
  toolset?: "worker" | "lead" | "operator" | "all" | null;
  /** the only aether operations it may use (tool.search names them); null: whatever an agent may. It binds aether's tools alone, not those that a runtime brings along */
  tools?: string[] | null;
  /** hard limits of its runs */
  limits?: TemplateLimitsInput;
  /** words to find it by */
  tags?: string[];
}

/** A template in full. */
export interface TemplateCreateOutput {
  name: string;
  title: string;
  description: string;
  version: number;
  /** it comes with aetherd and cannot be changed; fork it */
  builtin: boolean;
  runtime: string;
  model: string | null;
  toolset: "worker" | "lead" | "operator" | "all";
  /** the only aether operations its agents may use; null: no list */
  tools: string[] | null;
  limits: TemplateLimits;
  tags: string[];
  /** average of 1 to 5; null while nobody has rated it */
  rating: number | null;
  ratings: number;
  /** name and version of the template it was copied from */
  forked_from: string | null;
  created_at: string | null;
  created_by: string | null;
  instructions: string;
}

/** Somebody made a template of their own. */
export interface TemplateCreatedData {
  template: string;
  title: string;
  forked_from: string | null;
}

/** A copy of your own of any template, with what shall be different. */
export interface TemplateForkInput {
  /** name of the template to copy */
  template: string;
  /** name of the copy */
  name: string;
  /** another title */
  title?: string | null;
  /** another description */
  description?: string | null;
  /** other instructions */
  instructions?: string | null;
  /** another runtime */
  runtime?: string | null;
  /** another model */
  model?: string | null;
  /** another menu */
  toolset?: "worker" | "lead" | "operator" | "all" | null;
  /** another list of tools, in place of the whole old one */
  tools?: string[] | null;
  /** other limits, in place of the old ones */
  limits?: TemplateLimitsInput | null;
  /** other tags */
  tags?: string[] | null;
}

/** Names one template. */
export interface TemplateGetInput {
  /** name of the template */
  template: string;
}

/** Hard limits of a run, as process.spawn takes them; left out means none. */
export interface TemplateLimits {
  /** stopped after this many seconds */
  wall_s: number | null;
  /** cores it may use */
  cpu: number | null;
  /** memory of all its programs together */
  memory_mb: number | null;
  /** processes and threads at the same time */
  pids: number | null;
  /** what its home may hold */
  disk_mb: number | null;
  /** largest file it may write, RLIMIT_FSIZE */
  file_mb: number | null;
  /** RLIMIT_NOFILE */
  open_files: number | null;
  /** USD for its calls to models and those of all it starts */
  budget: number | null;
  /** tokens of its calls to models, and of all it starts */
  tokens: number | null;
  /** calls to models, and as many of tools */
  steps: number | null;
}

/** Hard limits of a run, as process.spawn takes them; left out means none. */
export interface TemplateLimitsInput {
  /** stopped after this many seconds */
  wall_s?: number | null;
  /** cores it may use */
  cpu?: number | null;
  /** memory of all its programs together */
  memory_mb?: number | null;
  /** processes and threads at the same time */
  pids?: number | null;
  /** what its home may hold */
  disk_mb?: number | null;
  /** largest file it may write, RLIMIT_FSIZE */
  file_mb?: number | null;
  /** RLIMIT_NOFILE */
  open_files?: number | null;
  /** USD for its calls to models and those of all it starts */
  budget?: number | null;
  /** tokens of its calls to models, and of all it starts */
  tokens?: number | null;
  /** calls to models, and as many of tools */
  steps?: number | null;
}

/** Which templates. */
export interface TemplateListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only those with this tag */
  tag?: string | null;
  /** only your own, not those that come with aetherd */
  own?: boolean;
}

/** A page of templates, those that come with aetherd first. */
export interface TemplateListOutput {
  templates: TemplateSummary[];
  cursor: string | null;
}

/** What you think of it; a second rating takes the place of your first. */
export interface TemplateRateInput {
  /** name of the template */
  template: string;
  /** 1 poor to 5 excellent */
  rating: number;
}

/** How it stands now. */
export interface TemplateRateOutput {
  name: string;
  /** average of 1 to 5 */
  rating: number;
  ratings: number;
}

/** Somebody rated one. */
export interface TemplateRatedData {
  template: string;
  stars: number;
  rating: number;
  ratings: number;
}

/** What is gone. */
export interface TemplateRemoveOutput {
  name: string;
}

/** It is gone for good. */
export interface TemplateRemovedData {
  template: string;
}

/** A template, without what its agents are told. */
export interface TemplateSummary {
  name: string;
  title: string;
  description: string;
  version: number;
  /** it comes with aetherd and cannot be changed; fork it */
  builtin: boolean;
  runtime: string;
  model: string | null;
  toolset: "worker" | "lead" | "operator" | "all";
  /** the only aether operations its agents may use; null: no list */
  tools: string[] | null;
  limits: TemplateLimits;
  tags: string[];
  /** average of 1 to 5; null while nobody has rated it */
  rating: number | null;
  ratings: number;
  /** name and version of the template it was copied from */
  forked_from: string | null;
  created_at: string | null;
  created_by: string | null;
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

/** A way to put walls around a process, and whether this machine has it. */
export interface TierFound {
  name: "docker" | "bwrap" | "host";
  works: boolean;
  /** what a spawn gets that asks for none */
  default: boolean;
  /** why it does not work here, or what to know about it */
  reason: string | null;
}

/** A credential without its secret. */
export interface Token {
  id: string;
  name: string;
  kind: "owner" | "api" | "process" | "session" | "access" | "refresh";
  scopes: string[];
  toolset: string;
  audience: string;
  client: string | null;
  /** a person is asked before it destroys anything */
  confirm: boolean;
  agent: string | null;
  pid: number | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  created_by: string;
}

/** What a client asks for, as it came. */
export interface TokenConsentInput {
  /** the query of /authorize, as the client sent it */
  request: string;
}

/** Who asks, for what, and where the answer goes. */
export interface TokenConsentOutput {
  client: string;
  name: string;
  redirect_host: string;
  local: boolean;
  scopes: string[];
  toolset: string;
  audience: string;
}

/** A credential for a script, a client or a reader. */
export interface TokenCreateInput {
  /** what it is for */
  name: string;
  /** `room:read|write|admin`, `*:read`, `*:write` or `*`; never more than your own */
  scopes?: string[];
  /** which tools it is shown over MCP */
  toolset?: "worker" | "lead" | "operator" | "all";
  /** where it is taken: everywhere, only over MCP, or everywhere but MCP */
  audience?: "house" | "mcp" | "api";
  /** ask a person before it destroys anything: in its MCP client where that can ask, else in the inbox */
  confirm?: boolean;
  /** seconds until it ends; null keeps it until revoked */
  expires_in_s?: number | null;
}

/** A new credential; the secret is shown this once. */
export interface TokenCreateOutput {
  id: string;
  name: string;
  kind: "owner" | "api" | "process" | "session" | "access" | "refresh";
  scopes: string[];
  toolset: string;
  audience: string;
  client: string | null;
  /** a person is asked before it destroys anything */
  confirm: boolean;
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

/** A person's answer to a client. */
export interface TokenDecideInput {
  /** the query of /authorize, as the client sent it */
  request: string;
  /** what is answered */
  decision: "allow" | "deny";
  /** allow only these of those asked for; default all */
  scopes?: string[] | null;
  /** which tools the client is shown */
  toolset?: "worker" | "lead" | "operator" | "all";
}

/** Where the browser goes now, to tell the client. */
export interface TokenDecideOutput {
  redirect: string;
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

/** Tokens, metered by the model gateway, or as the runtime reports them. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
}

/** What calls to one model came to, by the provider's own figures. */
export interface UsageLine {
  provider: string;
  model: string;
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  cost_usd: number;
  /** calls without a known price */
  unpriced: number;
  /** calls that were counted by their upper bound */
  estimated: number;
}

/** A directory that agents share. */
export interface Workspace {
  id: string;
  name: string;
  description: string | null;
  /** where it is on this machine */
  path: string;
  /** the agent that made it; null for a person */
  agent: string | null;
  created_at: string;
  /** who has it */
  mounts: WorkspaceMounted[];
  reservations: Reservation[];
  /** the newest 20 writes past reservations, newest first */
  conflicts: Conflict[];
  /** how many files it holds; null until it was looked at */
  files: number | null;
  /** what they take on disk */
  bytes: number | null;
}

/** A look found that programs changed files; `workspace.changes` says which. */
export interface WorkspaceChangedData {
  workspace: string;
  name: string;
  count: number;
}

/** Which changes; oldest first. */
export interface WorkspaceChangesInput {
  /** workspace id or name */
  workspace: string;
  /** the `cursor` of an answer before: what came after it */
  cursor?: string | null;
  /** only from this time on */
  since?: string | null;
  /** only by this agent (id or name) */
  agent?: string | null;
  /** most changes; without a cursor the newest */
  limit?: number;
}

/** A page of changes. */
export interface WorkspaceChangesOutput {
  changes: Change[];
  /** give it back, now or later, to get what comes after */
  cursor: string;
  more: boolean;
  /** false: the workspace holds too many files to look at them all */
  complete: boolean;
}

/** A file was written past somebody's reservation; `agent` is who holds that. */
export interface WorkspaceConflictDetectedData {
  workspace: string;
  name: string;
  reservation: string;
  path: string;
  kind: string;
  holder: string;
  by: string | null;
  by_agent: string | null;
  maybe: string[];
  changed_at: string;
}

/** A new shared directory. */
export interface WorkspaceCreateInput {
  /** unique among your workspaces */
  name: string;
  /** what it is for */
  description?: string | null;
}

/** A shared directory was made. */
export interface WorkspaceCreatedData {
  workspace: string;
  name: string;
}

/** Names one workspace. */
export interface WorkspaceGetInput {
  /** workspace id or name */
  workspace: string;
}

/** Which workspaces. */
export interface WorkspaceListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only those this agent has (id or name) */
  agent?: string | null;
}

/** A page of workspaces. */
export interface WorkspaceListOutput {
  workspaces: Workspace[];
  cursor: string | null;
}

/** Give a workspace to an agent. */
export interface WorkspaceMountInput {
  /** workspace id or name */
  workspace: string;
  /** agent id or name; default is the caller */
  agent?: string | null;
  /** rw: read and write; ro: only look */
  mode?: "rw" | "ro";
}

/** An agent that has a workspace. */
export interface WorkspaceMounted {
  workspace: string;
  agent: string;
  /** the agent's name */
  name: string;
  mode: "rw" | "ro";
  /** where its own programs find it; fs tools take `workspace` and a relative path */
  path: string;
  since: string;
  /** its running process, if there is one */
  pid: number | null;
  /** whether its own programs reach it now; its fs tools always do */
  live: boolean;
  /** when its own programs reach it: a process sees it from its next start */
  from: "now" | "next start";
  /** the same in words */
  note: string;
}

/** An agent was given it. */
export interface WorkspaceMountedData {
  workspace: string;
  name: string;
  mode: string;
  live: boolean;
}

/** End reservations of your own: one, those of a path, or without both all in this workspace. */
export interface WorkspaceReleaseInput {
  /** workspace id or name */
  workspace: string;
  /** one by its id; a person may end anybody's */
  reservation?: string | null;
  /** those of exactly this, relative to the workspace, such as `src/app.py` */
  path?: string | null;
}

/** What ended. */
export interface WorkspaceReleaseOutput {
  released: string[];
}

/** A reservation ended. */
export interface WorkspaceReleasedData {
  workspace: string;
  reservation: string;
  path: string;
  holder: string;
  reason: string;
}

/** Remove a workspace for good. */
export interface WorkspaceRemoveInput {
  /** workspace id or name */
  workspace: string;
  /** what becomes of its directory; archive packs it into a tar file first */
  files?: "keep" | "archive" | "delete";
  /** only tell what would be removed */
  dry_run?: boolean;
}

/** What was, or would be, removed. */
export interface WorkspaceRemoveOutput {
  workspace: string;
  path: string;
  action: "keep" | "archive" | "delete";
  /** size of the directory */
  bytes: number;
  /** where the directory was packed to */
  archive: string | null;
  /** false for a dry run */
  done: boolean;
}

/** It is gone for good. */
export interface WorkspaceRemovedData {
  workspace: string;
  name: string;
  files: string;
}

/** Keep others from writing a path, for a while; the same again renews it. */
export interface WorkspaceReserveInput {
  /** workspace id or name */
  workspace: string;
  /** file or directory, relative to the workspace, such as `src/app.py`; need not exist yet */
  path: string;
  /** with everything beneath it */
  tree?: boolean;
  /** exclusive: nobody else writes there; shared: all who reserve it shared may */
  mode?: "exclusive" | "shared";
  /** ends by itself after so many seconds */
  ttl_s?: number;
  /** why; those who are refused read it */
  reason: string;
}

/** Somebody keeps others off a path in it, for a while. */
export interface WorkspaceReservedData {
  workspace: string;
  reservation: string;
  path: string;
  tree: boolean;
  mode: string;
  holder: string;
  reason: string;
  expires_at: string;
}

/** Take it from an agent. */
export interface WorkspaceUnmountInput {
  /** workspace id or name */
  workspace: string;
  /** agent id or name; default is the caller */
  agent?: string | null;
}

/** What was taken. */
export interface WorkspaceUnmountOutput {
  workspace: string;
  agent: string;
  /** reservations of the agent that ended with it */
  released: string[];
  /** what a process that runs can still reach, in words */
  note: string;
}

/** It was taken from an agent. */
export interface WorkspaceUnmountedData {
  workspace: string;
  name: string;
}

/** An agent's own directory and branch of a repository. */
export interface Worktree {
  id: string;
  /** repository id */
  repository: string;
  repository_path: string;
  /** where it is; a process of the agent reaches it from its next start */
  path: string;
  branch: string;
  base: string;
  agent: string;
  /** the agent's name */
  name: string;
  /** broken: git cannot tell what is in it; `trouble` says why */
  state: "making" | "active" | "broken" | "removed";
  trouble: string | null;
  /** commit of its branch */
  tip: string | null;
  /** commits that the base lacks */
  ahead: number | null;
  /** commits of the base that it lacks */
  behind: number | null;
  /** files changed and not committed; the first 50 */
  dirty: string[];
  /** how many */
  dirty_files: number;
  /** all its commits are in the base */
  merged: boolean;
  /** commit that was pushed last */
  pushed: string | null;
  /** what it takes on disk */
  bytes: number | null;
  /** false: it holds too many files to count, it takes more */
  bytes_complete: boolean;
  /** forecast: other living worktrees that would conflict with it, also by what is not committed */
  conflicts: Clash[];
  /** false: there are too many worktrees to compare all */
  forecast_complete: boolean;
  /** its newest place in the merge queue */
  merge: Merge | null;
  /** after removal: where what was not merged or pushed is */
  archive: string | null;
  /** what one should know to work in it */
  note: string;
  created_at: string;
}

/** What to commit, and what to say of it. */
export interface WorktreeCommitInput {
  /** worktree id, or its branch */
  worktree: string;
  /** commit message */
  message: string;
  /** only these, relative to it; default everything */
  paths?: string[];
}

/** The commit. */
export interface WorktreeCommitOutput {
  worktree: string;
  /** null: nothing had changed */
  commit: string | null;
  /** files it changes */
  files: number;
  author: string;
}

/** Work in it was committed by worktree.commit. */
export interface WorktreeCommittedData {
  worktree: string;
  commit: string;
  files: number;
}

/** A worktree for an agent in a repository. */
export interface WorktreeCreateInput {
  /** a git repository on this machine: its path, which a person names the first time, or its id */
  repository: string;
  /** agent id or name; default is the caller */
  agent?: string | null;
  /** a new branch; default `agent/` and the agent's name */
  branch?: string | null;
  /** branch it starts from and is merged into; default what is checked out there */
  base?: string | null;
  /** person only, kept for the repository: shell command that must succeed before each merge; empty for none */
  test?: string | null;
  /** person only, kept for the repository; at first 600 */
  test_timeout_s?: number | null;
}

/** An agent was given a worktree; `agent` is whose it is, here and below. */
export interface WorktreeCreatedData {
  worktree: string;
  repository: string;
  branch: string;
  base: string;
}

/** Which part of what was changed. */
export interface WorktreeDiffInput {
  /** worktree id, or its branch */
  worktree: string;
  /** only what is committed on the branch */
  committed?: boolean;
  /** only these files or directories */
  paths?: string[];
  /** the `cursor` of the part before */
  cursor?: string | null;
  /** most bytes of patch to return */
  limit?: number;
}

/** What a worktree changed since it left the base. */
export interface WorktreeDiffOutput {
  worktree: string;
  /** the commit it left the base at */
  since: string;
  /** the first 500 */
  files: Changed[];
  files_total: number;
  /** this part of the patch; bytes that are no UTF-8 are shown as U+FFFD */
  patch: string;
  /** there is more: give `cursor` back for it */
  truncated: boolean;
  cursor: string | null;
}

/** Which worktrees; newest first. */
export interface WorktreeListInput {
  /** most items to return */
  limit?: number;
  /** the `cursor` of the page before; opaque */
  cursor?: string | null;
  /** only of this one (path or id) */
  repository?: string | null;
  /** only of this agent (id or name) */
  agent?: string | null;
  /** only this one (id or branch) */
  worktree?: string | null;
  /** show those that were removed instead, and where their work is kept */
  removed?: boolean;
}

/** A page of worktrees, and the repositories one can work in. */
export interface WorktreeListOutput {
  worktrees: Worktree[];
  repositories: Repository[];
  cursor: string | null;
}

/** Its place in the merge queue is at another step; `from_state` is null when it was just queued. */
export interface WorktreeMergeChangedData {
  worktree: string;
  merge: string;
  from_state: string | null;
  to_state: string;
  commit: string | null;
  reason: string | null;
}

/** How to merge its branch into the base. */
export interface WorktreeMergeInput {
  /** worktree id, or its branch */
  worktree: string;
  /** rebase: its commits on top of the base, one by one; merge: one merge commit */
  how?: "rebase" | "merge";
  /** shell command that must succeed, in a fresh checkout; default the repository's own, which only a person may replace */
  test?: string | null;
  /** how long to wait for the outcome; the queue goes on */
  wait_s?: number;
}

/** Where to push its branch. */
export interface WorktreePushInput {
  /** worktree id, or its branch */
  worktree: string;
  /** a remote of the repository */
  remote?: string;
  /** its name there; default the same */
  branch?: string | null;
}

/** What was pushed. */
export interface WorktreePushOutput {
  worktree: string;
  remote: string;
  branch: string;
  commit: string;
}

/** Its branch was pushed to a remote. */
export interface WorktreePushedData {
  worktree: string;
  remote: string;
  branch: string;
  commit: string;
}

/** Remove a worktree. */
export interface WorktreeRemoveInput {
  /** worktree id, or its branch */
  worktree: string;
  /** only tell what would be archived and removed */
  dry_run?: boolean;
}

/** What was, or would be, removed. */
export interface WorktreeRemoveOutput {
  worktree: string;
  path: string;
  bytes: number;
  /** files that were changed and not committed; the first 50 */
  dirty: string[];
  /** commits that were neither merged nor pushed, on any branch in it */
  unmerged: number;
  /** where these are kept, as a git bundle; null when there were none */
  archive: string | null;
  /** where what was not committed is kept as a patch, too */
  patch: string | null;
  /** how to get it back */
  note: string;
  /** false for a dry run */
  done: boolean;
}

/** It is gone; what was not merged or pushed is in the archive. */
export interface WorktreeRemovedData {
  worktree: string;
  branch: string;
  archive: string | null;
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
  /** Go back to the page before. */
  "browser.back": { input: BrowserBackInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Click an element by its number in the last browser.snapshot; or by text, CSS selector or point. */
  "browser.click": { input: BrowserClickInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Close one tab; without a tab the whole browser. Its profile stays for the next. */
  "browser.close": { input: BrowserBackInput; output: BrowserCloseOutput; effect: "write"; streams: false };
  /** Read a web page as text with its title and links, without a browser, under the agent's network policy. */
  "browser.fetch": { input: BrowserFetchInput; output: BrowserFetchOutput; effect: "read"; streams: false };
  /** Go forward again to the page after. */
  "browser.forward": { input: BrowserBackInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Press keys such as Enter or Control+A, where the focus is. */
  "browser.key": { input: BrowserKeyInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Send a tab to an address and wait until it is loaded, under the agent's network policy. */
  "browser.navigate": { input: BrowserNavigateInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Open a tab in the process's own Chromium, which is started when none runs; its profile is the agent's. */
  "browser.open": { input: BrowserOpenInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Load the page again; also one that crashed. */
  "browser.reload": { input: BrowserBackInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Take a picture of a tab; a point in it is a point for browser.click. */
  "browser.screenshot": { input: BrowserScreenshotInput; output: BrowserScreenshotOutput; effect: "read"; streams: false };
  /** Scroll the page, or until an element is seen. */
  "browser.scroll": { input: BrowserScrollInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Read a tab as its accessibility tree; what can be acted on has a number, also in frames. */
  "browser.snapshot": { input: BrowserSnapshotInput; output: BrowserSnapshotOutput; effect: "read"; streams: false };
  /** List the tabs of a process's browser; none when it has no browser. */
  "browser.tabs": { input: BrowserTabsInput; output: BrowserCloseOutput; effect: "read"; streams: false };
  /** Put text into a field by its number in the last browser.snapshot; or by label or CSS selector. */
  "browser.type": { input: BrowserTypeInput; output: BrowserBackOutput; effect: "write"; streams: false };
  /** Take a process's keyboard: a headless Claude Code is stopped and its own TUI opens on the same conversation. */
  "control.acquire": { input: ControlAcquireInput; output: ControlAcquireOutput; effect: "write"; streams: false };
  /** Hand the keyboard back; the agent goes on in the same conversation and is told your note. */
  "control.release": { input: ControlReleaseInput; output: ControlAcquireOutput; effect: "write"; streams: false };
  /** Ask for a person to look or take over, and wait a little for one to come. */
  "control.request_human": { input: ControlRequestHumanInput; output: ControlAcquireOutput; effect: "write"; streams: false };
  /** Show who holds a process's keyboard and where a hand-over is. */
  "control.status": { input: ControlStatusInput; output: ControlAcquireOutput; effect: "read"; streams: false };
  /** Get a one-time ticket, good for a minute, that opens the desktop's WebSocket. */
  "desktop.attach": { input: DesktopAttachInput; output: DesktopAttachOutput; effect: "write"; streams: false };
  /** Click somewhere: left, middle or right, once, twice or thrice, with keys held. */
  "desktop.click": { input: DesktopClickInput; output: DesktopClickOutput; effect: "write"; streams: false };
  /** Drag from one place to another. */
  "desktop.drag": { input: DesktopDragInput; output: DesktopClickOutput; effect: "write"; streams: false };
  /** Start a program on the desktop; it ends with the desktop, or when its windows are closed. */
  "desktop.exec": { input: DesktopExecInput; output: DesktopExecOutput; effect: "write"; streams: false };
  /** Show whether a process has a desktop, its size, who has control, and how programs find it. */
  "desktop.info": { input: DesktopAttachInput; output: DesktopInfoOutput; effect: "read"; streams: false };
  /** Press keys by name, such as Return, ctrl+c or alt+F4. */
  "desktop.key": { input: DesktopKeyInput; output: DesktopKeyOutput; effect: "write"; streams: false };
  /** Put the pointer somewhere. */
  "desktop.move": { input: DesktopMoveInput; output: DesktopClickOutput; effect: "write"; streams: false };
  /** Take a picture of the screen, the pointer included. */
  "desktop.screenshot": { input: DesktopScreenshotInput; output: DesktopScreenshotOutput; effect: "read"; streams: false };
  /** Turn the mouse's wheel somewhere. */
  "desktop.scroll": { input: DesktopScrollInput; output: DesktopClickOutput; effect: "write"; streams: false };
  /** Start a desktop beside a process: an X server and a window manager in its place, under its uid. */
  "desktop.start": { input: DesktopStartInput; output: DesktopInfoOutput; effect: "write"; streams: false };
  /** End a desktop and every program on it; what was not saved is lost. */
  "desktop.stop": { input: DesktopAttachInput; output: DesktopInfoOutput; effect: "destroy"; streams: false };
  /** Type a text, of any script, into the window that has the keyboard. */
  "desktop.type": { input: DesktopTypeInput; output: DesktopKeyOutput; effect: "write"; streams: false };
  /** Wait until the screen rests, a pixel has a colour, or a text can be read on it. */
  "desktop.wait_for": { input: DesktopWaitForInput; output: DesktopWaitForOutput; effect: "read"; streams: false };
  /** List what people said of runs, newest first; an agent sees what was said of its own. */
  "feedback.list": { input: FeedbackListInput; output: FeedbackListOutput; effect: "read"; streams: false };
  /** Say what you think of a run, or of one step in it; its agent is told when it runs the next time. */
  "feedback.submit": { input: FeedbackSubmitInput; output: Feedback; effect: "write"; streams: false };
  /** End a flow: nothing of it begins any more, its processes are stopped and its questions closed. */
  "flow.cancel": { input: FlowCancelInput; output: Flow; effect: "write"; streams: false };
  /** Show where a flow stands: its steps, what they came to and cost, and its outputs once it is done. */
  "flow.get": { input: FlowGetInput; output: Flow; effect: "read"; streams: false };
  /** List flows, newest first; an agent sees those it runs. */
  "flow.list": { input: FlowListInput; output: FlowListOutput; effect: "read"; streams: false };
  /** Run agents, operations and questions to people in steps: one after another, at once, in rounds, by vote. */
  "flow.run": { input: FlowRunInput; output: Flow; effect: "write"; streams: false };
  /** Copy a file or a directory within its home or workspace. */
  "fs.copy": { input: FsCopyInput; output: FsStat; effect: "write"; streams: false };
  /** Replace exact text in a file; refused when it is not there, or more than once without `all`. */
  "fs.edit": { input: FsEditInput; output: FsEditOutput; effect: "write"; streams: false };
  /** List a directory, sorted by name, a page at a time. */
  "fs.list": { input: FsListInput; output: FsListOutput; effect: "read"; streams: false };
  /** Make a directory. */
  "fs.mkdir": { input: FsMkdirInput; output: FsStat; effect: "write"; streams: false };
  /** Move or rename a file or directory within its home or workspace. */
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
  /** List which of your processes have GPUs. */
  "gpu.allocations": { input: GpuAllocationsInput; output: GpuAllocationsOutput; effect: "read"; streams: false };
  /** List the GPUs of this machine, and which are free; without one, say why. */
  "gpu.list": { input: GpuListInput; output: GpuListOutput; effect: "read"; streams: false };
  /** Measure what every GPU does now: utilisation, memory, temperature, power. */
  "gpu.stats": { input: GpuListInput; output: GpuStatsOutput; effect: "read"; streams: false };
  /** Merge your memories of one namespace that say nearly the same; see what it would do with dry_run. */
  "memory.consolidate": { input: MemoryConsolidateInput; output: MemoryConsolidateOutput; effect: "write"; streams: false };
  /** Remove a memory and what was merged into it for good; only its author or a person may. */
  "memory.forget": { input: MemoryForgetInput; output: MemoryForgetOutput; effect: "destroy"; streams: false };
  /** Show one memory in full, and where it comes from; one that was merged into another, too. */
  "memory.get": { input: MemoryForgetInput; output: MemoryGetOutput; effect: "read"; streams: false };
  /** List memories, newest first; an agent sees its own and those that are shared with it. */
  "memory.list": { input: MemoryListInput; output: MemoryListOutput; effect: "read"; streams: false };
  /** Find what you or other agents remembered, best first; do this before you start on something. */
  "memory.recall": { input: MemoryRecallInput; output: MemoryRecallOutput; effect: "read"; streams: false };
  /** Store a fact that should outlive this run, so that you or another agent can recall it. */
  "memory.remember": { input: MemoryRememberInput; output: MemoryRememberOutput; effect: "write"; streams: false };
  /** Let others recall a memory: your team, a workspace, all agents, or give one agent a copy of its own. */
  "memory.share": { input: MemoryShareInput; output: MemoryRememberOutput; effect: "write"; streams: false };
  /** Change a memory: what it says, its layer, tags or importance; only its author or a person may. */
  "memory.update": { input: MemoryUpdateInput; output: MemoryRememberOutput; effect: "write"; streams: false };
  /** Tell that you have dealt with messages you got, so that their senders know. */
  "message.ack": { input: MessageAckInput; output: MessageAckOutput; effect: "write"; streams: false };
  /** Send text to all agents of the user, or to those of a role, a template or a workspace. */
  "message.broadcast": { input: MessageBroadcastInput; output: MessageBroadcastOutput; effect: "write"; streams: false };
  /** Show the messages you got, newest first; looking changes nothing, message.ack does. */
  "message.inbox": { input: MessageInboxInput; output: MessageInboxOutput; effect: "read"; streams: false };
  /** Send text to another agent by id or name, or to the person with `to: owner`. */
  "message.send": { input: MessageSendInput; output: Message; effect: "write"; streams: false };
  /** Show a conversation you take part in, oldest first. */
  "message.thread": { input: MessageThreadInput; output: MessageInboxOutput; effect: "read"; streams: false };
  /** Show the series of /metrics: processes, calls, events, tokens, cost, times, limits, sandboxes. */
  "metric.query": { input: MetricQueryInput; output: MetricQueryOutput; effect: "read"; streams: false };
  /** Set a provider's key or address, prices, routing rules, and which agents' calls are kept. */
  "model.configure": { input: ModelConfigureInput; output: ModelConfigureOutput; effect: "write"; streams: false };
  /** List models whose prices are known, of the providers that can be used; or of the one that is named. */
  "model.list": { input: ModelListInput; output: ModelListOutput; effect: "read"; streams: false };
  /** Show who can be asked, where each key is from and what is missing; keys themselves are never shown. */
  "model.providers": { input: ModelProvidersInput; output: ModelConfigureOutput; effect: "read"; streams: false };
  /** Tell where a call would go and why, without making it. */
  "model.route": { input: ModelRouteInput; output: ModelRouteOutput; effect: "read"; streams: false };
  /** Show what calls to models used and cost, by model, as the providers told it; an agent sees its own. */
  "model.usage": { input: ModelUsageInput; output: ModelUsageOutput; effect: "read"; streams: false };
  /** List what agents tried to reach and what was decided, newest first. */
  "network.log": { input: NetworkLogInput; output: NetworkLogOutput; effect: "read"; streams: false };
  /** Show what an agent may reach from its sandbox. */
  "network.policy": { input: NetworkPolicyInput; output: NetworkPolicyOutput; effect: "read"; streams: false };
  /** Say what an agent may reach from its sandbox; what it refuses ends at once. An agent only narrows its own. */
  "network.set_policy": { input: NetworkSetPolicyInput; output: NetworkPolicyOutput; effect: "write"; streams: false };
  /** Write down your plan as a tree of steps, so that the person can follow it; it replaces the one before. */
  "plan.create": { input: PlanCreateInput; output: PlanCreateOutput; effect: "write"; streams: false };
  /** Show the plan of an agent, your own by default, with the number and status of each step. */
  "plan.get": { input: PlanGetInput; output: PlanCreateOutput; effect: "read"; streams: false };
  /** Tell which steps are active, done, failed or skipped now, and add those that turned out to be needed. */
  "plan.update": { input: PlanUpdateInput; output: PlanCreateOutput; effect: "write"; streams: false };
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
  /** Thaw a paused process: it goes on exactly where it was; one that waits for a usage limit tries again now. */
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
  /** Show what an agent has done, from facts: runs, success, cost, time, tools, expertise, people's feedback. */
  "profile.get": { input: ProfileGetInput; output: ProfileGetOutput; effect: "read"; streams: false };
  /** List what agents have done, newest agent first, to choose who is fit; an agent sees itself and its own. */
  "profile.list": { input: ProfileListInput; output: ProfileListOutput; effect: "read"; streams: false };
  /** Write down what you think an agent is good at, and what who gives it work should know. */
  "profile.update": { input: ProfileUpdateInput; output: ProfileGetOutput; effect: "write"; streams: false };
  /** Show what an agent may use at most, where that is set, and what enforces it here. */
  "quota.get": { input: QuotaGetInput; output: QuotaGetOutput; effect: "read"; streams: false };
  /** Bound what an agent, every agent, or all of yours together may use and spend, or one run that is there. */
  "quota.set": { input: QuotaSetInput; output: QuotaGetOutput; effect: "write"; streams: false };
  /** Measure what all agents use now, newest agent first, beside what this machine has. */
  "quota.summary": { input: QuotaSummaryInput; output: QuotaSummaryOutput; effect: "read"; streams: false };
  /** Measure what an agent uses now: memory, processes, processor time and disk. */
  "quota.usage": { input: QuotaGetInput; output: AgentUsage; effect: "read"; streams: false };
  /** Look back at your run: how it went, and what to know or to do differently next time. */
  "reflection.add": { input: ReflectionAddInput; output: Reflection; effect: "write"; streams: false };
  /** List what agents learnt from their runs, newest first; an agent sees its own. */
  "reflection.list": { input: ReflectionListInput; output: ReflectionListOutput; effect: "read"; streams: false };
  /** Read every installed file again and compare it with its checksum, then ask the runtime its version. */
  "runtime.check": { input: RuntimeCheckInput; output: RuntimeCheckOutput; effect: "read"; streams: false };
  /** Show a runtime: version, what is missing, what is installed, and what it was seen to do. */
  "runtime.get": { input: RuntimeCheckInput; output: RuntimeGetOutput; effect: "read"; streams: false };
  /** Install the pinned version with the Node it needs, below aetherd's home; or repair it. */
  "runtime.install": { input: RuntimeCheckInput; output: Progress; effect: "write"; streams: true };
  /** List the runtimes there are: which can run here, in which version, and what is missing. */
  "runtime.list": { input: RuntimeListInput; output: RuntimeListOutput; effect: "read"; streams: false };
  /** Remove an installed runtime with all its versions; homes and conversations of agents stay. */
  "runtime.remove": { input: RuntimeCheckInput; output: RuntimeRemoveOutput; effect: "destroy"; streams: false };
  /** Change what is installed to the versions this aetherd pins; running processes keep the one they have. */
  "runtime.update": { input: RuntimeUpdateInput; output: RuntimeUpdateOutput; effect: "write"; streams: false };
  /** Build an image from a recipe, without a registry: a minute or two. */
  "sandbox.build_image": { input: SandboxBuildImageInput; output: Image; effect: "write"; streams: false };
  /** Run a command in a process's sandbox, as its agent, to its end; nothing it started is left. */
  "sandbox.exec": { input: SandboxExecInput; output: SandboxExecOutput; effect: "write"; streams: false };
  /** Show where a process runs: tier, uid, image, network, limits, and which paths it reaches. */
  "sandbox.get": { input: SandboxGetInput; output: Sandbox; effect: "read"; streams: false };
  /** List the images for the tier docker: those of our recipes, built or not, then others; agents see ours. */
  "sandbox.images": { input: SandboxImagesInput; output: SandboxImagesOutput; effect: "read"; streams: false };
  /** List the tiers of this machine, with the reason where one does not work, and where each process runs. */
  "sandbox.list": { input: SandboxListInput; output: SandboxListOutput; effect: "read"; streams: false };
  /** Remove sandboxes whose process has ended and, if wished, our images that nothing uses. */
  "sandbox.prune": { input: SandboxPruneInput; output: SandboxPruneOutput; effect: "destroy"; streams: false };
  /** Change the limits of a process while it runs; an agent only tightens them. */
  "sandbox.set_limits": { input: SandboxSetLimitsInput; output: SandboxSetLimitsOutput; effect: "write"; streams: false };
  /** Measure what everything of a process uses together: memory, processes, processor time. */
  "sandbox.stats": { input: SandboxGetInput; output: SandboxStatsOutput; effect: "read"; streams: false };
  /** Take what an agent proposed: that version is the current one, for all agents that have the skill. */
  "skill.approve": { input: SkillApproveInput; output: Skill; effect: "write"; streams: false };
  /** Make a skill of others, with exactly the versions they have now; it does not change when they do. */
  "skill.compose": { input: SkillComposeInput; output: Skill; effect: "write"; streams: false };
  /** Write a skill, or the next version of your own of that name. */
  "skill.create": { input: SkillCreateInput; output: Skill; effect: "write"; streams: false };
  /** Find skills by what they are good for, with their risk; an agent finds its own and those it was given. */
  "skill.discover": { input: SkillDiscoverInput; output: SkillDiscoverOutput; effect: "read"; streams: false };
  /** Read a skill: its SKILL.md or another file, what else is in it, its risk and why. */
  "skill.get": { input: SkillGetInput; output: SkillGetOutput; effect: "read"; streams: false };
  /** Take a skill from a folder or an archive (zip, tar); one with anything unsafe in it is refused, unwritten. */
  "skill.install": { input: SkillInstallInput; output: Skill; effect: "write"; streams: false };
  /** Put a new skill, or a new version, before the person: if they take it, all agents have it. */
  "skill.propose": { input: SkillProposeInput; output: Proposal; effect: "write"; streams: false };
  /** Turn down what an agent proposed, and tell it why. */
  "skill.reject": { input: SkillRejectInput; output: Proposal; effect: "write"; streams: false };
  /** Remove a skill for good, with all its versions; skills composed of it keep what they took. */
  "skill.remove": { input: SkillRemoveInput; output: SkillRemoveOutput; effect: "destroy"; streams: false };
  /** Make another version the current one; nothing is lost, and agents have it from their next start. */
  "skill.rollback": { input: SkillRollbackInput; output: Skill; effect: "write"; streams: false };
  /** Run the steps of a skill that has some, in an agent's place: its home, its uid, its view of the machine. */
  "skill.run": { input: SkillRunInput; output: SkillRunOutput; effect: "write"; streams: false };
  /** Give a skill to another agent, or with `everyone` to all; an agent gives its own to agents it made. */
  "skill.share": { input: SkillShareInput; output: Skill; effect: "write"; streams: false };
  /** Try a skill where it can break nothing: an agent is made for it, and removed with its home afterwards. */
  "skill.test": { input: SkillTestInput; output: SkillTestOutput; effect: "write"; streams: false };
  /** List the versions of a skill, newest first; none of them ever changes. */
  "skill.versions": { input: SkillRemoveInput; output: SkillVersionsOutput; effect: "read"; streams: false };
  /** Keep an agent as it is: its home, workspaces and conversation, and where the event log was. */
  "snapshot.create": { input: SnapshotCreateInput; output: Snapshot; effect: "write"; streams: false };
  /** Show which files differ between a snapshot and a later, or the agent as it is, and what was said since. */
  "snapshot.diff": { input: SnapshotDiffInput; output: Difference; effect: "read"; streams: false };
  /** Run an agent as it was under a new one, beside it: its files and a copy of its conversation. */
  "snapshot.fork": { input: SnapshotForkInput; output: SnapshotForkOutput; effect: "write"; streams: false };
  /** Show what a snapshot holds, and what was left out of it; with `verify` every file is read and compared. */
  "snapshot.get": { input: SnapshotGetInput; output: SnapshotGetOutput; effect: "read"; streams: false };
  /** List snapshots, newest first; an agent sees those of itself and of agents it created. */
  "snapshot.list": { input: SnapshotListInput; output: SnapshotListOutput; effect: "read"; streams: false };
  /** Remove a snapshot for good; what others share with it stays. */
  "snapshot.remove": { input: SnapshotRemoveInput; output: SnapshotRemoveOutput; effect: "destroy"; streams: false };
  /** Take an agent back to a snapshot: its files, and a new process that goes on in the same conversation. */
  "snapshot.restore": { input: SnapshotRestoreInput; output: SnapshotForkOutput; effect: "write"; streams: false };
  /** Show every setting as it is now, and where it is set; secrets are hidden. */
  "system.config": { input: SystemConfigInput; output: SystemConfigOutput; effect: "read"; streams: false };
  /** Look at this machine: what works, what is missing, and how to get it. */
  "system.doctor": { input: SystemConfigInput; output: SystemDoctorOutput; effect: "read"; streams: false };
  /** End the daemon. Agents go on without it and are re-adopted at its next start, unless told otherwise. */
  "system.shutdown": { input: SystemShutdownInput; output: SystemShutdownOutput; effect: "destroy"; streams: false };
  /** Show how the daemon is: processes by state, open questions, health of every room, warnings. */
  "system.status": { input: SystemConfigInput; output: SystemStatusOutput; effect: "read"; streams: false };
  /** Give a task up for good, with its parts and all that waits for it; who works on it is told to stop. */
  "task.cancel": { input: TaskCancelInput; output: TaskCancelOutput; effect: "write"; streams: false };
  /** Take the next task of a queue, or the one with this id: nobody else gets it while your lease lasts. */
  "task.claim": { input: TaskClaimInput; output: TaskClaimOutput; effect: "write"; streams: false };
  /** Say that a task you hold is done, and what came of it; what waited for it can begin. */
  "task.complete": { input: TaskCompleteInput; output: Task; effect: "write"; streams: false };
  /** Put work into a queue, for any agent of the same user or, with `to`, for one that is told. */
  "task.create": { input: TaskCreateInput; output: TaskCreateOutput; effect: "write"; streams: false };
  /** Give a task to one agent: to one that exists by a message, or to a new one that is started for it. */
  "task.delegate": { input: TaskDelegateInput; output: TaskDelegateOutput; effect: "write"; streams: false };
  /** Say that a task you hold did not work out; it is tried again after a pause, a few times. */
  "task.fail": { input: TaskFailInput; output: Task; effect: "write"; streams: false };
  /** Show one task in full: where it stands, who has it, what came of it. */
  "task.get": { input: TaskGetInput; output: Task; effect: "read"; streams: false };
  /** List tasks, newest first; an agent sees those anybody may take, and those it has to do with. */
  "task.list": { input: TaskListInput; output: TaskListOutput; effect: "read"; streams: false };
  /** Make a template of your own. */
  "template.create": { input: TemplateCreateInput; output: TemplateCreateOutput; effect: "write"; streams: false };
  /** Copy a template under a name of your own, with what shall be different; it remembers where it comes from. */
  "template.fork": { input: TemplateForkInput; output: TemplateCreateOutput; effect: "write"; streams: false };
  /** Show one template in full, with what its agents are told and every tool they may use. */
  "template.get": { input: TemplateGetInput; output: TemplateCreateOutput; effect: "read"; streams: false };
  /** List the roles a run can start from: those that come with aetherd, then your own, newest first. */
  "template.list": { input: TemplateListInput; output: TemplateListOutput; effect: "read"; streams: false };
  /** Rate a template from 1 to 5; you have one rating for each. */
  "template.rate": { input: TemplateRateInput; output: TemplateRateOutput; effect: "write"; streams: false };
  /** Remove a template of your own for good; runs go on, and an agent made from it needs another one next time. */
  "template.remove": { input: TemplateGetInput; output: TemplateRemoveOutput; effect: "destroy"; streams: false };
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
  /** Show what an OAuth client asks for before a person allows or denies it. */
  "token.consent": { input: TokenConsentInput; output: TokenConsentOutput; effect: "read"; streams: false };
  /** Make a credential for a script, an outside MCP client or a read-only reader. */
  "token.create": { input: TokenCreateInput; output: TokenCreateOutput; effect: "write"; streams: false };
  /** Allow an OAuth client what it asks for, or less, or deny it. */
  "token.decide": { input: TokenDecideInput; output: TokenDecideOutput; effect: "write"; streams: false };
  /** List credentials, newest first, without their secrets. */
  "token.list": { input: TokenListInput; output: TokenListOutput; effect: "read"; streams: false };
  /** End a credential at once, everywhere. */
  "token.revoke": { input: TokenRevokeInput; output: Token; effect: "destroy"; streams: false };
  /** Run any operation by name, found with tool.search, as if it were a tool of your own. */
  "tool.call": { input: ToolCallInput; output: ToolCallOutput; effect: "write"; streams: false };
  /** Find operations beyond the tools you are shown, by what they do; run one with tool.call. */
  "tool.search": { input: ToolSearchInput; output: ToolSearchOutput; effect: "read"; streams: false };
  /** Show which files changed, when and by whom as far as that is known; give the cursor back to get what is new. */
  "workspace.changes": { input: WorkspaceChangesInput; output: WorkspaceChangesOutput; effect: "read"; streams: false };
  /** Make a directory that agents share; the agent that makes it has it, others get it by workspace.mount. */
  "workspace.create": { input: WorkspaceCreateInput; output: Workspace; effect: "write"; streams: false };
  /** Show a workspace: where it is, who has it, who reserved what until when, who wrote past that. */
  "workspace.get": { input: WorkspaceGetInput; output: Workspace; effect: "read"; streams: false };
  /** List workspaces, newest first: who has each, what is reserved; an agent sees those it has or made. */
  "workspace.list": { input: WorkspaceListInput; output: WorkspaceListOutput; effect: "read"; streams: false };
  /** Give a workspace to an agent. Its fs tools reach it at once (name it as `workspace`). */
  "workspace.mount": { input: WorkspaceMountInput; output: WorkspaceMounted; effect: "write"; streams: false };
  /** End reservations: as soon as you are done, so that others need not wait. */
  "workspace.release": { input: WorkspaceReleaseInput; output: WorkspaceReleaseOutput; effect: "write"; streams: false };
  /** Remove a workspace for good; say what becomes of its files, and try it with dry_run first. */
  "workspace.remove": { input: WorkspaceRemoveInput; output: WorkspaceRemoveOutput; effect: "destroy"; streams: false };
  /** Keep others from writing a file or directory while you work on it; reserve again to renew. */
  "workspace.reserve": { input: WorkspaceReserveInput; output: Reservation; effect: "write"; streams: false };
  /** Take a workspace from an agent; its reservations end, its files stay. */
  "workspace.unmount": { input: WorkspaceUnmountInput; output: WorkspaceUnmountOutput; effect: "write"; streams: false };
  /** Commit what was changed in a worktree, as the person whose repository it is, with the agent as co-author. */
  "worktree.commit": { input: WorktreeCommitInput; output: WorktreeCommitOutput; effect: "write"; streams: false };
  /** Give an agent a directory and a branch of its own in a git repository. */
  "worktree.create": { input: WorktreeCreateInput; output: Worktree; effect: "write"; streams: false };
  /** Show what a worktree changed since it left the base, committed or not, and the patch in parts. */
  "worktree.diff": { input: WorktreeDiffInput; output: WorktreeDiffOutput; effect: "read"; streams: false };
  /** List worktrees, newest first, and the repositories one can work in. */
  "worktree.list": { input: WorktreeListInput; output: WorktreeListOutput; effect: "read"; streams: false };
  /** Queue a worktree's commits to be merged into the base of the person's repository. */
  "worktree.merge": { input: WorktreeMergeInput; output: Merge; effect: "write"; streams: false };
  /** Push a worktree's branch to a remote of the person's repository, with their credentials; never by force. */
  "worktree.push": { input: WorktreePushInput; output: WorktreePushOutput; effect: "destroy"; streams: false };
  /** Remove a worktree. What was not committed, merged or pushed is archived first, and the answer says where. */
  "worktree.remove": { input: WorktreeRemoveInput; output: WorktreeRemoveOutput; effect: "destroy"; streams: false };
}

export type OperationName = keyof Operations;

/** The data of every event by its type. */
export interface EventData {
  /** It was put away. */
  "agent.archived": AgentArchivedData;
  /** A new identity. */
  "agent.created": AgentCreatedData;
  /** An agent that waited for a usage limit is told to go on, in the same conversation. */
  "agent.limit_lifted": AgentLimitLiftedData;
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
  /** Tokens and money spent: as the model gateway counts each call, and as the runtime itself tells. */
  "agent.usage": AgentUsageData;
  /** A question was answered, or ended without an answer. */
  "approval.decided": ApprovalDecidedData;
  /** A question waits for a person. */
  "approval.requested": ApprovalRequestedData;
  /** A browser ended. */
  "browser.closed": BrowserClosedData;
  /** A file was downloaded into the agent's home. */
  "browser.downloaded": BrowserDownloadedData;
  /** A tab shows another address. */
  "browser.navigated": BrowserNavigatedData;
  /** A browser was started beside a process. */
  "browser.opened": BrowserOpenedData;
  /** A person holds the keyboard. */
  "control.acquired": ControlAcquiredData;
  /** The keyboard went back to the agent. */
  "control.released": ControlReleasedData;
  /** An agent asks for a person. */
  "control.requested": ControlRequestedData;
  /** The hand-over went one step on. */
  "control.stepped": ControlSteppedData;
  /** A desktop was started beside a process. */
  "desktop.started": DesktopStartedData;
  /** A desktop ended, with all that ran on it. */
  "desktop.stopped": DesktopStoppedData;
  /** A person said what they think of a run, or of one step in it. */
  "feedback.submitted": FeedbackSubmittedData;
  /** A step asked a person and waits; `unknown` when nobody knows whether it was done before aetherd was stopped. */
  "flow.asked": FlowAskedData;
  /** A flow has ended: completed, failed or cancelled. */
  "flow.finished": FlowFinishedData;
  /** A flow is durable and begins; `agent` is who runs it. */
  "flow.started": FlowStartedData;
  /** A step came to an end: completed, failed, skipped, cancelled, or delayed until it is tried again. */
  "flow.step_finished": FlowStepFinishedData;
  /** A step began, or began again; `pid` is the process that was started for it. */
  "flow.step_started": FlowStepStartedData;
  /** A file or directory of a home, or of a workspace, was changed by a call. */
  "fs.changed": FsChangedData;
  /** A process was given GPUs of its own. */
  "gpu.allocated": GpuAllocatedData;
  /** A process ended and its GPUs are free again. */
  "gpu.released": GpuReleasedData;
  /** Near-duplicates became one: `merged` are in it now and found no longer by themselves. */
  "memory.consolidated": MemoryConsolidatedData;
  /** It was removed for good. */
  "memory.forgotten": MemoryForgottenData;
  /** Something was stored. */
  "memory.remembered": MemoryRememberedData;
  /** More may see it now; with `source` it is a copy that was given. */
  "memory.shared": MemorySharedData;
  /** It was changed; `fields` says what. */
  "memory.updated": MemoryUpdatedData;
  /** The recipient has read or acknowledged it; `agent` is the recipient. */
  "message.acked": MessageAckedData;
  /** The recipient's runtime has it; `agent` is who got it. */
  "message.delivered": MessageDeliveredData;
  /** It can never be delivered; `agent` is who sent it. */
  "message.failed": MessageFailedData;
  /** A message is durable; `agent` is who sent it. */
  "message.sent": MessageSentData;
  /** A person changed a provider, prices, routing or tracing; a key is never told. */
  "model.configured": ModelConfiguredData;
  /** What an agent may reach was changed. */
  "network.policy_set": NetworkPolicySetData;
  /** A request of an agent was refused; told once a minute for each host, all are in network.log. */
  "network.refused": NetworkRefusedData;
  /** The agent has a new plan; the one before is gone. */
  "plan.created": PlanCreatedData;
  /** Steps changed or came in; `version` tells whether a copy of the plan is old. */
  "plan.updated": PlanUpdatedData;
  /** The daemon came back and found it alive. */
  "process.adopted": ProcessAdoptedData;
  /** Its output is not taken fast enough and it was made to wait, or goes on. */
  "process.blocked": ProcessBlockedData;
  /** A process ended for good. */
  "process.exited": ProcessExitedData;
  /** What a running process may use was changed. */
  "process.limits_changed": ProcessLimitsChangedData;
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
  /** A person changed what they say of an agent. */
  "profile.updated": ProfileUpdatedData;
  /** A run reached a limit: of disk, then it was paused; of money, tokens or steps, then its call was refused. */
  "quota.exceeded": QuotaExceededData;
  /** A person changed what an agent, or every agent of theirs, may use. */
  "quota.set": QuotaSetData;
  /** Most of a budget is spent: told once for each bound. */
  "quota.warned": QuotaWarnedData;
  /** An agent looked back at its run; this is in the run's timeline. */
  "reflection.added": ReflectionAddedData;
  /** It could not be installed; what was there before is still in use. */
  "runtime.install_failed": RuntimeInstallFailedData;
  /** A version was installed and is in use from now on; what runs goes on with the one it was started with. */
  "runtime.installed": RuntimeInstalledData;
  /** An installed runtime was removed. */
  "runtime.removed": RuntimeRemovedData;
  /** An image was made from its recipe. */
  "sandbox.image_made": SandboxImageMadeData;
  /** The kernel killed programs in it that wanted more memory than the limit allows. */
  "sandbox.oom_killed": SandboxOomKilledData;
  /** What was left of sandboxes without a process was removed. */
  "sandbox.pruned": SandboxPrunedData;
  /** A person took a proposal; `agent` is who made it. */
  "skill.approved": SkillApprovedData;
  /** A skill is there; `agent` is whose it is, None a person's. */
  "skill.created": SkillCreatedData;
  /** Its steps were run, or tried with `test`; `agent` is in whose place. */
  "skill.finished": SkillFinishedData;
  /** An agent asks a person to take a skill, or a version, for all; `agent` is who. */
  "skill.proposed": SkillProposedData;
  /** A person did not take a proposal; `agent` is who made it. */
  "skill.rejected": SkillRejectedData;
  /** It is gone for good, with all its versions. */
  "skill.removed": SkillRemovedData;
  /** An older version is the current one again. */
  "skill.reverted": SkillRevertedData;
  /** It has a new version, which is now the current one. */
  "skill.revised": SkillRevisedData;
  /** Who may use it has changed; `to` is the agent that has it now, or no more, None all of the person's. */
  "skill.shared": SkillSharedData;
  /** An agent was kept as it is. It is not of a process's story, which may have ended before: `of` names that. */
  "snapshot.created": SnapshotCreatedData;
  /** One was begun and could not be made; nothing of it is kept. */
  "snapshot.failed": SnapshotFailedData;
  /** A new agent (`agent`) goes on from another's snapshot. */
  "snapshot.forked": SnapshotForkedData;
  /** It is gone for good. */
  "snapshot.removed": SnapshotRemovedData;
  /** An agent goes on from a snapshot, as a new process. */
  "snapshot.restored": SnapshotRestoredData;
  /** Nobody shall do it any more; `agent` is who made it. */
  "task.cancelled": TaskCancelledData;
  /** Somebody works on it until the lease ends; `agent` is who. */
  "task.claimed": TaskClaimedData;
  /** It is done; `agent` is who did it. */
  "task.completed": TaskCompletedData;
  /** A task is durable; `agent` is who made it. */
  "task.created": TaskCreatedData;
  /** It was given to one agent; `agent` is that one. */
  "task.delegated": TaskDelegatedData;
  /** The lease ended, or the process did, before the task was done; `agent` is who had it. */
  "task.expired": TaskExpiredData;
  /** An attempt went wrong; `state` says whether it is tried again, `agent` is who tried. */
  "task.failed": TaskFailedData;
  /** It can be claimed now: what it waited for is done, or it is time to try again; `agent` is who made it. */
  "task.queued": TaskQueuedData;
  /** Somebody made a template of their own. */
  "template.created": TemplateCreatedData;
  /** Somebody rated one. */
  "template.rated": TemplateRatedData;
  /** It is gone for good. */
  "template.removed": TemplateRemovedData;
  /** A terminal ended. */
  "terminal.closed": TerminalClosedData;
  /** A terminal was opened. */
  "terminal.opened": TerminalOpenedData;
  /** A credential was made; its secret is nowhere in here. */
  "token.created": TokenCreatedData;
  /** A credential ended. */
  "token.revoked": TokenRevokedData;
  /** A look found that programs changed files; `workspace.changes` says which. */
  "workspace.changed": WorkspaceChangedData;
  /** A file was written past somebody's reservation; `agent` is who holds that. */
  "workspace.conflict_detected": WorkspaceConflictDetectedData;
  /** A shared directory was made. */
  "workspace.created": WorkspaceCreatedData;
  /** An agent was given it. */
  "workspace.mounted": WorkspaceMountedData;
  /** A reservation ended. */
  "workspace.released": WorkspaceReleasedData;
  /** It is gone for good. */
  "workspace.removed": WorkspaceRemovedData;
  /** Somebody keeps others off a path in it, for a while. */
  "workspace.reserved": WorkspaceReservedData;
  /** It was taken from an agent. */
  "workspace.unmounted": WorkspaceUnmountedData;
  /** Work in it was committed by worktree.commit. */
  "worktree.committed": WorktreeCommittedData;
  /** An agent was given a worktree; `agent` is whose it is, here and below. */
  "worktree.created": WorktreeCreatedData;
  /** Its place in the merge queue is at another step; `from_state` is null when it was just queued. */
  "worktree.merge_changed": WorktreeMergeChangedData;
  /** Its branch was pushed to a remote. */
  "worktree.pushed": WorktreePushedData;
  /** It is gone; what was not merged or pushed is in the archive. */
  "worktree.removed": WorktreeRemovedData;
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
export type Scope = "agent:read" | "agent:write" | "approval:read" | "approval:write" | "audit:read" | "browser:read" | "browser:write" | "control:read" | "control:write" | "desktop:read" | "desktop:write" | "feedback:read" | "feedback:write" | "flow:read" | "flow:write" | "fs:read" | "fs:write" | "gpu:read" | "memory:read" | "memory:write" | "message:read" | "message:write" | "metric:read" | "model:read" | "model:write" | "network:read" | "network:write" | "plan:read" | "plan:write" | "process:read" | "process:write" | "profile:read" | "profile:write" | "quota:read" | "quota:write" | "reflection:read" | "reflection:write" | "runtime:read" | "runtime:write" | "sandbox:read" | "sandbox:write" | "skill:read" | "skill:write" | "snapshot:read" | "snapshot:write" | "system:admin" | "system:read" | "task:read" | "task:write" | "template:read" | "template:write" | "terminal:read" | "terminal:write" | "token:read" | "token:write" | "tool:read" | "workspace:read" | "workspace:write" | "worktree:read" | "worktree:write";
