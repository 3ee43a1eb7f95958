"""What the adapter wrote down for the bridge: a JSON file of these names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """What the adapter wrote down for this incarnation."""

    name: str
    argv: Sequence[str]
    mcp: Mapping[str, Any]  # our server: command, args, and the names of its environment
    session: str | None = None  # to go on with
    context: str = ""
    model: str | None = None  # to choose in the conversation; None when the agent has it from its configuration
    shown_model: str | None = None
    modes: Sequence[str] = ()  # the first of these that is offered
    auth: str | None = None  # the method to authenticate with when the agent asks for it
    naming: str = ""
    conversation: str = ""  # where its file is below the home, with {short} for the head of its id; see `put_aside`
    files: bool = True  # whether it may use our fs/*
    loose_notices: bool = False
    startup_s: float = 120.0
    cancel_s: float = 30.0  # an agent that goes on so long after it was told to stop is made to
    version: str = "0"
    hidden: Sequence[str] = field(default=())  # environment the agent does not get
