"""What the sandbox room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aetherd.core.model import MB, Model, Page, Pid
from aetherd.operations.sandboxes import Tier

State = Literal["built", "outdated", "missing", "building"]
LIMITS = "as process.spawn takes them; those that hold now"


class SandboxRef(Model):
    """Names a process, whose sandbox is meant; without a pid the caller's own."""

    pid: Pid | None = Field(default=None, description="process id; default is the calling agent's own")


class SandboxList(Page):
    """Which page of them; oldest process first."""


class TierFound(Model):
    """A way to put walls around a process, and whether this machine has it."""

    name: Tier
    works: bool
    default: bool = Field(description="what a spawn gets that asks for none")
    reason: str | None = Field(description="why it does not work here, or what to know about it")


class Mounted(Model):
    """A path of this machine that its programs reach, at the same path."""

    path: str
    readonly: bool


class Sandbox(Model):
    """Where a process runs."""

    pid: int
    agent: str
    name: str = Field(description="the agent's name")
    state: str = Field(description="the process's own")
    tier: Tier
    uid: int | None = Field(description="under whom it runs; null: the daemon's own uid")
    image: str | None = Field(description="container image it asked for, tier docker")
    network: str | None = Field(description="egress policy it was started with; null: the agent's own policy")
    graphical: bool
    limits: dict[str, Any] = Field(description=LIMITS)
    mounts: list[Mounted] = Field(description="its home, its workspaces; not what its runtime needs to read")


class Sandboxes(Model):
    """The tiers of this machine, and where each process runs."""

    tiers: list[TierFound]
    limits: str = Field(description="what enforces limits here, and what it leaves out")
    sandboxes: list[Sandbox]
    cursor: str | None = None


class Exec(SandboxRef):
    """A command to run in a process's sandbox."""

    argv: list[str] = Field(min_length=1, max_length=1000, description="the command line; no shell takes it apart")
    cwd: str | None = Field(default=None, max_length=4096, description="default is the agent's working directory")
    timeout_s: float = Field(default=60, gt=0, le=3600, description="killed with all it started after so long")
    limit: int = Field(default=50_000, ge=0, le=1_000_000, description="most bytes of output to answer; the rest: file")


class Executed(Model):
    """How it went."""

    pid: int
    code: int | None = Field(description="exit code; null when a signal or the timeout ended it")
    signal: int | None
    timed_out: bool
    duration_s: float
    stdout: str = Field(description="as UTF-8, invalid bytes replaced; its first bytes where it is cut")
    stderr: str = Field(description="its last bytes where it is cut")
    truncated: bool = Field(description="whether standard output was longer than `limit`")
    bytes: int = Field(description="of standard output, in all")
    file: str | None = Field(description="in the agent's home: the whole standard output, when it is cut here")


class Stats(Model):
    """What everything of a process uses together."""

    pid: int
    memory_bytes: int | None = Field(description="without what the kernel only keeps to be quick; null: not measured")
    memory_peak: int | None = Field(description="most it ever had; null where nobody counts it")
    processes: int | None = Field(description="processes and threads")
    cpu_s: float | None = Field(description="seconds of processor time so far")
    oom_kills: int = Field(description="programs that were killed because memory was full")
    source: str = Field(description="cgroup, or processes: added up without one")
    limits: dict[str, Any] = Field(description=LIMITS)


class SetLimits(SandboxRef):
    """Limits to change while it runs; what is not named stays. 0 lifts one."""

    cpu: float | None = Field(default=None, ge=0, le=1024, description="cores it may use; 0.5 is half of one")
    memory_mb: MB | Literal[0] | None = Field(default=None, description="of all its programs together")
    pids: int | None = Field(default=None, ge=0, le=4_194_304, description="processes and threads")
    disk_mb: MB | Literal[0] | None = Field(default=None, description="what its home may hold")


class LimitsSet(Model):
    """Those now in force."""

    pid: int
    limits: dict[str, Any] = Field(description=LIMITS)


class Nothing(Model):
    """No input."""


class Image(Model):
    """A container image, or a recipe for one."""

    name: str = Field(description="what process.spawn takes as sandbox.image")
    recipe: str | None = Field(description="which of our recipes it is made from, if one")
    state: State
    id: str | None
    bytes: int | None
    created_at: str | None
    note: str | None = Field(description="what to do about it; while it is being built, what the build said last")


class Images(Model):
    """Images for the tier docker."""

    images: list[Image]
    unavailable: str | None = Field(description="why there is no tier docker here; then no image can be built or used")


class BuildImage(Model):
    """Make an image from one of our recipes."""

    recipe: str = Field(default="base", max_length=64, pattern=r"^[a-z][a-z0-9-]*$", description="see sandbox.images")
    way: Literal["auto", "debootstrap", "dockerfile"] = Field(
        default="auto", description="debootstrap needs no registry; dockerfile an engine that may pull"
    )


class Prune(Model):
    """Remove what no process needs any more."""

    images: bool = Field(default=False, description="also our own images that no container uses")
    dry_run: bool = Field(default=False, description="only tell what would be removed")


class Pruned(Model):
    """What was, or would be, removed."""

    removed: list[str] = Field(description="sandboxes without a process, and images")
    done: bool = Field(description="false for a dry run")
