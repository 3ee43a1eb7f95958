"""The base of every input, output and event."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """A closed, frozen shape that is honest about what is always present."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True, allow_inf_nan=False
    )


class Page(Model):
    """How much of a list, from where."""

    limit: int = Field(default=50, ge=1, le=500, description="most items to return")
    cursor: str | None = Field(default=None, description="the `cursor` of the page before; opaque")
