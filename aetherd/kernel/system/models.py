"""What the system room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aetherd.core.model import Model


class Nothing(Model):
    """No input."""


class RoomHealth(Model):
    """A room's own word on how it is."""

    ok: bool
    detail: str


class Status(Model):
    """The daemon at a glance."""

    version: str
    home: str
    address: str | None = Field(description="where the console is served")
    os_pid: int
    uptime_s: float
    processes: dict[str, int] = Field(description="processes by state")
    approvals: int = Field(description="questions that wait for a person")
    newest_event: int
    health: dict[str, RoomHealth]
    warnings: list[str] = Field(description="what a person should know, most serious first")


class Setting(Model):
    """One setting, as it is now."""

    name: str
    env: str
    value: Any
    doc: str


class Config(Model):
    """All settings; secrets are hidden."""

    settings: list[Setting]
    file: str = Field(description="where settings are written")


class Check(Model):
    """One thing looked at."""

    name: str
    state: Literal["ok", "warning", "missing", "failed"] = Field(
        description="missing: something aetherd can do without is not here; failed: mend it, aetherd needs it"
    )
    detail: str
    fix: str | None = Field(default=None, description="how to mend it")


class RuntimeFound(Model):
    """A runtime adapter and whether it can run here."""

    name: str
    title: str
    summary: str
    available: bool
    version: str | None
    path: str | None
    missing: str | None = Field(description="what to do when it is not available")
    needs: list[str] = Field(description="environment variables it can use")
    capabilities: dict[str, bool]


class Doctor(Model):
    """What this machine offers, and what to mend."""

    checks: list[Check]
    runtimes: list[RuntimeFound]
    tiers: list[Check] = Field(description="sandbox tiers")


class Shutdown(Model):
    """How to end."""

    agents: bool = Field(default=False, description="also end every agent; otherwise they go on and are re-adopted")


class ShuttingDown(Model):
    """It is ending."""

    agents_ended: int
