"""What the control room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.core.model import Model, Pid


class ControlRef(Model):
    """Names the process that is held."""

    pid: Pid = Field(description="process id")


class Acquire(Model):
    """Take a process over."""

    pid: Pid = Field(description="process id")
    reason: str | None = Field(default=None, max_length=2000, description="shown to others")
    wait_s: float = Field(default=30, ge=0, le=120, description="how long to wait until the keyboard is yours")


class Release(Model):
    """Hand back."""

    pid: Pid = Field(description="process id")
    note: str | None = Field(default=None, max_length=20_000, description="what you did; the agent is told", repr=False)


class RequestHuman(Model):
    """An agent asks for a person."""

    reason: str = Field(min_length=1, max_length=4000, description="what a person should do")
    wait_s: float = Field(default=20, ge=0, le=20, description="how long to wait for one to come")


class Lease(Model):
    """Who holds the keyboard of a process."""

    pid: int
    held: bool
    holder: str | None = Field(description="actor who holds it")
    step: Literal["free", "interrupting", "draining", "tui", "held", "returning"] = Field(
        description="where the hand-over is; `held` (keyboard moved) and `tui` (its own TUI is open) are the person's"
    )
    terminal: str | None = Field(description="terminal to attach to while held")
    reason: str | None
    since: str | None
    expires_at: str | None = Field(description="renewed by the holder's connection and by acquire")
    requested: str | None = Field(description="why the agent asked for a person, if it did")
