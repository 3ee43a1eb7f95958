"""An operation: a typed method of a room's service, marked once."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import BaseModel

ProgressFn = Callable[[float, float | None, str | None], Awaitable[None]]
Face = Literal["mcp", "http", "ws", "internal"]
F = TypeVar("F", bound=Callable[..., Any])


class Effect(StrEnum):
    """What an operation does to the world."""

    READ = "read"  # changes nothing
    WRITE = "write"
    DESTROY = "destroy"  # cannot be undone: an agent needs a person's approval


class Rule(StrEnum):
    """Who may, beyond the scope, when there is no single subject."""

    ANYONE = "anyone"  # every caller with the scope
    PEOPLE = "people"  # never an agent
    OWN = "own"  # the handler confines itself to what the caller owns


@dataclass(frozen=True, slots=True)
class Subject:
    """The input field that names an owned thing; without a value the caller itself is meant."""

    kind: str  # "process", "agent", "terminal", ...: a room resolves it to its owner
    field: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a thing is: every owned row has all three."""

    agent: str | None
    user: str
    org: str
    parent: str | None = None  # the agent that spawned the owning agent


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person at the caller's own client said to a question about the call."""

    approval: str  # the question
    allow: bool
    via: str  # how it was asked


@dataclass(frozen=True, slots=True)
class Call:
    """Who is asking, through which face, and where progress goes."""

    id: str
    actor: str  # "user:owner", "agent:agent_…": what audit and events show
    scopes: frozenset[str]
    face: Face
    user: str = "owner"
    org: str = "home"
    agent: str | None = None  # the calling agent; None is a person or a script of theirs
    pid: int | None = None  # the calling process
    chain: tuple[str, ...] = ()  # agents on whose behalf this call is made, outermost first
    deadline: float | None = None  # monotonic
    progress: ProgressFn | None = None
    approval: str | None = None  # the approval that allows this call
    toolset: str = "all"
    tools: frozenset[str] | None = None  # the only operations this run may use; None: whatever its scopes allow
    token: str | None = None  # id of the token used
    client: str | None = None  # the OAuth client a person let in, if it is one
    confirm: bool = False  # a person's credential that destroys nothing without asking
    asks: bool = False  # the face can ask that person, and waits to be told what
    answer: Answer | None = None  # and has

    def has(self, scope: str, operation: str | None = None) -> bool:
        """Tell whether the scopes grant `room:verb`, and the list of tools, where there is one, the operation.

        `*:read` and `*` are the only wildcards.
        """
        if operation is not None and self.tools is not None and operation not in self.tools:
            return False
        return scope in self.scopes or "*" in self.scopes or f"*:{scope.partition(':')[2]}" in self.scopes

    def owns(self, owner: Owner) -> bool:
        """Apply the one rule of ownership, for calls and for events alike."""
        if self.user != owner.user or self.org != owner.org:
            return False
        return self.agent is None or self.agent in (owner.agent, owner.parent)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be done; what every face is derived from."""

    name: str  # "process.spawn": the one name, on every face
    doc: str
    input: type[BaseModel]
    output: type[BaseModel]  # always an object, never a bare list
    scope: str  # "process:write"
    effect: Effect
    access: Subject | Rule
    streams: bool  # the handler is an async generator of `output`
    handler: Callable[..., Any]
    positional: tuple[str, ...] = field(default=())  # input fields that are arguments on the command line
    delegates: bool = False  # it only runs another operation, which is guarded and audited in its own right
    long: bool = False  # it may wait for minutes: MCP clients that can get a task to poll

    @property
    def room(self) -> str:
        """The room it belongs to."""
        return self.name.partition(".")[0]

    def open_to(self, call: Call) -> bool:
        """Tell whether the caller can use it at all; whose things are meant is asked when it is called."""
        return call.has(self.scope, self.name) and not (self.access is Rule.PEOPLE and call.agent is not None)

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.doc.partition("\n")[0]


def operation(
    name: str,
    *,
    effect: Effect = Effect.WRITE,
    access: Subject | Rule,
    scope: str | None = None,
    positional: tuple[str, ...] = (),
    delegates: bool = False,
    long: bool = False,
) -> Callable[[F], F]:
    """Mark a service method. Records only; nothing is registered at import time."""
    verb = "read" if effect is Effect.READ else "write"
    spec = {
        "name": name,
        "scope": scope or f"{name.partition('.')[0]}:{verb}",
        "effect": effect,
        "access": access,
        "positional": positional,
        "delegates": delegates,
        "long": long,
    }

    def mark(fn: F) -> F:
        fn.__operation__ = spec  # type: ignore[attr-defined]
        return fn

    return mark


def operations_of(service: object) -> Iterator[Operation]:
    """Yield the marked methods of a service, or of its class (unbound, for the catalogue)."""
    members = [(name, getattr(service, name)) for name in dir(service) if not name.startswith("__")]
    for _, fn in members:
        if not (spec := getattr(fn, "__operation__", None)):
            continue
        hints, streams = get_type_hints(fn), inspect.isasyncgenfunction(fn)
        returned = hints["return"]
        output = get_args(returned)[0] if streams else returned
        yield Operation(
            **spec, doc=inspect.getdoc(fn) or "", input=hints["input"], output=output, streams=streams, handler=fn
        )


Result = BaseModel | AsyncIterator[BaseModel]
