"""The base of every input, output and event."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aetherd.core.errors import Invalid

LARGEST = 2**53 - 1  # the largest integer that JavaScript and SQLite both hold
NEWEST = LARGEST  # above every row number: where a list starts that shows the newest first
Count = Annotated[int, Field(ge=0, le=LARGEST)]  # from 0
Serial = Annotated[int, Field(ge=1, le=LARGEST)]  # from 1, as rows are numbered
Pid = Serial  # a process id of ours
USD = Annotated[float, Field(ge=0, le=1_000_000)]  # of a budget; in nanodollars it still fits, also summed up
MB = Annotated[int, Field(ge=1, le=1 << 30)]  # of a limit; in bytes it still fits


class Model(BaseModel):
    """A closed, frozen shape that is honest about what is always present."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True, allow_inf_nan=False
    )


class Page(Model):
    """How much of a list, from where."""

    limit: int = Field(default=50, ge=1, le=500, description="most items to return")
    cursor: str | None = Field(default=None, description="the `cursor` of the page before; opaque")


def position(cursor: str | None, start: int) -> int:
    """Return the row number or offset that a cursor stands for, `start` without one; raises `Invalid`."""
    if cursor is None:
        return start
    if not re.fullmatch(r"[0-9]{1,18}", cursor):
        raise Invalid(
            "cursor: not a cursor of this list; give the `cursor` of the page before, or none to begin", field="cursor"
        )
    return int(cursor)
