"""What happens to templates."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class TemplateCreated(Event):
    """Somebody made a template of their own."""

    type: Literal["template.created"] = "template.created"
    template: str
    title: str
    forked_from: str | None


class TemplateRated(Event):
    """Somebody rated one."""

    type: Literal["template.rated"] = "template.rated"
    template: str
    stars: int
    rating: float
    ratings: int


class TemplateRemoved(Event):
    """It is gone for good."""

    type: Literal["template.removed"] = "template.removed"
    template: str


EVENTS = (TemplateCreated, TemplateRated, TemplateRemoved)
