"""The daemon's own life, as rooms may know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio


@dataclass(slots=True)
class Lifecycle:
    """Set by the composition root; read by the room `system`."""

    health: Callable[[], dict[str, Any]] = dict  # every room's own word on how it is
    gauges: Callable[[], dict[str, float]] = dict  # and what it counts of itself
    stop: Callable[[], None] = lambda: None  # ask the daemon to end
    address: str | None = None  # where the console is served
    own_uids: bool = True  # whether agents can be given uids of their own here; the process room finds out
    started: float = field(default=0.0)  # monotonic
    up: anyio.Event = field(default_factory=anyio.Event)  # every room is
