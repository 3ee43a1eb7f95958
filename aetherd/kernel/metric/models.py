"""What the metric room takes and gives."""

from __future__ import annotations

from pydantic import Field

from aetherd.core.model import Model


class MetricQuery(Model):
    """Which series."""

    prefix: str = Field(default="aetherd_", max_length=100, description="only those whose name begins so")


class Sample(Model):
    """One value."""

    name: str
    labels: dict[str, str]
    value: float | None = Field(description="none: not a number")


class Family(Model):
    """Samples of one thing."""

    name: str
    type: str = Field(description="counter, gauge or histogram")
    help: str
    samples: list[Sample]


class Metrics(Model):
    """The series as they stand now; counters begin anew with each start of the daemon."""

    families: list[Family]
