"""Namespaces: who sees which memories, as words of the index that narrow a search and as a condition that confirms it.

- `agent`: private to one agent.
- `team`: the family of agents that descend from one lead, which is the agent their line of makers begins with: the
  root of the process tree. Whoever a person made leads a team of its own.
- `workspace`: agents that have the workspace or made it; others that may use it, when they name it.
- `global`: every agent of the same user.

A person sees all of theirs. What is kept in a workspace that was removed is for people alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aetherd.core.errors import Invalid, Unavailable
from aetherd.kernel.memory.ports import Agents, Workspaces
from aetherd.kernel.memory.search import Filter
from aetherd.operations.operation import Call


@dataclass(frozen=True, slots=True)
class Place:
    """Where a memory is kept: `key` is the agent, the agent that leads the team, or the workspace."""

    namespace: str
    key: str | None = None

    @property
    def scope(self) -> str:
        """The one word that stands for it in the index, whose words never hold an underscore; empty for global."""
        word = re.sub(r"[^0-9A-Za-z]", "", self.key or "").lower()
        return f"team{word}" if self.namespace == "team" else word

    @property
    def journals(self) -> str:
        """The words for an agent's journals: found apart, so that they never stand in the way of the others."""
        return f"journal journal{self.scope}"


GLOBAL = Place("global")
NOT_MADE = ""  # stands for an agent that is about to be made


@dataclass(frozen=True, slots=True)
class Wish:
    """Which memories are wanted; ids, not names."""

    namespace: str | None = None
    workspace: str | None = None
    agent: str | None = None
    layer: str | None = None
    tags: tuple[str, ...] = ()


class Sight:
    """What one caller may see."""

    def __init__(self, user: str, org: str, agent: str | None, places: Sequence[Place]) -> None:
        self._user, self._org, self._agent, self._places = user, org, agent, places

    def filters(self, wish: Wish) -> list[Filter]:
        """Return what to search: shared and other memories apart, so that neither hides the other."""
        if self._agent is None:
            scope = None
            if wish.workspace is not None:
                scope = Place("workspace", wish.workspace).scope
            elif wish.namespace == "agent" and wish.agent is not None:
                scope = Place("agent", wish.agent).scope
            return [self._filter(wish, None if scope is None else (scope,))]
        places = self._wanted(wish)
        shared, own = [GLOBAL] if GLOBAL in places else [], [place for place in places if place != GLOBAL]
        return [self._filter(wish, tuple(place.scope for place in group)) for group in (shared, own) if group]

    def journals(self, wish: Wish) -> Filter | None:
        """Return where to search journals; None when the wish leaves them out."""
        if wish.namespace not in (None, "agent") or wish.workspace is not None or self._agent == NOT_MADE:
            return None
        agent = self._agent or wish.agent
        if agent is None:
            return self._filter(wish, None, journal=True)
        return self._filter(wish, (Place("agent", agent).journals,), journal=True)

    def condition(self, wish: Wish) -> tuple[str, tuple[object, ...]]:
        """Return the condition on `m` for a list, journals among the others."""
        scopes: list[str] | None = None
        if self._agent is not None:
            places = self._wanted(wish)
            scopes = [place.scope for place in places]
            scopes += [place.journals for place in places if place.namespace == "agent"]
        elif wish.workspace is not None:
            scopes = [Place("workspace", wish.workspace).scope]
        return self._condition(wish, scopes)

    def has(self, scope: str) -> bool:
        """Tell whether what is kept there may be seen."""
        if self._agent is None:
            return True
        return any(scope in (place.scope, place.journals) for place in self._places)

    def _wanted(self, wish: Wish) -> list[Place]:
        named = Place("workspace", wish.workspace) if wish.workspace is not None else None
        if named is not None:
            return [named]
        return [place for place in self._places if wish.namespace in (None, place.namespace)]

    def _filter(self, wish: Wish, scopes: tuple[str, ...] | None, journal: bool = False) -> Filter:
        where, values = self._condition(wish, scopes)
        words = tuple(scope.split()[-1] for scope in scopes or () if scope)
        if journal and not words:
            words = ("journal",)
        return Filter(f"m.journal IS {'NOT ' if journal else ''}NULL AND {where}", values, words, wish.tags, journal)

    def _condition(self, wish: Wish, scopes: Sequence[str] | None) -> tuple[str, tuple[object, ...]]:
        parts: list[str] = ["m.user = ? AND m.org = ?"]
        values: list[object] = [self._user, self._org]
        if scopes is not None:
            parts.append(f"m.scope IN ({','.join('?' * len(scopes))})")
            values += scopes
        for column, value in (("namespace", wish.namespace), ("agent", wish.agent), ("layer", wish.layer)):
            if value is not None:
                parts.append(f"m.{column} = ?")
                values.append(value)
        for tag in wish.tags:
            parts.append("EXISTS (SELECT 1 FROM json_each(m.tags) WHERE value = ?)")
            values.append(tag)
        return " AND ".join(parts), tuple(values)


class Scopes:
    """Asks the rooms who belongs where."""

    def __init__(self, agents: Agents, workspaces: Sequence[Workspaces]) -> None:
        self._agents, self._workspaces = agents, workspaces

    def team_of(self, agent: str) -> Place:
        """Return the place an agent shares with its family."""
        return Place("team", self._agents.lead_of(agent))

    def sight(self, user: str, org: str, agent: str | None) -> Sight:
        """Return what an agent, or a person (None), may see; `NOT_MADE` sees what is global."""
        if agent is None:
            return Sight(user, org, None, ())
        places = [GLOBAL]
        if agent != NOT_MADE:
            places += [Place("agent", agent), self.team_of(agent)]
            places += [Place("workspace", key) for room in self._workspaces for key in room.workspaces_of(agent)]
        return Sight(user, org, agent, places)

    def of(self, call: Call) -> Sight:
        """Return what the caller may see."""
        return self.sight(call.user, call.org, call.agent)

    async def workspace(self, ref: str, call: Call) -> Place:
        """Return a workspace the caller may use."""
        for room in self._workspaces:
            return Place("workspace", await room.workspace_id(ref, call))
        raise Unavailable("there are no workspaces in this house", kind="workspace")

    async def agent(self, ref: str | None, call: Call) -> str | None:
        """Return the id of an agent of the caller's user."""
        return None if ref is None else (await self._agents.find(ref, call)).id

    async def place(self, namespace: str, workspace: str | None, agent: str | None, call: Call) -> Place:
        """Return where something is to be kept; `agent` (an id) is whose note or team, else the caller's own."""
        if workspace is not None:
            return await self.workspace(workspace, call)
        if namespace == "global":
            return GLOBAL
        whose = agent or call.agent
        if whose is None:
            what = "team" if namespace == "team" else "private note"
            raise Invalid(f"agent: whose {what}? name the agent, or use namespace global", field="agent")
        return self.team_of(whose) if namespace == "team" else Place("agent", whose)
