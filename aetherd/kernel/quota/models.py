"""What the quota room takes and gives."""

from __future__ import annotations

from pydantic import Field

from aetherd.core.model import LARGEST, MB, Model, Page, Pid


class QuotaLimits(Model):
    """The most that each run may use: what this machine's kernel can enforce. Null: no bound of this kind.

    Tokens and money are not bounded: what a run tells of them itself proves nothing.
    """

    cpu: float | None = Field(default=None, ge=0.01, le=1024, description="cores; 0.5 is half of one")
    memory_mb: MB | None = Field(default=None, ge=16, description="memory of all its programs together, with swap")
    pids: int | None = Field(default=None, ge=4, le=4_194_304, description="processes and threads at the same time")
    disk_mb: MB | None = Field(
        default=None,
        description="what the agent's home may hold. Looked at every few seconds: a fast writer goes past it, is then "
        "paused, and its files are refused until something was removed",
    )
    wall_s: float | None = Field(default=None, gt=0, le=LARGEST, description="a run is ended after this many seconds")


class QuotaRef(Model):
    """Whose quota."""

    agent: str | None = Field(
        default=None, max_length=100, description="agent (id or name); default: yourself, for a person all agents"
    )


class QuotaSet(QuotaLimits):
    """New bounds; those left out stay as they are, null lifts one. Running agents keep theirs, but for disk."""

    agent: str | None = Field(
        default=None, max_length=100, description="agent (id or name); left out: every agent of yours, now and later"
    )


class Quota(Model):
    """What an agent may use."""

    agent: str | None = Field(description="agent id; null: every agent of the user")
    own: QuotaLimits = Field(description="set for this agent; empty for all agents")
    everyone: QuotaLimits = Field(description="set for all agents of the user")
    effective: QuotaLimits = Field(
        description="what its next run gets at most; in a sandbox, memory and processes have a bound beside"
    )
    enforced_by: str = Field(description="cgroup2, cgroup1 or rlimit")
    lacking: str = Field(description="what this machine cannot enforce, in words; empty when nothing")


class RunUsage(Model):
    """What everything of one process uses now; null was not measured."""

    pid: Pid
    state: str
    tier: str
    limits: dict[str, float] = Field(description="in force for this run, as in process.spawn")
    memory_bytes: int | None = Field(description="without page cache that can go")
    memory_peak_bytes: int | None = Field(description="most so far, with page cache")
    processes: int | None = Field(description="processes and threads now")
    cpu_s: float | None = Field(description="processor seconds used")
    oom_kills: int = Field(description="programs killed because its memory was full")
    source: str = Field(description="cgroup; or processes: summed over those that live")


class AgentUsage(Model):
    """What an agent uses now."""

    agent: str = Field(description="agent id")
    name: str
    runs: list[RunUsage] = Field(description="its processes that have not ended")
    disk_bytes: int | None = Field(description="what its home holds on disk; null: not measured in time")
    disk_files: int | None


class QuotaSummary(Model):
    """What agents use now, newest agent first."""

    agents: list[AgentUsage]
    cursor: str | None = None
    cores: int = Field(description="of this machine")
    memory_bytes: int = Field(description="of this machine")
    disk_free_bytes: int = Field(description="where homes are")


class QuotaPage(Page):
    """Which part of the summary."""
