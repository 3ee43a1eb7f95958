"""What happens to profiles."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class ProfileUpdated(Event):
    """A person changed what they say of an agent."""

    type: Literal["profile.updated"] = "profile.updated"
    notes: str
    expertise: list[str]


EVENTS = (ProfileUpdated,)
