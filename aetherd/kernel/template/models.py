"""What the template room takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aetherd.core.model import LARGEST, MB, USD, Model, Page, Serial

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Toolset = Literal["worker", "lead", "operator", "all"]


def _tidy(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))


Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
Tags = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20), AfterValidator(_tidy)]
Tools = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=300)]


class TemplateLimits(Model):
    """Hard limits of a run, as process.spawn takes them; left out means none."""

    wall_s: float | None = Field(default=None, gt=0, le=LARGEST, description="stopped after this many seconds")
    cpu: float | None = Field(default=None, ge=0.01, le=1024, description="cores it may use")
    memory_mb: MB | None = Field(default=None, ge=16, description="memory of all its programs together")
    pids: int | None = Field(default=None, ge=4, le=4_194_304, description="processes and threads at the same time")
    disk_mb: MB | None = Field(default=None, description="what its home may hold")
    file_mb: MB | None = Field(default=None, description="largest file it may write, RLIMIT_FSIZE")
    open_files: int | None = Field(default=None, ge=16, le=1_048_576, description="RLIMIT_NOFILE")
    budget: USD | None = Field(default=None, description="USD for its calls to models and those of all it starts")
    tokens: Serial | None = Field(default=None, description="tokens of its calls to models, and of all it starts")
    steps: Serial | None = Field(default=None, description="calls to models, and as many of tools")


class TemplateCreate(Model):
    """A role of your own; `name` and `title` are enough."""

    name: Name = Field(description="what it is called in process.spawn: small letters, digits and dashes")
    title: str = Field(min_length=1, max_length=100, description="the role, in a few words")
    description: str = Field(default="", max_length=1000, description="what it is good for, for who chooses")
    instructions: str = Field(
        default="", max_length=20_000, repr=False, description="what each of its agents is told before its goal"
    )
    runtime: str = Field(
        default="claude-code", max_length=100, description="what it runs on, where the spawn does not say"
    )
    model: str | None = Field(
        default=None, max_length=200, description="model as that runtime knows it, where the spawn names none"
    )
    toolset: Toolset | None = Field(
        default=None, description="menu of tools it is shown; default all of `tools`, or worker without such a list"
    )
    tools: Tools | None = Field(
        default=None,
        description="the only aether operations it may use (tool.search names them); null: whatever an agent may. "
        "It binds aether's tools alone, not those that a runtime brings along",
    )
    limits: TemplateLimits = Field(default_factory=TemplateLimits, description="hard limits of its runs")
    tags: Tags = Field(default=[], description="words to find it by")


class TemplateFork(Model):
    """A copy of your own of any template, with what shall be different."""

    template: str = Field(max_length=100, description="name of the template to copy")
    name: Name = Field(description="name of the copy")
    title: str | None = Field(default=None, min_length=1, max_length=100, description="another title")
    description: str | None = Field(default=None, max_length=1000, description="another description")
    instructions: str | None = Field(default=None, max_length=20_000, repr=False, description="other instructions")
    runtime: str | None = Field(default=None, max_length=100, description="another runtime")
    model: str | None = Field(default=None, max_length=200, description="another model")
    toolset: Toolset | None = Field(default=None, description="another menu")
    tools: Tools | None = Field(default=None, description="another list of tools, in place of the whole old one")
    limits: TemplateLimits | None = Field(default=None, description="other limits, in place of the old ones")
    tags: Tags | None = Field(default=None, description="other tags")


class TemplateList(Page):
    """Which templates."""

    tag: str | None = Field(default=None, max_length=64, description="only those with this tag")
    own: bool = Field(default=False, description="only your own, not those that come with aetherd")


class TemplateRef(Model):
    """Names one template."""

    template: str = Field(max_length=100, description="name of the template")


class TemplateRate(TemplateRef):
    """What you think of it; a second rating takes the place of your first."""

    rating: int = Field(ge=1, le=5, description="1 poor to 5 excellent")


class TemplateSummary(Model):
    """A template, without what its agents are told."""

    name: str
    title: str
    description: str
    version: int
    builtin: bool = Field(description="it comes with aetherd and cannot be changed; fork it")
    runtime: str
    model: str | None
    toolset: Toolset
    tools: list[str] | None = Field(description="the only aether operations its agents may use; null: no list")
    limits: TemplateLimits
    tags: list[str]
    rating: float | None = Field(description="average of 1 to 5; null while nobody has rated it")
    ratings: int
    forked_from: str | None = Field(description="name and version of the template it was copied from")
    created_at: str | None
    created_by: str | None


class Template(TemplateSummary):
    """A template in full."""

    instructions: str


class Templates(Model):
    """A page of templates, those that come with aetherd first."""

    templates: list[TemplateSummary]
    cursor: str | None = None


class TemplateRated(Model):
    """How it stands now."""

    name: str
    rating: float = Field(description="average of 1 to 5")
    ratings: int


class TemplateRemoved(Model):
    """What is gone."""

    name: str
