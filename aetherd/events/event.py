"""The base of every event, and of frames, which are shown and forgotten."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from aetherd.core.model import Model


class Event(Model):
    """Something that happened: `type` is `room.past_participle`; fields below the first three are its `data`.

    On the wire: `{id, type, at, actor, call, pid, agent, data}`.
    """

    type: str
    pid: int | None = Field(default=None, description="the process it is about")
    agent: str | None = Field(default=None, description="the agent it is about; decides who may see it")

    def data(self) -> str:
        """Return the event's own fields as JSON."""
        return self.model_dump_json(exclude={"type", "pid", "agent"}, by_alias=True)


class Frame(Model):
    """Something to show now and never to log: a text delta, a gauge, a thumbnail. It carries no id."""

    kind: str
    pid: int | None = None
    agent: str | None = None
    user: str = "owner"
    org: str = "home"
    data: dict[str, Any]
