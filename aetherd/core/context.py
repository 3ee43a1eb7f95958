"""Who acts now: set once where a call or a supervisor starts, read by the log and by the event writer."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Stamped on every event and log line that comes of one call or one supervised process."""

    actor: str = "system"
    call: str | None = None
    user: str = "owner"
    org: str = "home"


NOBODY = Origin()  # frozen, so one may stand for all

origin: ContextVar[Origin] = ContextVar("aetherd_origin", default=NOBODY)
