"""From what somebody wishes to what shall be started: agent, template, workspace, tools and first words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from aetherd.core.errors import Exhausted, Invalid, NotFound, Unavailable
from aetherd.kernel.process.bounds import limits_of
from aetherd.kernel.process.models import Limits, ProcessSpawn
from aetherd.kernel.process.ports import AgentRecord, Agents, Template, Wanted, Workspaces
from aetherd.kernel.process.workshop import Workshop
from aetherd.operations.operation import Call

CONTEXT_S = 2.0  # how long a source of context may take

Context = Callable[[str, str, str, str | None], Awaitable[str]]  # (agent, user, org, goal) -> what it should know
Note = Callable[[str, Collection[str] | None], str]  # (runtime, its only tools) -> what it is told besides


@dataclass(frozen=True, slots=True)
class Words:
    """Who has something to tell an agent at its start."""

    sources: list[Context] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Start:
    """What a wish comes to."""

    wish: ProcessSpawn
    known: AgentRecord | None  # None: a new agent
    template: Template | None
    room: Workspaces | None  # of the workspace it shall run in
    wanted: Wanted | None  # that workspace
    tools: Collection[str] | None  # the only operations it may use
    context: str
    tier: str  # where it shall run

    @property
    def made_from(self) -> str | None:
        """The name of its template."""
        return None if self.template is None else self.template.name

    @property
    def role(self) -> str | None:
        """What a new agent is for, as far as anybody says."""
        return self.wish.role or (None if self.template is None else self.template.title)


async def understood(workshop: Workshop, agents: Agents, words: Words, input: ProcessSpawn, call: Call) -> Start:
    """Find what a wish names and refuse what cannot work, before anything is written."""
    known = None if input.agent is None else await agents.find(input.agent, call)
    template = await _template(workshop, input, known, call)
    wish = input if template is None else _filled(input, template, call)
    wish = await _bounded(workshop, input, wish, known, call)
    _check(workshop, wish)
    tier = await workshop.walls.choose(wish.sandbox, call)
    room, wanted = await _wanted(workshop, wish, known.id if known else None, call)
    tools = _tools(template, call)
    told = [] if template is None or not template.instructions else [template.instructions]
    if wish.goal is not None:  # else nothing to remember for: a command, or an agent that waits for its first word
        told += [wanted.note] if wanted else []
        told += [note(wish.runtime, tools) for note in words.notes]
        told += await _remembered(words.sources, known.id if known else "", wish.goal, call)
    return Start(wish, known, template, room, wanted, tools, "\n\n".join(part for part in told if part), tier)


def _check(workshop: Workshop, input: ProcessSpawn) -> None:
    workshop.adapter(input.runtime)
    if input.runtime == "command" and not input.argv:
        raise Invalid("runtime command needs `argv`, the command line to run", field="argv")
    if input.runtime != "command" and input.argv:
        raise Invalid(f"`argv` is for runtime command; {input.runtime} takes a goal", field="argv")


async def _wanted(
    workshop: Workshop, input: ProcessSpawn, agent: str | None, call: Call
) -> tuple[Workspaces | None, Wanted | None]:
    """Return the workspace it shall run in, when one is named and the caller may, and whose room that is.

    `agent` is the id of one that exists; None: a new one.
    """
    if input.workspace is None:
        return None, None
    for room in workshop.workspaces:
        with suppress(NotFound):
            return room, await room.wanted(input.workspace, agent, call)
    raise NotFound(
        f"no workspace {input.workspace!r} and no worktree; workspace.list and worktree.list show those there are",
        kind="workspace",
        id=input.workspace,
    )


async def _template(workshop: Workshop, input: ProcessSpawn, known: AgentRecord | None, call: Call) -> Template | None:
    """Return the template that is named, else the one the agent was made from."""
    ref = input.template or (known.template if known is not None else None)
    if ref is None:
        return None
    if not workshop.templates:
        raise Unavailable("this house has no templates; leave `template` out", field="template")
    try:
        return await workshop.templates[0].template(ref, call)
    except NotFound as exc:
        if input.template is not None or known is None:
            raise
        gone = f"agent {known.name} was made from the template {ref!r}, which is gone; name another with `template`"
        raise NotFound(gone, **exc.data) from exc


def _filled(input: ProcessSpawn, template: Template, call: Call) -> ProcessSpawn:
    """Return the wish with what the template says where the wish says nothing; an agent only tightens limits."""
    limits = dict(template.limits)
    for name, wished in _limits(input).items():
        limits[name] = min(wished, limits.get(name, wished)) if call.agent is not None else wished
    found = _with(limits)
    given = input.model_fields_set
    if "runtime" not in given and not input.argv:
        found["runtime"] = template.runtime
    if "toolset" not in given:
        found["toolset"] = template.toolset
    if input.model is None and found.get("runtime", input.runtime) == template.runtime:
        found["model"] = template.model
    return input.model_copy(update=found)


async def _bounded(
    workshop: Workshop, input: ProcessSpawn, wish: ProcessSpawn, known: AgentRecord | None, call: Call
) -> ProcessSpawn:
    """Return the wish within the quotas; an agent's run never has more than the run that starts it.

    What a person asked for by name and cannot have is refused, so that nobody believes in it.
    """
    most: dict[str, float] = {}
    for quotas in workshop.quotas:
        most |= await quotas.ceilings(known.id if known else None, call.user, call.org)
    if call.pid is not None:
        own = limits_of(await workshop.read_row(call.pid)).model_dump(exclude_none=True)
        most |= {name: min(value, most.get(name, value)) for name, value in own.items()}
    limits, asked = _limits(wish), _limits(input)
    for name, ceiling in most.items():
        if asked.get(name, ceiling) > ceiling and call.agent is None:
            what = name if name == "budget" else f"limits.{name}"
            told = f"{what} {asked[name]:g} is more than the quota of {ceiling:g}; quota.set changes that"
            raise Exhausted(told, field=name, quota=ceiling)
        limits[name] = min(limits.get(name, ceiling), ceiling)
    return wish.model_copy(update=_with(limits))


def _limits(wish: ProcessSpawn) -> dict[str, float]:
    """Return the limits and the budget of a wish, those it names."""
    found = wish.limits.model_dump(exclude_none=True)
    return found if wish.budget is None else found | {"budget": wish.budget}


def _with(limits: Mapping[str, float]) -> dict[str, Any]:
    """Return the fields of a wish that hold these limits."""
    bounds = {name: value for name, value in limits.items() if name != "budget"}
    return {"limits": Limits.model_validate(bounds), "budget": limits.get("budget")}


def _tools(template: Template | None, call: Call) -> Collection[str] | None:
    """Return the only operations it may use; one started by an agent never has more than that agent."""
    own = None if template is None else template.tools
    if call.tools is None or own is None:
        return own if call.tools is None else call.tools
    return call.tools.intersection(own)


async def _remembered(sources: Sequence[Context], agent: str, goal: str, call: Call) -> list[str]:
    found = []
    for source in sources:
        with anyio.move_on_after(CONTEXT_S):
            found.append(await source(agent, call.user, call.org, goal))
    return found
