"""What happens to the model gateway."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.events import Event


class ModelConfigured(Event):
    """A person changed a provider, prices, routing or tracing; a key is never told."""

    type: Literal["model.configured"] = "model.configured"
    provider: str | None = Field(description="null: rules or tracing alone")
    changed: list[str] = Field(description="what was given: base_url, api_key, prices, rules, …")
    by: str


EVENTS = (ModelConfigured,)
