"""What the skill room takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from aetherd.core.model import Model, Page

REF = "skill id or name"
Risk = Literal["low", "medium", "high"]
Ref = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Text = Annotated[str, Field(max_length=200_000)]
Number = Annotated[int, Field(ge=1, le=1_000_000)]


class Reason(Model):
    """One thing that makes it risky."""

    level: Risk
    what: str
    file: str | None = None
    line: int | None = None
    text: str | None = Field(default=None, description="the line")


class Content(Model):
    """A skill as text."""

    name: Name = Field(description="lowercase letters, digits and hyphens, as Claude Code names skills")
    description: str | None = Field(
        default=None,
        max_length=1024,
        description="what it does and when to use it: models choose by it; left out, the head of `text` says it",
    )
    text: Text = Field(
        repr=False, description="SKILL.md: what a model shall do, step by step; with or without its YAML head"
    )
    files: dict[str, str] = Field(
        default={},
        max_length=100,
        repr=False,
        description="more files by path, such as scripts/check.sh; steps.yaml makes it one that skill.run runs",
    )
    executable: list[str] = Field(default=[], max_length=100, description="which of the files can be executed")
    tools: list[Annotated[str, Field(max_length=200)]] = Field(
        default=[], max_length=100, description="allowed-tools: what the model may use without asking, such as Read"
    )
    permissions: list[Literal["files", "model", "network", "shell"]] | None = Field(
        default=None, description="what it may need; steps that use more are refused"
    )


class SkillCreate(Content):
    """A new skill, or the next version of your own of that name."""


class SkillPropose(Content):
    """What a person shall take for all agents."""

    skill: Ref | None = Field(
        default=None, description="the skill of which it is a new version (id or name); left out, a new skill"
    )
    note: str = Field(default="", max_length=4000, description="why: what it is good for, how you tried it")


class SkillInstall(Model):
    """From where; give one of path and archive."""

    path: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="folder or archive: relative to the agent's home or the workspace; a person also names any by /",
    )
    workspace: str | None = Field(default=None, max_length=100, description="workspace (id or name) the path is in")
    agent: str | None = Field(default=None, max_length=100, description="agent whose home the path is in; default you")
    archive: str | None = Field(
        default=None,
        max_length=12_000_000,
        repr=False,
        description="zip or tar (gz, bz2, xz) as base64; a big one goes by path",
    )

    @model_validator(mode="after")
    def _one(self) -> SkillInstall:
        if (self.path is None) == (self.archive is None):
            raise ValueError("give `path` or `archive`")
        if self.agent is not None and self.workspace is not None:
            raise ValueError("name an agent or a workspace, not both")
        return self


class PartWish(Model):
    """One skill it shall be made of."""

    skill: Ref = Field(description=REF)
    version: Number | None = Field(default=None, description="exactly this version; default the current one")


class SkillCompose(Model):
    """Which skills, and how they go together."""

    name: Name = Field(description="name of the whole")
    description: str = Field(min_length=1, max_length=1024, description="what the whole does and when to use it")
    parts: list[PartWish] = Field(min_length=1, max_length=20, description="what it is made of, in order")
    text: Text = Field(default="", repr=False, description="how they go together, for the model; default: one by one")


class SkillRef(Model):
    """Names a skill."""

    skill: Ref = Field(description=REF)


class SkillGet(SkillRef):
    """Which part of it."""

    version: Number | None = Field(default=None, description="default the current one")
    file: str | None = Field(default=None, max_length=200, description="show this file instead of SKILL.md")


class SkillDiscover(Page):
    """What it should be good for."""

    query: str = Field(default="", max_length=500, description="words; the best fit comes first; empty lists all")
    proposals: bool = Field(
        default=False, description="also proposals that wait for a person, and what became of yours"
    )
    agent: str | None = Field(default=None, max_length=100, description="only what this agent (id or name) has")


class Part(Model):
    """What a skill was made of."""

    skill: str
    name: str
    version: int


class Skill(Model):
    """One skill, as far as its current version goes."""

    id: str
    name: str
    description: str
    version: int = Field(description="the current one; 0 while it is only proposed")
    agent: str | None = Field(description="whose it is; null for a person")
    everyone: bool = Field(description="all agents of the person have it")
    shared: list[str] = Field(description="ids of agents it is shared with")
    runnable: bool = Field(description="it has steps: skill.run")
    risk: Risk
    reasons: list[Reason] = Field(description="why, worst first")
    tools: list[str] = Field(description="what its text lets a model use without asking")
    permissions: list[str]
    created_at: str
    created_by: str


class SkillFile(Model):
    """A file of it."""

    path: str
    size: int
    executable: bool


class SkillText(Skill):
    """A version with its text."""

    shown: int = Field(description="the version that is shown")
    sha256: str = Field(description="of the whole version")
    files: list[SkillFile]
    parts: list[Part]
    text: str = Field(description="SKILL.md, or the file that was asked for")


class Proposal(Model):
    """A version that waits, or waited, for a person."""

    id: str
    skill: str
    version: int
    name: str
    new: bool = Field(description="a new skill, not a version of one that is there")
    state: Literal["waiting", "approved", "rejected"]
    note: str
    reason: str = Field(description="the person's")
    agent: str | None = Field(description="who made it; null for a person")
    agent_name: str
    risk: Risk
    reasons: list[Reason]
    created_at: str
    decided_at: str | None
    decided_by: str | None


class Skills(Model):
    """A page of skills."""

    skills: list[Skill]
    proposals: list[Proposal] = Field(description="newest first, at most 100; empty unless asked for")
    cursor: str | None = None


class SkillVersion(Model):
    """One version."""

    version: int
    current: bool
    taken: bool = Field(description="false while it is only proposed, or was rejected")
    sha256: str
    description: str
    files: int
    bytes: int
    risk: Risk
    source: str = Field(description="create, install, compose or propose")
    parts: list[Part]
    created_at: str
    created_by: str


class SkillVersions(Model):
    """All of them, newest first."""

    skill: str
    name: str
    versions: list[SkillVersion]


class SkillRollback(SkillRef):
    """To which version."""

    version: Number = Field(description="the one that shall be current")


class SkillShare(SkillRef):
    """With whom."""

    agent: str | None = Field(default=None, max_length=100, description="this agent (id or name)")
    everyone: bool = Field(default=False, description="all agents of the person; only a person says so")
    stop: bool = Field(default=False, description="take it back instead")

    @model_validator(mode="after")
    def _whom(self) -> SkillShare:
        if (self.agent is None) != self.everyone:
            raise ValueError("give `agent`, or `everyone: true`")
        return self


class SkillDecide(Model):
    """Which proposal."""

    proposal: str = Field(max_length=100, description="proposal id")
    reason: str = Field(default="", max_length=4000, description="why; the agent is told")


class SkillApprove(SkillDecide):
    """Which proposal, and for whom."""

    everyone: bool = Field(
        default=True, description="of a new skill: give it to all your agents; false: only to the one that made it"
    )


class SkillReject(SkillDecide):
    """Which proposal, and why not."""

    reason: str = Field(min_length=1, max_length=4000, description="why not; the agent is told")


class SkillRun(SkillRef):
    """With what, and in whose place."""

    inputs: dict[str, Any] = Field(default={}, max_length=50, repr=False, description="what its steps.yaml declares")
    agent: str | None = Field(
        default=None, max_length=100, description="agent (id or name) as which it runs; default you, a person names one"
    )
    version: Number | None = Field(default=None, description="default the current one")
    timeout_s: float = Field(default=300, gt=0, le=600, description="for all steps together")


class SkillTest(SkillRef):
    """With what; without inputs the tests of its steps.yaml are run."""

    inputs: dict[str, Any] | None = Field(default=None, max_length=50, repr=False, description="try it with these")
    version: Number | None = Field(default=None, description="default the current one")
    timeout_s: float = Field(default=300, gt=0, le=600, description="for everything together")


class StepDone(Model):
    """What became of a step."""

    name: str
    kind: str
    state: Literal["done", "skipped", "failed"]
    out: Any = Field(description="what it gave; long texts are cut")
    code: int | None = Field(description="exit code of a command, status of an answer")
    problem: str | None = Field(description="why it failed")
    ms: int


class SkillRan(Model):
    """What came of it."""

    skill: str
    version: int
    outcome: Literal["completed", "failed"]
    out: Any
    problem: str | None
    steps: list[StepDone]


class CaseDone(Model):
    """What became of one test."""

    name: str
    passed: bool
    problem: str | None
    steps: list[StepDone]


class SkillTested(Model):
    """What a throw-away agent found."""

    skill: str
    version: int
    passed: bool
    cases: list[CaseDone]


class SkillGone(Model):
    """What is gone."""

    skill: str
    name: str
    versions: int
