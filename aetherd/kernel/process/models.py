"""What the process room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, field_serializer

from aetherd.core.model import LARGEST, MB, USD, Count, Model, Page, Pid, Serial
from aetherd.operations.sandboxes import Tier


class SandboxWish(Model):
    """Where it should run; left out, as the setting `sandbox` says."""

    tier: Tier | None = Field(default=None, description="docker, bwrap or host (no walls); see sandbox.list")
    network: str | None = Field(default=None, description="none, all, or rules: `pypi.org, *.npmjs.org:443`")
    image: str | None = Field(default=None, description="for tier docker; see sandbox.images")
    graphical: bool = Field(default=False, description="with a desktop")
    gpu: bool | Count = Field(default=False, description="GPUs of its own: true for one, or how many")
    gpu_devices: list[str] = Field(default=[], max_length=64, description="exactly these GPUs (gpu.list)")


class Limits(Model):
    """Hard limits, enforced from outside; left out, what quota.get tells."""

    cpu: float | None = Field(default=None, ge=0.01, le=1024, description="cores it may use")
    memory_mb: MB | None = Field(default=None, ge=16, description="memory of all its programs together, swap included")
    pids: int | None = Field(default=None, ge=4, le=4_194_304, description="processes and threads")
    disk_mb: MB | None = Field(
        default=None, description="what its home may hold; looked at every few seconds, and past it, it is paused"
    )
    open_files: int | None = Field(default=None, ge=16, le=1_048_576, description="RLIMIT_NOFILE")
    file_mb: MB | None = Field(default=None, description="largest file it may write")
    wall_s: float | None = Field(default=None, gt=0, le=LARGEST, description="stopped after this many seconds")
    tokens: Serial | None = Field(default=None, description="tokens of its calls to models, and of all it starts")
    steps: Serial | None = Field(
        default=None, description="calls to models, and as many of tools; stopped when it would make one more"
    )


class ProcessSpawn(Model):
    """What to run. `runtime` and `goal` are enough."""

    runtime: str = Field(default="claude-code", description="claude-code, builtin or command; see system.doctor")
    goal: str | None = Field(default=None, max_length=200_000, description="what it shall do, as a prompt", repr=False)
    name: str | None = Field(
        default=None, max_length=64, pattern=r"^[\w][\w .@+-]*$", description="name of a new agent; made up if absent"
    )
    agent: str | None = Field(default=None, description="existing agent (id or name) to run again")
    role: str | None = Field(default=None, max_length=200, description="what it is for, in a few words")
    argv: list[str] | None = Field(default=None, description="command line, for runtime command", max_length=1000)
    env: dict[str, SecretStr] = Field(
        default_factory=dict, description="environment for the runtime; values are kept secret"
    )
    cwd: str | None = Field(default=None, description="where it works; default is home/work")
    sandbox: SandboxWish = Field(default_factory=SandboxWish, description="where it runs")
    workspace: str | None = Field(
        default=None, max_length=100, description="workspace (id or name) to mount and to work in"
    )
    template: str | None = Field(
        default=None,
        max_length=100,
        description="role to start from (template.list): instructions, model, limits, the only tools",
    )
    model: str | None = Field(default=None, max_length=200, description="model name as the runtime knows it")
    toolset: Literal["worker", "lead", "operator", "all"] = Field(
        default="worker", description="which aether tools it is shown"
    )
    limits: Limits = Field(default_factory=Limits, description="hard limits")
    budget: USD | None = Field(
        default=None,
        description="USD for its calls to models and those of all it starts; the call that could go past it is refused",
    )
    priority: int = Field(default=0, ge=-10, le=10, description="higher starts sooner when the queue is full")
    parent: Pid | None = Field(default=None, description="pid of who spawns it; set for agents")
    session: Literal["resume", "new"] = Field(
        default="resume", description="with `agent`: go on in its last conversation, or start afresh"
    )
    rows: int = Field(default=30, ge=2, le=500, description="terminal rows")
    cols: int = Field(default=110, ge=10, le=1000, description="terminal columns")

    @field_serializer("env")
    def _hidden(self, env: dict[str, SecretStr]) -> dict[str, str]:
        return dict.fromkeys(env, "********")


class ProcessRef(Model):
    """Names one process."""

    pid: Pid = Field(description="our process id, not the kernel's")


class OwnProcessRef(Model):
    """Names one process; without a pid the caller's own."""

    pid: Pid | None = Field(default=None, description="process id; default is the calling agent's own")


class ProcessList(Page):
    """Which processes."""

    state: str | None = Field(default=None, description="only this state, or `live` for all that have not ended")
    agent: str | None = Field(default=None, description="only of this agent (id or name)")


class Limited(Model):
    """A usage limit that an agent waits for; it has no runtime meanwhile where that can go on later."""

    since: str
    resets_at: str | None = Field(description="when it lifts, as the runtime or the model gateway was told")
    wakes_at: str = Field(description="when it is told to go on; process.resume does so at once")
    times: int = Field(description="how often in a row it was hit")
    error: str | None


class Process(Model):
    """One run of an agent."""

    pid: int
    agent: str = Field(description="agent id")
    name: str = Field(description="agent name")
    role: str | None
    runtime: str
    goal: str | None = Field(description="the first 2,000 characters of the goal")
    state: str = Field(description="created, queued, starting, running, paused, stopping, exited, lost or unknown")
    phase: str | None = Field(description="what a running agent is doing")
    phase_source: str | None = Field(description="protocol, process, screen or user: how the phase is known")
    phase_at: str | None = Field(description="since when")
    reason: str | None = Field(description="why it is in this state, in words")
    os_pid: int | None = Field(description="the kernel's pid of its main process")
    incarnation: int = Field(description="how many times a runtime process was started for it")
    mode: Literal["headless", "tui"]
    stdio: Literal["pty", "pipes"] | None
    sandbox: dict[str, Any] = Field(description="tier, uid and whether it has a uid of its own")
    session: str | None = Field(description="the runtime's own conversation id")
    model: str | None
    template: str | None = Field(description="the role it was started from")
    permission_mode: str | None = Field(description="as the runtime reports it")
    tools_connected: bool | None = Field(description="whether the runtime reports aether's tools as connected")
    parent: int | None
    priority: int
    toolset: str
    created_at: str
    started_at: str | None
    exited_at: str | None
    exit_code: int | None
    exit_signal: int | None
    ended_by: str | None = Field(description="who ended it, when somebody did")
    outcome: str = Field(description="running, completed, failed, killed or limited")
    limited: Limited | None = Field(default=None, description="the usage limit it waits for")
    controller: str | None = Field(description="who holds the control lease, if a person does")
    requested: str | None = Field(description="why the agent asks for a person, while nobody has come")
    approvals: int = Field(description="questions waiting for a person")
    cost_usd: float = Field(
        description="metered by the model gateway; else, when not `metered`, the runtime's own word"
    )
    metered: bool = Field(description="its calls to models go through the gateway, which counts them")
    claimed_usd: float = Field(description="what its runtime says that it has cost")
    budget_usd: float | None = Field(description="for it and all it starts; null: none of its own")
    capabilities: dict[str, bool]


class Processes(Model):
    """A page of processes."""

    processes: list[Process]
    cursor: str | None = None


class ProcessNode(Model):
    """A process and those it spawned."""

    process: Process
    children: list[ProcessNode]


class ProcessTree(Model):
    """Who spawned whom, and the kernel's processes under one of ours."""

    roots: list[ProcessNode]
    os_pids: list[int] = Field(description="kernel pids of the named process's tree; empty without a pid")


class Timeline(Page):
    """Which part of a process's story."""

    pid: Pid = Field(description="process id")
    limit: int = Field(default=200, ge=1, le=500, description="most events to return")
    before: Serial | None = Field(default=None, description="only events older than this id; newest page first")
    after: Count | None = Field(default=None, description="only events newer than this id")


class TimelineEvents(Model):
    """Events of one process, oldest first, in the wire form of the event log."""

    events: list[dict[str, Any]]
    more: bool = Field(description="whether older (or, with `after`, newer) ones exist")


class ProcessWait(Model):
    """Wait for something to be done."""

    pid: Pid = Field(description="process id")
    until: Literal["result", "exit"] = Field(
        default="result", description="`result`: the goal is finished or the process ended; `exit`: it ended"
    )
    timeout_s: float = Field(default=60, gt=0, le=3600, description="answer at the latest after this")


class ProcessSignal(Model):
    """A signal for the whole tree."""

    pid: Pid = Field(description="process id")
    signal: Literal["TERM", "KILL", "STOP", "CONT", "INT", "USR1", "USR2"] = Field(description="sent to the whole tree")


class Signalled(Model):
    """How many kernel processes got it."""

    pid: int
    signal: str
    processes: int


class ProcessSend(Model):
    """Text for a running agent, by its runtime's own protocol."""

    pid: Pid = Field(description="process id")
    text: str = Field(min_length=1, max_length=200_000, description="what the agent is told")
    priority: Literal["now", "next", "queue"] = Field(
        default="next",
        description="now cuts the current step, next is read at the next tool boundary, queue after this turn",
    )


class Sent(Model):
    """The text is durable and will be delivered at most once."""

    id: str
    pid: int
    state: str = Field(description="queued, sent (the runtime has it), delivered (the model has it) or failed")


class ProcessOutput(Model):
    """Which bytes."""

    pid: Pid = Field(description="process id")
    incarnation: Serial | None = Field(default=None, description="default is the newest")
    offset: Count = Field(default=0, description="absolute byte offset")
    limit: int = Field(default=65_536, ge=1, le=1_048_576, description="most bytes")
    follow: bool = Field(default=False, description="go on until the end; streams")
    stderr: bool = Field(default=False, description="the last bytes of standard error instead (pipes only)")


class OutputPart(Model):
    """Bytes at an absolute offset."""

    pid: int
    incarnation: int
    offset: int
    next_offset: int
    first_offset: int = Field(description="older bytes are gone")
    text: str = Field(description="as UTF-8, invalid bytes replaced")
    base64: str | None = Field(default=None, description="the exact bytes, when the text is not exact")
    eof: bool = Field(description="this incarnation has ended and nothing follows")


class Usage(Model):
    """Tokens, metered by the model gateway, or as the runtime reports them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


class ProcessResult(Model):
    """What came of it."""

    pid: int
    outcome: Literal["running", "completed", "failed", "killed", "limited"]
    text: str = Field(description="the agent's final text; what there is so far while it runs")
    error: str | None = None
    cost_usd: float
    usage: Usage
    files_changed: list[str] = Field(description="paths under its working directory changed since spawn, at most 500")


class SetPriority(Model):
    """A new priority."""

    pid: Pid = Field(description="process id")
    priority: int = Field(ge=-10, le=10, description="higher starts sooner when the queue is full")


class Nothing(Model):
    """No input."""


class Whoami(Model):
    """Who the caller is."""

    actor: str
    agent: str | None
    name: str | None
    pid: int | None
    runtime: str | None
    home: str | None
    user: str
    org: str
    toolset: str
    scopes: list[str]
    tools: list[str] | None = Field(description="the only operations you may use; null: whatever your scopes allow")
