"""What the profile room takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aetherd.core.model import Model


def _tidy(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))


Tags = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=30), AfterValidator(_tidy)]


class ProfileRef(Model):
    """Names a profile by its agent."""

    agent: str | None = Field(default=None, max_length=100, description="whose (id or name); default your own")


class ProfileList(Model):
    """Which profiles."""

    archived: bool = Field(default=False, description="also of agents put away")
    limit: int = Field(default=20, ge=1, le=50, description="most profiles to return")
    cursor: str | None = Field(default=None, description="the `cursor` of the page before; opaque")


class ProfileUpdate(Model):
    """What a person has to say of an agent; fields left out stay."""

    agent: str = Field(max_length=100, description="whose (id or name)")
    notes: str | None = Field(default=None, max_length=10_000, description="anything who gives it work should know")
    expertise: Tags | None = Field(default=None, description="what it is good at, in place of what you said before")


class Expertise(Model):
    """Something an agent is good at, and how that is known."""

    topic: str
    source: Literal["person", "task", "memory"] = Field(
        description="person: said by one; task: a queue it did tasks of; memory: a tag of what it remembered"
    )
    count: int | None = Field(description="tasks done or memories; null for what a person said")


class Tool(Model):
    """A tool and how often it was called."""

    tool: str
    calls: int


class Durations(Model):
    """How long runs took that have ended."""

    p50_s: float = Field(description="half of them took at most this")
    p90_s: float


class LastRun(Model):
    """The newest run."""

    pid: int
    runtime: str
    state: str
    outcome: str
    created_at: str
    exited_at: str | None


class ProfileSummary(Model):
    """What an agent has done, counted over its newest runs; nothing of it is what it says of itself."""

    agent: str
    name: str
    role: str | None
    template: str | None
    runs: int = Field(description="its newest 1,000 at most; all figures are about these")
    running: int = Field(description="of them have not ended")
    outcomes: dict[str, int] = Field(description="runs that have ended by outcome")
    success_rate: float | None = Field(description="completed of those that have ended, 0 to 1; null before the first")
    cost_usd: float = Field(description="the runtimes' own estimates")
    input_tokens: int
    output_tokens: int
    durations: Durations | None = Field(description="null before a run has ended")
    runtimes: dict[str, int] = Field(description="runs by runtime")
    models: dict[str, int] = Field(description="runs by model, where the runtime told it")
    thumbs_up: int
    thumbs_down: int
    last_run: LastRun | None
    notes: str = Field(description="what a person wrote of it")
    expertise: list[Expertise]


class Profile(ProfileSummary):
    """The same, with its tools."""

    tools: list[Tool] = Field(description="what it called most, in its newest 2,000 calls of tools")


class Profiles(Model):
    """A page of profiles, newest agent first."""

    profiles: list[ProfileSummary]
    cursor: str | None = None
