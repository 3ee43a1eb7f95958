"""The contract with runtimes: how one is launched, what its output means, what it is told.

An adapter is pure translation. It never starts a process, opens a socket or touches the database: the
process room does, through the shim. So a decoder can be restored after the daemon was killed: the room
commits its events, the output offset and `Decoder.state()` in one transaction and goes on from there.

Lifecycle of one incarnation: `launch` -> files written, shim forked -> inputs, each encoded and sent once ->
`decode` per complete output line -> `rest` and `judge` when it has exited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Mode = Literal["headless", "tui"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter really does; the console shows and hides by it."""

    structured: bool = False  # output lines mean something to `decode`
    texts: bool = False  # it can be told texts, the goal among them
    steer: bool = False  # a text in mid-turn reaches the model in the same turn
    interrupt: bool = False  # a turn can be stopped and the process lives on
    resume: bool = False  # a conversation continues in a new incarnation
    takeover: bool = False  # a TUI can open on the same conversation
    permissions: bool = False  # it asks before it acts
    skills: bool = False  # skills of the house are put where it looks for them
    echo: bool = False  # it says `Told` of each text it reads; else a text counts as read once it is written


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found; `missing` says what to do when it is not available."""

    available: bool
    version: str | None = None
    path: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """How the agent reaches aetherd: the relay's command line and its environment."""

    command: tuple[str, ...]  # argv of the MCP relay
    env: Mapping[str, str]  # AETHER_SOCKET, AETHER_TOKEN, AETHER_PROCESS, AETHER_AGENT


@dataclass(frozen=True, slots=True)
class Gateway:
    """How the agent reaches models through aetherd, which keeps the keys: `url/<provider>` is a provider's base."""

    url: str  # as it is where the agent runs, such as http://127.0.0.1:3001/llm
    token: str  # goes where the provider's SDK puts its key
    providers: frozenset[str]  # those that can be used
    frugal: bool = False  # the run has a budget: ask for no longer answers than are needed, as each is reserved whole


@dataclass(frozen=True, slots=True)
class Package:
    """What must be fetched to install a runtime below a prefix of its own, without install scripts."""

    npm: tuple[str, ...] = ()  # pinned: name@version; the first is the runtime itself
    node: str | None = None  # version of the npm package `node-linux-<arch>`, when it needs Node
    program: str = ""  # the file to run, below the prefix
    drop: tuple[str, ...] = ()  # files it would work off in place at its first start, where nothing can be written


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill an agent has: a directory with a SKILL.md that it may read and nobody may change."""

    name: str
    description: str
    path: Path


@dataclass(frozen=True, slots=True)
class Spawn:
    """All an adapter may know to launch one incarnation."""

    pid: int
    agent: str
    name: str
    goal: str | None
    argv: tuple[str, ...]  # only for `command`
    home: Path  # the agent's private home, exists, owned by its uid
    config: Path  # directory for generated runtime configuration, exists
    cwd: Path
    env: Mapping[str, str]  # what the person gave at spawn; wins over generated values
    door: Door
    python: str | None = None  # the interpreter there is where it runs, when it is not ours
    model: str | None = None
    context: str = ""  # put before the goal: who it is, what it remembers
    session: str | None = None  # the runtime's own conversation id
    resume: bool = False  # continue `session` instead of starting it
    mode: Mode = "headless"
    idle_exit_s: float = 0  # a runtime may end by itself after this; 0 never
    rows: int = 30
    cols: int = 110
    skills: tuple[Skill, ...] = ()  # only with the capability
    walled: bool = False  # in a sandbox of aetherd's; else it has the rights of its user
    gateway: Gateway | None = None  # None: no model is configured, or the person gave credentials of their own


@dataclass(frozen=True, slots=True)
class File:
    """A file the room writes before launch, owned by the agent."""

    path: Path
    content: str
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class Links:
    """A directory below home or config with these links in it; ours of an earlier start that are not named go."""

    path: Path
    targets: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Launch:
    """What the shim must run."""

    argv: tuple[str, ...]
    env: Mapping[str, str]  # complete: nothing is inherited
    cwd: Path
    stdio: Literal["pty", "pipes"]
    files: tuple[File, ...] = ()
    session: str | None = None  # conversation id, when known before the first output
    needs: tuple[Path, ...] = ()  # files and directories outside home it must be able to read and run
    links: Links | None = None  # where it looks for skills


# What the runtime is told ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """A person's, an agent's or the daemon's text for the model."""

    id: str  # delivered at most once
    text: str
    priority: Literal["now", "next", "queue"] = "next"


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the turn; keep the process."""

    id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to a permission request."""

    request: str
    allow: bool
    for_run: bool = False  # also allow the same tool for the rest of this run
    reason: str | None = None
    input: Mapping[str, Any] | None = None  # the call's original input
    tool: str | None = None


Input = Say | Interrupt | Answer


# What its output means -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The runtime told who it is: once per incarnation (repeats with equal content are dropped by adapters)."""

    session: str
    model: str | None = None
    permission_mode: str | None = None
    tools_connected: bool | None = None  # whether the aether MCP server is connected; False is shown red
    version: str | None = None


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The model is at work."""


@dataclass(frozen=True, slots=True)
class Thought:
    """A whole block of reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A whole block of the agent's text; `interrupted` when it was cut off and this is what there is."""

    text: str
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """Part of a block while it is written: shown live, never logged."""

    kind: Literal["text", "thought"]
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """A text reached the model: ours (`id` of the Say) or typed by a person in the TUI (`id` None)."""

    text: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model called a tool."""

    id: str
    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool answered; `text` is bounded to 20,000 characters by the adapter, with a note when cut."""

    id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class PermissionAsked:
    """The runtime waits for a person; it stays blocked until an `Answer`."""

    request: str
    tool: str
    input: Mapping[str, Any]
    title: str
    tool_call: str | None = None


@dataclass(frozen=True, slots=True)
class PermissionClosed:
    """The runtime itself withdrew its request."""

    request: str


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens and money since the last `Used`; cost is the runtime's own estimate in USD."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    model: str | None = None


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The model is done for now."""

    outcome: Literal["completed", "failed", "interrupted", "limited"]
    text: str = ""
    error: str | None = None
    resets_at: str | None = None  # when a usage limit lifts, ISO 8601, if told


@dataclass(frozen=True, slots=True)
class Trouble:
    """The runtime met an error it works on by itself, such as a retried API call."""

    text: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A line this adapter does not understand; kept so that nothing is silently lost."""

    line: str


Output = (
    SessionStarted
    | TurnStarted
    | Thought
    | Text
    | Delta
    | Told
    | ToolCalled
    | ToolReturned
    | PermissionAsked
    | PermissionClosed
    | Used
    | TurnEnded
    | Trouble
    | Unread
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an incarnation exited, as the shim recorded it."""

    code: int | None
    signal: int | None
    stderr: str  # the last 4 KB
    wanted: bool = False  # the daemon asked it to end


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an exit means for the run."""

    outcome: Literal["completed", "failed", "killed", "limited"]
    error: str | None = None


class Decoder(Protocol):
    """One incarnation's output, line by line, and the words it understands."""

    def decode(self, line: bytes) -> Iterable[Output]:
        """Translate one complete line (without its newline, possibly invalid UTF-8); never raises."""
        ...

    def encode(self, message: Input) -> bytes | None:
        """Return the bytes for the runtime's input, or None when it cannot be told this."""
        ...

    def close(self) -> bytes | None:
        """Return bytes that ask for a clean end, or None when closing the input is enough."""
        ...

    def rest(self) -> Iterable[Output]:
        """Return what a hard exit left open: a text that was cut off, prompts nobody can answer any more."""
        ...

    def judge(self, ended: Ended) -> Verdict:
        """Say what the exit means, from what was decoded and how it ended."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on decoding after a restart: small, JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Hints:
    """Texts an adapter adds to what the console shows about it."""

    title: str
    summary: str
    install: str = ""
    needs: tuple[str, ...] = field(default=())  # environment it can use, given or kept in secrets/NAME


class Runtime(Protocol):
    """An adapter that can host an agent. Stateless; one instance per daemon."""

    name: str
    capabilities: Capabilities
    hints: Hints

    def check(self) -> Report:
        """Look whether it can run here; may block (runs in a thread), at most a few seconds."""
        ...

    def launch(self, spawn: Spawn) -> Launch:
        """Say what to run; raises `Unavailable` when it is not installed, `Invalid` for a wrong request."""
        ...

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        """Return a fresh decoder, or one restored from `Decoder.state()`."""
        ...

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        """Return what was said and done in a TUI since then (Unix time); may block, runs in a thread."""
        ...

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        """Return the conversation a TUI started at `since` (Unix time) ended in, when that is another one."""
        ...
