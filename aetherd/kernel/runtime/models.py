"""What the runtime room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.core.model import Model

NAME = "as process.spawn takes it, or the part after its colon: `acp:codex` or `codex`"


class Nothing(Model):
    """No input."""


class RuntimeRef(Model):
    """Which runtime."""

    runtime: str = Field(description=NAME)


class UpdateRef(Model):
    """Which runtime, or all of them."""

    runtime: str | None = Field(default=None, description=f"{NAME}; none: all that are installed")


class Progress(Model):
    """How far an install is."""

    runtime: str
    version: str
    step: Literal["waiting", "node", "npm", "packages", "checksums", "switch", "done"]
    detail: str
    elapsed_s: float


class RuntimeInfo(Model):
    """A runtime, and whether it can run here."""

    name: str
    title: str
    summary: str
    state: Literal["ready", "missing", "outdated", "broken", "installing"] = Field(
        description="outdated: it runs, and aetherd pins another version; broken: install it again"
    )
    available: bool
    version: str | None = Field(description="as the runtime says")
    path: str | None
    missing: str | None = Field(description="what to do when it is not available")
    installable: bool = Field(description="runtime.install can fetch it")
    pinned: str | None = Field(description="the version runtime.install fetches")
    installed: str | None = Field(description="the version below aetherd's home")
    installing: Progress | None = Field(description="an install that is under way")
    needs: list[str] = Field(description="environment variables it can use")
    capabilities: dict[str, bool] = Field(description="as its adapter says")


class Runtimes(Model):
    """Every adapter there is."""

    runtimes: list[RuntimeInfo]


class Observed(Model):
    """What one behaviour was seen to be, with a scripted model."""

    behaviour: str
    summary: str
    holds: bool | None = Field(description="None: it does not apply, or was not tried")
    note: str


class RuntimeDetails(RuntimeInfo):
    """A runtime, what it was seen to do, and what is installed of it."""

    observed: list[Observed] = Field(description="from the conformance bench; empty when it was not put through it")
    observed_version: str | None = Field(description="the version the bench saw")
    packages: list[str] = Field(description="what is fetched, pinned")
    node: str | None = Field(description="the Node it gets")
    bytes: int | None = Field(description="on disk")
    files: int | None
    installed_at: str | None
    processes: list[int] = Field(description="pids that run it now")


class Checked(Model):
    """Whether what is installed is as it was installed, and runs."""

    runtime: str
    ok: bool
    version: str | None
    damaged: list[str] = Field(description="files that are missing or different, the first 20")
    problem: str | None = Field(description="what to do")


class Updated(Model):
    """What was brought to its pinned version."""

    updated: list[Progress]
    unchanged: list[str]


class Removed(Model):
    """It is gone."""

    runtime: str
    version: str | None
    freed_bytes: int
