// Generated from the catalogue; do not edit. `make gen` writes it anew.

import type { ErrorCode, OperationName, Operations } from "./types";

type Input<N extends OperationName> = Operations[N]["input"];
type Output<N extends OperationName> = Operations[N]["output"];
type Arguments<N extends OperationName> =
  Record<string, never> extends Input<N>
    ? [input?: Input<N>, options?: CallOptions]
    : [input: Input<N>, options?: CallOptions];

export interface CallOptions {
  signal?: AbortSignal;
}

/** Where calls go, and what to do when the session is over. */
export const connection = {
  base: "/v1/",
  headers: {} as Record<string, string>,
  onUnauthenticated: (): void => {},
};

interface Failure {
  code: ErrorCode;
  message: string;
  data?: Record<string, unknown>;
}

/** A refused or failed call; `unreachable` means that no answer came. */
export class AetherError extends Error {
  override name = "AetherError";
  constructor(
    readonly code: ErrorCode | "unreachable",
    message: string,
    readonly data: Record<string, unknown> = {},
    readonly status = 0,
  ) {
    super(message);
  }
}

async function post(name: string, input: unknown, accept: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(connection.base + name, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: accept, ...connection.headers },
      body: JSON.stringify(input ?? {}),
      credentials: "same-origin",
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new AetherError("unreachable", "the daemon does not answer");
  }
  if (response.ok) return response;
  if (response.status === 401) connection.onUnauthenticated();
  const error = ((await response.json().catch(() => null)) as { error?: Failure } | null)?.error;
  throw new AetherError(
    error?.code ?? "internal",
    error?.message ?? `HTTP ${response.status}`,
    error?.data ?? {},
    response.status,
  );
}

/** Run one operation. */
export async function call<N extends OperationName>(
  name: N,
  ...[input, options]: Arguments<N>
): Promise<Output<N>> {
  const response = await post(name, input, "application/json", options?.signal);
  return (await response.json()) as Output<N>;
}

/** Follow a streaming operation until it ends. */
export async function* stream<N extends OperationName>(
  name: N,
  ...[input, options]: Arguments<N>
): AsyncGenerator<Output<N>, void, undefined> {
  const response = await post(name, input, "text/event-stream", options?.signal);
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = block.split("\n");
      const data = fields.filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
      if (!data.length) continue;
      const body = JSON.parse(data.join("\n")) as Output<N> & { error?: Failure };
      if (fields.includes("event: error") && body.error)
        throw new AetherError(body.error.code, body.error.message, body.error.data);
      yield body;
    }
  }
}

function method<N extends OperationName>(name: N) {
  return (...args: Arguments<N>): Promise<Output<N>> => call(name, ...args);
}

/** Every operation as a method of its room. */
export const client = {
  agent: {
    /** Put an agent away: it is no longer listed, its home and memory stay. */
    archive: method("agent.archive"),
    /** Create an identity with a home of its own; run it with process.spawn. */
    create: method("agent.create"),
    /** Show one agent. */
    get: method("agent.get"),
    /** List agents, newest first; an agent sees itself and those it created. */
    list: method("agent.list"),
    /** Remove an agent for good; say what becomes of its home, and try it with dry_run first. */
    remove: method("agent.remove"),
    /** Change an agent's name, role or description. */
    update: method("agent.update"),
  },
  approval: {
    /** Answer a question: allow once, allow for this run, allow a pattern for a while, or deny with a reason. */
    decide: method("approval.decide"),
    /** Show one question and what became of it. */
    get: method("approval.get"),
    /** List questions that wait or waited for a person, newest first. */
    list: method("approval.list"),
    /** Ask a person for leave, and wait a little for the answer; approval.wait waits longer. */
    request: method("approval.request"),
    /** Wait for the answer to a question, and for the result of the call it allows. */
    wait: method("approval.wait"),
  },
  audit: {
    /** Show who did what through which face, newest first; an agent sees its own calls. */
    query: method("audit.query"),
  },
  browser: {
    /** Go back to the page before. */
    back: method("browser.back"),
    /** Click an element by its number in the last browser.snapshot; or by text, CSS selector or point. */
    click: method("browser.click"),
    /** Close one tab; without a tab the whole browser. Its profile stays for the next. */
    close: method("browser.close"),
    /** Read a web page as text with its title and links, without a browser, under the agent's network policy. */
    fetch: method("browser.fetch"),
    /** Go forward again to the page after. */
    forward: method("browser.forward"),
    /** Press keys such as Enter or Control+A, where the focus is. */
    key: method("browser.key"),
    /** Send a tab to an address and wait until it is loaded, under the agent's network policy. */
    navigate: method("browser.navigate"),
    /** Open a tab in the process's own Chromium, which is started when none runs; its profile is the agent's. */
    open: method("browser.open"),
    /** Load the page again; also one that crashed. */
    reload: method("browser.reload"),
    /** Take a picture of a tab; a point in it is a point for browser.click. */
    screenshot: method("browser.screenshot"),
    /** Scroll the page, or until an element is seen. */
    scroll: method("browser.scroll"),
    /** Read a tab as its accessibility tree; what can be acted on has a number, also in frames. */
    snapshot: method("browser.snapshot"),
    /** List the tabs of a process's browser; none when it has no browser. */
    tabs: method("browser.tabs"),
    /** Put text into a field by its number in the last browser.snapshot; or by label or CSS selector. */
    type: method("browser.type"),
  },
  control: {
    /** Take a process's keyboard: a headless Claude Code is stopped and its own TUI opens on the same conversation. */
    acquire: method("control.acquire"),
    /** Hand the keyboard back; the agent goes on in the same conversation and is told your note. */
    release: method("control.release"),
    /** Ask for a person to look or take over, and wait a little for one to come. */
    request_human: method("control.request_human"),
    /** Show who holds a process's keyboard and where a hand-over is. */
    status: method("control.status"),
  },
  desktop: {
    /** Get a one-time ticket, good for a minute, that opens the desktop's WebSocket. */
    attach: method("desktop.attach"),
    /** Click somewhere: left, middle or right, once, twice or thrice, with keys held. */
    click: method("desktop.click"),
    /** Drag from one place to another. */
    drag: method("desktop.drag"),
    /** Start a program on the desktop; it ends with the desktop, or when its windows are closed. */
    exec: method("desktop.exec"),
    /** Show whether a process has a desktop, its size, who has control, and how programs find it. */
    info: method("desktop.info"),
    /** Press keys by name, such as Return, ctrl+c or alt+F4. */
    key: method("desktop.key"),
    /** Put the pointer somewhere. */
    move: method("desktop.move"),
    /** Take a picture of the screen, the pointer included. */
    screenshot: method("desktop.screenshot"),
    /** Turn the mouse's wheel somewhere. */
    scroll: method("desktop.scroll"),
    /** Start a desktop beside a process: an X server and a window manager in its place, under its uid. */
    start: method("desktop.start"),
    /** End a desktop and every program on it; what was not saved is lost. */
    stop: method("desktop.stop"),
    /** Type a text, of any script, into the window that has the keyboard. */
    type: method("desktop.type"),
    /** Wait until the screen rests, a pixel has a colour, or a text can be read on it. */
    wait_for: method("desktop.wait_for"),
  },
  feedback: {
    /** List what people said of runs, newest first; an agent sees what was said of its own. */
    list: method("feedback.list"),
    /** Say what you think of a run, or of one step in it; its agent is told when it runs the next time. */
    submit: method("feedback.submit"),
  },
  flow: {
    /** End a flow: nothing of it begins any more, its processes are stopped and its questions closed. */
    cancel: method("flow.cancel"),
    /** Show where a flow stands: its steps, what they came to and cost, and its outputs once it is done. */
    get: method("flow.get"),
    /** List flows, newest first; an agent sees those it runs. */
    list: method("flow.list"),
    /** Run agents, operations and questions to people in steps: one after another, at once, in rounds, by vote. */
    run: method("flow.run"),
  },
  fs: {
    /** Copy a file or a directory within its home or workspace. */
    copy: method("fs.copy"),
    /** Replace exact text in a file; refused when it is not there, or more than once without `all`. */
    edit: method("fs.edit"),
    /** List a directory, sorted by name, a page at a time. */
    list: method("fs.list"),
    /** Make a directory. */
    mkdir: method("fs.mkdir"),
    /** Move or rename a file or directory within its home or workspace. */
    move: method("fs.move"),
    /** Read a file, or a part of it by byte offset; binary content comes as base64. */
    read: method("fs.read"),
    /** Remove a file, a link (not its target) or a directory. */
    remove: method("fs.remove"),
    /** Find files by name, or lines by text or regular expression; takes at most 5 seconds. */
    search: method("fs.search"),
    /** Describe one file, directory or link (not its target). */
    stat: method("fs.stat"),
    /** Wait for files of a directory to change, by whatever program; with `follow` go on telling. */
    watch: method("fs.watch"),
    /** Write a file as a whole, atomically, or append to it; missing directories are made. */
    write: method("fs.write"),
  },
  gpu: {
    /** List which of your processes have GPUs. */
    allocations: method("gpu.allocations"),
    /** List the GPUs of this machine, and which are free; without one, say why. */
    list: method("gpu.list"),
    /** Measure what every GPU does now: utilisation, memory, temperature, power. */
    stats: method("gpu.stats"),
  },
  memory: {
    /** Merge your memories of one namespace that say nearly the same; see what it would do with dry_run. */
    consolidate: method("memory.consolidate"),
    /** Remove a memory and what was merged into it for good; only its author or a person may. */
    forget: method("memory.forget"),
    /** Show one memory in full, and where it comes from; one that was merged into another, too. */
    get: method("memory.get"),
    /** List memories, newest first; an agent sees its own and those that are shared with it. */
    list: method("memory.list"),
    /** Find what you or other agents remembered, best first; do this before you start on something. */
    recall: method("memory.recall"),
    /** Store a fact that should outlive this run, so that you or another agent can recall it. */
    remember: method("memory.remember"),
    /** Let others recall a memory: your team, a workspace, all agents, or give one agent a copy of its own. */
    share: method("memory.share"),
    /** Change a memory: what it says, its layer, tags or importance; only its author or a person may. */
    update: method("memory.update"),
  },
  message: {
    /** Tell that you have dealt with messages you got, so that their senders know. */
    ack: method("message.ack"),
    /** Send text to all agents of the user, or to those of a role, a template or a workspace. */
    broadcast: method("message.broadcast"),
    /** Show the messages you got, newest first; looking changes nothing, message.ack does. */
    inbox: method("message.inbox"),
    /** Send text to another agent by id or name, or to the person with `to: owner`. */
    send: method("message.send"),
    /** Show a conversation you take part in, oldest first. */
    thread: method("message.thread"),
  },
  metric: {
    /** Show the series of /metrics: processes, calls, events, tokens, cost, times, limits, sandboxes. */
    query: method("metric.query"),
  },
  model: {
    /** Set a provider's key or address, prices, routing rules, and which agents' calls are kept. */
    configure: method("model.configure"),
    /** List models whose prices are known, of the providers that can be used; or of the one that is named. */
    list: method("model.list"),
    /** Show who can be asked, where each key is from and what is missing; keys themselves are never shown. */
    providers: method("model.providers"),
    /** Tell where a call would go and why, without making it. */
    route: method("model.route"),
    /** Show what calls to models used and cost, by model, as the providers told it; an agent sees its own. */
    usage: method("model.usage"),
  },
  network: {
    /** List what agents tried to reach and what was decided, newest first. */
    log: method("network.log"),
    /** Show what an agent may reach from its sandbox. */
    policy: method("network.policy"),
    /** Say what an agent may reach from its sandbox; what it refuses ends at once. An agent only narrows its own. */
    set_policy: method("network.set_policy"),
  },
  plan: {
    /** Write down your plan as a tree of steps, so that the person can follow it; it replaces the one before. */
    create: method("plan.create"),
    /** Show the plan of an agent, your own by default, with the number and status of each step. */
    get: method("plan.get"),
    /** Tell which steps are active, done, failed or skipped now, and add those that turned out to be needed. */
    update: method("plan.update"),
  },
  process: {
    /** Show one process: state, phase, exit, cost, and where each is known from. */
    get: method("process.get"),
    /** Stop the current turn; the process lives on and waits for input. */
    interrupt: method("process.interrupt"),
    /** Stop a process and everything it started at once, without letting it save. */
    kill: method("process.kill"),
    /** List processes, newest first; an agent sees its own and those it spawned. */
    list: method("process.list"),
    /** Read what a process printed, from an absolute byte offset. */
    output: method("process.output"),
    /** Freeze every process of its tree where it stands. */
    pause: method("process.pause"),
    /** Show what came of a process: final text, outcome, cost, files changed. */
    result: method("process.result"),
    /** Thaw a paused process: it goes on exactly where it was; one that waits for a usage limit tries again now. */
    resume: method("process.resume"),
    /** Tell a running agent something; it is delivered at most once, by the runtime's own protocol. */
    send: method("process.send"),
    /** Change how soon a queued process starts. */
    set_priority: method("process.set_priority"),
    /** Send a signal to every process of its tree. */
    signal: method("process.signal"),
    /** Start an agent in a runtime and give it its goal, in one durable step. */
    spawn: method("process.spawn"),
    /** Show what a process did: thoughts, texts, tool calls and results, approvals, state changes. */
    timeline: method("process.timeline"),
    /** Show who spawned whom; with a pid also the kernel's processes under it. */
    tree: method("process.tree"),
    /** Wait until a process has its result, or has ended; outcome `running` means the time was up. */
    wait: method("process.wait"),
    /** Show who you are: your agent, process, home, scopes. */
    whoami: method("process.whoami"),
  },
  profile: {
    /** Show what an agent has done, from facts: runs, success, cost, time, tools, expertise, people's feedback. */
    get: method("profile.get"),
    /** List what agents have done, newest agent first, to choose who is fit; an agent sees itself and its own. */
    list: method("profile.list"),
    /** Write down what you think an agent is good at, and what who gives it work should know. */
    update: method("profile.update"),
  },
  quota: {
    /** Show what an agent may use at most, where that is set, and what enforces it here. */
    get: method("quota.get"),
    /** Bound what an agent, every agent, or all of yours together may use and spend, or one run that is there. */
    set: method("quota.set"),
    /** Measure what all agents use now, newest agent first, beside what this machine has. */
    summary: method("quota.summary"),
    /** Measure what an agent uses now: memory, processes, processor time and disk. */
    usage: method("quota.usage"),
  },
  reflection: {
    /** Look back at your run: how it went, and what to know or to do differently next time. */
    add: method("reflection.add"),
    /** List what agents learnt from their runs, newest first; an agent sees its own. */
    list: method("reflection.list"),
  },
  runtime: {
    /** Read every installed file again and compare it with its checksum, then ask the runtime its version. */
    check: method("runtime.check"),
    /** Show a runtime: version, what is missing, what is installed, and what it was seen to do. */
    get: method("runtime.get"),
    /** Install the pinned version with the Node it needs, below aetherd's home; or repair it. */
    install: method("runtime.install"),
    /** List the runtimes there are: which can run here, in which version, and what is missing. */
    list: method("runtime.list"),
    /** Remove an installed runtime with all its versions; homes and conversations of agents stay. */
    remove: method("runtime.remove"),
    /** Change what is installed to the versions this aetherd pins; running processes keep the one they have. */
    update: method("runtime.update"),
  },
  sandbox: {
    /** Build an image from a recipe, without a registry: a minute or two. */
    build_image: method("sandbox.build_image"),
    /** Run a command in a process's sandbox, as its agent, to its end; nothing it started is left. */
    exec: method("sandbox.exec"),
    /** Show where a process runs: tier, uid, image, network, limits, and which paths it reaches. */
    get: method("sandbox.get"),
    /** List the images for the tier docker: those of our recipes, built or not, then others; agents see ours. */
    images: method("sandbox.images"),
    /** List the tiers of this machine, with the reason where one does not work, and where each process runs. */
    list: method("sandbox.list"),
    /** Remove sandboxes whose process has ended and, if wished, our images that nothing uses. */
    prune: method("sandbox.prune"),
    /** Change the limits of a process while it runs; an agent only tightens them. */
    set_limits: method("sandbox.set_limits"),
    /** Measure what everything of a process uses together: memory, processes, processor time. */
    stats: method("sandbox.stats"),
  },
  skill: {
    /** Take what an agent proposed: that version is the current one, for all agents that have the skill. */
    approve: method("skill.approve"),
    /** Make a skill of others, with exactly the versions they have now; it does not change when they do. */
    compose: method("skill.compose"),
    /** Write a skill, or the next version of your own of that name. */
    create: method("skill.create"),
    /** Find skills by what they are good for, with their risk; an agent finds its own and those it was given. */
    discover: method("skill.discover"),
    /** Read a skill: its SKILL.md or another file, what else is in it, its risk and why. */
    get: method("skill.get"),
    /** Take a skill from a folder or an archive (zip, tar); one with anything unsafe in it is refused, unwritten. */
    install: method("skill.install"),
    /** Put a new skill, or a new version, before the person: if they take it, all agents have it. */
    propose: method("skill.propose"),
    /** Turn down what an agent proposed, and tell it why. */
    reject: method("skill.reject"),
    /** Remove a skill for good, with all its versions; skills composed of it keep what they took. */
    remove: method("skill.remove"),
    /** Make another version the current one; nothing is lost, and agents have it from their next start. */
    rollback: method("skill.rollback"),
    /** Run the steps of a skill that has some, in an agent's place: its home, its uid, its view of the machine. */
    run: method("skill.run"),
    /** Give a skill to another agent, or with `everyone` to all; an agent gives its own to agents it made. */
    share: method("skill.share"),
    /** Try a skill where it can break nothing: an agent is made for it, and removed with its home afterwards. */
    test: method("skill.test"),
    /** List the versions of a skill, newest first; none of them ever changes. */
    versions: method("skill.versions"),
  },
  snapshot: {
    /** Keep an agent as it is: its home, workspaces and conversation, and where the event log was. */
    create: method("snapshot.create"),
    /** Show which files differ between a snapshot and a later, or the agent as it is, and what was said since. */
    diff: method("snapshot.diff"),
    /** Run an agent as it was under a new one, beside it: its files and a copy of its conversation. */
    fork: method("snapshot.fork"),
    /** Show what a snapshot holds, and what was left out of it; with `verify` every file is read and compared. */
    get: method("snapshot.get"),
    /** List snapshots, newest first; an agent sees those of itself and of agents it created. */
    list: method("snapshot.list"),
    /** Remove a snapshot for good; what others share with it stays. */
    remove: method("snapshot.remove"),
    /** Take an agent back to a snapshot: its files, and a new process that goes on in the same conversation. */
    restore: method("snapshot.restore"),
  },
  system: {
    /** Show every setting as it is now, and where it is set; secrets are hidden. */
    config: method("system.config"),
    /** Look at this machine: what works, what is missing, and how to get it. */
    doctor: method("system.doctor"),
    /** End the daemon. Agents go on without it and are re-adopted at its next start, unless told otherwise. */
    shutdown: method("system.shutdown"),
    /** Show how the daemon is: processes by state, open questions, health of every room, warnings. */
    status: method("system.status"),
  },
  task: {
    /** Give a task up for good, with its parts and all that waits for it; who works on it is told to stop. */
    cancel: method("task.cancel"),
    /** Take the next task of a queue, or the one with this id: nobody else gets it while your lease lasts. */
    claim: method("task.claim"),
    /** Say that a task you hold is done, and what came of it; what waited for it can begin. */
    complete: method("task.complete"),
    /** Put work into a queue, for any agent of the same user or, with `to`, for one that is told. */
    create: method("task.create"),
    /** Give a task to one agent: to one that exists by a message, or to a new one that is started for it. */
    delegate: method("task.delegate"),
    /** Say that a task you hold did not work out; it is tried again after a pause, a few times. */
    fail: method("task.fail"),
    /** Show one task in full: where it stands, who has it, what came of it. */
    get: method("task.get"),
    /** List tasks, newest first; an agent sees those anybody may take, and those it has to do with. */
    list: method("task.list"),
  },
  template: {
    /** Make a template of your own. */
    create: method("template.create"),
    /** Copy a template under a name of your own, with what shall be different; it remembers where it comes from. */
    fork: method("template.fork"),
    /** Show one template in full, with what its agents are told and every tool they may use. */
    get: method("template.get"),
    /** List the roles a run can start from: those that come with aetherd, then your own, newest first. */
    list: method("template.list"),
    /** Rate a template from 1 to 5; you have one rating for each. */
    rate: method("template.rate"),
    /** Remove a template of your own for good; runs go on, and an agent made from it needs another one next time. */
    remove: method("template.remove"),
  },
  terminal: {
    /** Get a one-time ticket, good for a minute, that opens the terminal's WebSocket. */
    attach: method("terminal.attach"),
    /** End a terminal and everything that was started in it. */
    close: method("terminal.close"),
    /** List terminals, newest first; with a pid, that process's own screen before them. */
    list: method("terminal.list"),
    /** Open a terminal beside a process: a login shell, or `argv`, in the agent's home, under its uid. */
    open: method("terminal.open"),
    /** Read the screen of a terminal as text, as a person would see it now. */
    read: method("terminal.read"),
    /** Set the size of a terminal; its program is told. */
    resize: method("terminal.resize"),
    /** Type text and then named keys into a terminal; refused while somebody else has the keyboard. */
    send: method("terminal.send"),
  },
  token: {
    /** Show what an OAuth client asks for before a person allows or denies it. */
    consent: method("token.consent"),
    /** Make a credential for a script, an outside MCP client or a read-only reader. */
    create: method("token.create"),
    /** Allow an OAuth client what it asks for, or less, or deny it. */
    decide: method("token.decide"),
    /** List credentials, newest first, without their secrets. */
    list: method("token.list"),
    /** End a credential at once, everywhere. */
    revoke: method("token.revoke"),
  },
  tool: {
    /** Run any operation by name, found with tool.search, as if it were a tool of your own. */
    call: method("tool.call"),
    /** Find operations beyond the tools you are shown, by what they do; run one with tool.call. */
    search: method("tool.search"),
  },
  workspace: {
    /** Show which files changed, when and by whom as far as that is known; give the cursor back to get what is new. */
    changes: method("workspace.changes"),
    /** Make a directory that agents share; the agent that makes it has it, others get it by workspace.mount. */
    create: method("workspace.create"),
    /** Show a workspace: where it is, who has it, who reserved what until when, who wrote past that. */
    get: method("workspace.get"),
    /** List workspaces, newest first: who has each, what is reserved; an agent sees those it has or made. */
    list: method("workspace.list"),
    /** Give a workspace to an agent. Its fs tools reach it at once (name it as `workspace`). */
    mount: method("workspace.mount"),
    /** End reservations: as soon as you are done, so that others need not wait. */
    release: method("workspace.release"),
    /** Remove a workspace for good; say what becomes of its files, and try it with dry_run first. */
    remove: method("workspace.remove"),
    /** Keep others from writing a file or directory while you work on it; reserve again to renew. */
    reserve: method("workspace.reserve"),
    /** Take a workspace from an agent; its reservations end, its files stay. */
    unmount: method("workspace.unmount"),
  },
  worktree: {
    /** Commit what was changed in a worktree, as the person whose repository it is, with the agent as co-author. */
    commit: method("worktree.commit"),
    /** Give an agent a directory and a branch of its own in a git repository. */
    create: method("worktree.create"),
    /** Show what a worktree changed since it left the base, committed or not, and the patch in parts. */
    diff: method("worktree.diff"),
    /** List worktrees, newest first, and the repositories one can work in. */
    list: method("worktree.list"),
    /** Queue a worktree's commits to be merged into the base of the person's repository. */
    merge: method("worktree.merge"),
    /** Push a worktree's branch to a remote of the person's repository, with their credentials; never by force. */
    push: method("worktree.push"),
    /** Remove a worktree. What was not committed, merged or pushed is archived first, and the answer says where. */
    remove: method("worktree.remove"),
  },
};
