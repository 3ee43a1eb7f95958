"""What happens to the lease over a process's keyboard."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.events import Event


class ControlAcquired(Event):
    """A person holds the keyboard."""

    type: Literal["control.acquired"] = "control.acquired"
    holder: str
    reason: str | None = None


class ControlStepped(Event):
    """The hand-over went one step on."""

    type: Literal["control.stepped"] = "control.stepped"
    from_step: str = Field(serialization_alias="from", description="the step before")
    to_step: str = Field(serialization_alias="to", description="the step now")
    holder: str | None = None


class ControlReleased(Event):
    """The keyboard went back to the agent."""

    type: Literal["control.released"] = "control.released"
    holder: str
    note: str | None = None
    reason: str


class ControlRequested(Event):
    """An agent asks for a person."""

    type: Literal["control.requested"] = "control.requested"
    reason: str


EVENTS = (ControlAcquired, ControlStepped, ControlReleased, ControlRequested)
