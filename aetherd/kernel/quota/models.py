"""What the quota room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.core.model import LARGEST, MB, USD, Model, Page, Pid, Serial
from aetherd.kernel.quota.budgets import Kind, Period


class QuotaLimits(Model):
    """The most that each run may use, and all runs in a day or month (UTC). Null: no bound of this kind.

    Money and tokens are those of calls through the model gateway: a call that could go past one is refused.
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
    budget: USD | None = Field(default=None, description="USD of a run with all it starts")
    tokens: Serial | None = Field(default=None, description="tokens of a run with all it starts")
    steps: Serial | None = Field(default=None, description="calls of a run to models, and as many of tools")
    day_usd: USD | None = Field(default=None, description="USD in a day")
    month_usd: USD | None = Field(default=None, description="USD in a calendar month")
    day_tokens: Serial | None = Field(default=None, description="tokens in a day")
    month_tokens: Serial | None = Field(default=None, description="tokens in a calendar month")


class QuotaRef(Model):
    """Whose quota."""

    agent: str | None = Field(
        default=None, max_length=100, description="agent (id or name); default: yourself, for a person all agents"
    )


class QuotaSet(QuotaLimits):
    """New bounds; those left out stay as they are, null lifts one. Those of disk, days and months hold at once."""

    agent: str | None = Field(
        default=None, max_length=100, description="agent (id or name); left out: every agent of yours, now and later"
    )
    of: Literal["each", "user", "org"] = Field(
        default="each", description="user: days and months of all your agents together; org: of everybody's"
    )
    pid: Pid | None = Field(
        default=None, description="a run that is there: its budget, tokens or steps are changed at once"
    )


class Spending(Model):
    """What was spent of a budget, and is set aside for calls under way; a limit is null where none is set."""

    budget: Kind
    of: str = Field(description="process id, number of the flow, agent id, org/user, or org")
    period: Period = Field(description="days and months are those of UTC")
    limit_usd: float | None
    spent_usd: float
    reserved_usd: float
    limit_tokens: int | None
    spent_tokens: int
    reserved_tokens: int
    calls: int = Field(description="to models")
    resets_at: str | None = Field(description="when the day or month ends")


class RunMoney(Spending):
    """What a run with all it started has spent; and what it alone has, beside what its runtime tells of that."""

    calls: int = Field(description="its own calls to models")
    limit_steps: int | None
    tool_calls: int = Field(description="as its runtime tells")
    unpriced: int = Field(description="calls to models without a known price: not in the USD")
    estimated: int = Field(description="calls counted as the most they could cost, because nobody told")
    own_usd: float
    own_tokens: int
    claimed_usd: float = Field(description="as its runtime tells")
    claimed_tokens: int
    difference_usd: float | None = Field(description="own less claimed; null: none of its calls was metered")
    difference_tokens: int | None


class Quota(Model):
    """What an agent may use."""

    agent: str | None = Field(description="agent id; null: every agent of the user")
    own: QuotaLimits = Field(description="set for this agent; empty for all agents")
    everyone: QuotaLimits = Field(description="set for each agent of the user")
    user: QuotaLimits = Field(description="set for all agents of the user together; agents are not told")
    org: QuotaLimits = Field(description="set for all of the organization together; agents are not told")
    spending: list[Spending] = Field(
        description="what days and months have come to: of the agent, and for a person of all together"
    )
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
    money: RunMoney | None = Field(description="its calls to models")


class AgentUsage(Model):
    """What an agent uses now."""

    agent: str = Field(description="agent id")
    name: str
    runs: list[RunUsage] = Field(description="its processes that have not ended")
    disk_bytes: int | None = Field(description="what its home holds on disk; null: not measured in time")
    disk_files: int | None
    spending: list[Spending] = Field(description="its calls to models, today and this month")


class QuotaSummary(Model):
    """What agents use now, newest agent first."""

    agents: list[AgentUsage]
    cursor: str | None = None
    spending: list[Spending] = Field(
        description="calls to models of all agents, today and this month; empty for agents"
    )
    cores: int = Field(description="of this machine")
    memory_bytes: int = Field(description="of this machine")
    disk_free_bytes: int = Field(description="where homes are")


class QuotaPage(Page):
    """Which part of the summary."""
