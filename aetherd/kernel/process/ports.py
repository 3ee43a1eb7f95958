"""What the process room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlmodel import Session

from aetherd.operations.errands import Mount
from aetherd.operations.operation import Call
from aetherd.operations.sandboxes import Inside, Plan
from aetherd.runtime import Skill
from aetherd.store import Tx


class AgentRecord(Protocol):
    """An agent as the agent room keeps it."""

    id: str
    name: str
    role: str | None
    template: str | None
    user: str
    org: str
    parent: str | None
    uid: int | None


class Agents(Protocol):
    """Identities and their homes."""

    async def find(self, ref: str, call: Call) -> AgentRecord:
        """Return an agent by id or name."""
        ...

    def living_in(self, tx: Tx, agent: str) -> AgentRecord:
        """Return one inside the transaction; `NotFound` when it was removed meanwhile."""
        ...

    def create_in(
        self, tx: Tx, call: Call, *, name: str | None, role: str | None, template: str | None, stem: str
    ) -> AgentRecord:
        """Create one inside the transaction."""
        ...

    async def make_home(self, agent: str, uid: int | None) -> None:
        """Make its directories."""
        ...


class Tokens(Protocol):
    """Credentials of processes."""

    def make_process_token(
        self, tx: Tx, *, agent: str, pid: int, toolset: str, user: str, org: str, tools: Collection[str] | None
    ) -> str:
        """Make one inside the transaction; with `tools` it may use these operations alone."""
        ...

    def end_process_tokens(self, tx: Tx, pid: int) -> None:
        """Revoke them inside the transaction."""
        ...


class Sandboxes(Protocol):
    """What has walls for processes, in the list of `process.sandboxes`."""

    async def choose(self, wish: Mapping[str, Any]) -> str:
        """Return the tier for a wish, the JSON form of SandboxWish; raises `Unavailable`, `Invalid`."""
        ...

    async def choose_alone(self) -> str:
        """Return the tier of a command that belongs to no process."""
        ...

    async def hold(self, tier: str, plan: Plan) -> Inside:
        """Return the sandbox of a process as the plan says, made if need be; raises `Unavailable`."""
        ...

    async def find(self, tier: str, pid: int) -> Inside | None:
        """Return the sandbox of a process as it stands."""
        ...

    async def drop(self, tier: str, pid: int) -> None:
        """End the sandbox of a process and everything in it."""
        ...

    def python(self, tier: str) -> str | None:
        """Return the interpreter that a tier has instead of ours."""
        ...


class Asked(Protocol):
    """What became of a question at once."""

    id: str
    decided: Mapping[str, Any] | None  # set when a rule answered it


class Approvals(Protocol):
    """Questions that wait for a person."""

    def ask_permission(
        self, tx: Tx, *, pid: int, agent: str, request: str, title: str, tool: str, input: Mapping[str, Any]
    ) -> Asked:
        """Store a runtime's own question inside the transaction."""
        ...

    def close_request(self, tx: Tx, pid: int, request: str) -> None:
        """Close a question that its runtime withdrew."""
        ...

    def close_process(self, tx: Tx, pid: int, reason: str) -> None:
        """Close the questions of a runtime that has ended."""
        ...

    def open_in(self, tx: Tx, pid: int) -> int:
        """Count the questions of a process that wait, as it is written."""
        ...

    def pending(self, session: Session) -> dict[int, int]:
        """Count the questions that wait, by pid."""
        ...


class Skills(Protocol):
    """Skills of agents, in the list of `process.skills`."""

    async def skills_of(self, agent: str) -> Sequence[Skill]:
        """Return what an agent that is now started has; one of each name."""
        ...


class Wanted(Protocol):
    """A workspace somebody wants to run an agent in, and may."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def path(self) -> Path:
        """Its directory."""
        ...

    @property
    def note(self) -> str:
        """What the agent should know of it at its start; empty when it is told anyhow."""
        ...


class Workspaces(Protocol):
    """Shared directories, in the list of `process.workspaces`."""

    async def wanted(self, ref: str, agent: str | None, call: Call) -> Wanted:
        """Return a workspace the caller may run that agent in; raises `NotFound`, `Forbidden`."""
        ...

    def mount_in(self, tx: Tx, workspace: str, agent: AgentRecord, call: Call) -> None:
        """Mount it for the agent inside the transaction, if it is not yet."""
        ...

    async def mounts_of(self, agent: str) -> Sequence[Mount]:
        """Return what an agent that is now started gets."""
        ...


class Quotas(Protocol):
    """The most that runs may use, in the list of `process.quotas`."""

    async def ceilings(self, agent: str | None, user: str, org: str) -> Mapping[str, float]:
        """Return fields of Limits and their largest values, for a run of an agent or (None) of a new one."""
        ...


class Template(Protocol):
    """What a run is made from, where the caller does not say otherwise."""

    name: str
    title: str
    instructions: str  # what the agent is told of its role
    runtime: str
    model: str | None  # as `runtime` knows it
    toolset: str
    tools: Collection[str] | None  # the only operations it may use; None: whatever an agent may
    limits: Mapping[str, float]  # fields of Limits


class Templates(Protocol):
    """Templates, in the list of `process.templates`."""

    async def template(self, ref: str, call: Call) -> Template:
        """Return one the caller may use; raises `NotFound`."""
        ...
