"""`steps.yaml`: what a skill does by itself. Every mistake is found when the skill is made, not when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from aetherd.core.errors import Invalid
from aetherd.core.model import Model
from aetherd.kernel.skill.document import load
from aetherd.kernel.skill.fill import PLACE, references
from aetherd.kernel.skill.tree import STEPS

LONG = 100_000  # characters of the file
KINDS = ("http", "fs", "shell", "model", "transform")
NEEDS = {"http": "network", "fs": "files", "shell": "shell", "model": "model"}  # kind -> permission

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Short = Annotated[str, Field(max_length=20_000)]


class Wanted(Model):
    """An input."""

    type: Literal["text", "number", "boolean", "list", "object"] = "text"
    description: str = Field(default="", max_length=500)
    required: bool = True
    default: Any = None
    choices: list[str] = Field(default=[], max_length=100)


class When(Model):
    """A condition: the value alone, or held against one other."""

    value: Any
    equals: Any = None
    differs: Any = None
    contains: str | None = None
    above: float | None = None
    below: float | None = None


class Base(Model):
    """What every step has."""

    name: Name
    when: When | Short | None = None  # a text alone must come out true
    optional: bool = False  # when it fails the run goes on
    timeout_s: float = Field(default=60, gt=0, le=600)


class Shell(Base):
    """A command, as the agent."""

    kind: Literal["shell"]
    run: Short | None = None
    argv: list[Short] | None = Field(default=None, min_length=1, max_length=100)
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")], Short] = {}
    cwd: Annotated[str, Field(max_length=200)] = "work"

    @model_validator(mode="after")
    def _safe(self) -> Shell:
        if (self.run is None) == (self.argv is None):
            raise ValueError("give `run` (a script) or `argv` (a program and its arguments)")
        if self.run is not None and PLACE.search(self.run):
            raise ValueError(
                "a script takes no {{ }}: a value could become a command. Give it by `env` and use it as "
                '"$NAME", or use argv'
            )
        if self.cwd.startswith("/") or ".." in self.cwd.split("/"):
            raise ValueError("cwd is relative to the agent's home")
        return self


class Http(Base):
    """A request."""

    kind: Literal["http"]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: str = Field(min_length=1, max_length=2000)
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")], Short] = Field(default={}, max_length=50)
    body: Any = None  # a text as it is, the rest as JSON


class Fs(Base):
    """A file of the agent, or of a workspace it has."""

    kind: Literal["fs"]
    op: Literal["read", "write", "append", "list", "mkdir"]
    path: str = Field(min_length=1, max_length=2000)
    content: Any = None
    workspace: str | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _content(self) -> Fs:
        if (self.op in ("write", "append")) != (self.content is not None):
            raise ValueError("`content` is for write and append, which need it")
        return self


class Ask(Base):
    """A question to a model, put to it by a run of Claude Code; the run shows what it cost."""

    kind: Literal["model"]
    prompt: Short
    system: Short = ""
    model: str | None = Field(default=None, max_length=200)


class Change(Model):
    """One change of a value; exactly one is given."""

    json_: Literal["parse", "text"] | None = Field(default=None, alias="json")
    pick: str | None = Field(default=None, max_length=200)
    split: str | None = Field(default=None, min_length=1, max_length=20)
    join: str | None = Field(default=None, max_length=20)
    replace: tuple[str, str] | None = None
    first: int | None = Field(default=None, ge=0, le=1_000_000)
    text: Literal["trim", "lower", "upper", "lines"] | None = None
    count: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Change:
        if len(self.model_fields_set) != 1:
            raise ValueError("each change is one of json, pick, split, join, replace, first, text, count")
        return self


class Transform(Base):
    """A value, changed."""

    kind: Literal["transform"]
    value: Any
    do: list[Change] = Field(default=[], max_length=50)


Step = Annotated[Shell | Http | Fs | Ask | Transform, Field(discriminator="kind")]


class Case(Model):
    """A test: inputs, and what must come out."""

    name: str = Field(min_length=1, max_length=100)
    inputs: dict[str, Any] = {}
    equals: Any = None
    contains: str | None = Field(default=None, max_length=2000)


class Recipe(Model):
    """The whole file."""

    inputs: dict[Name, Wanted] = Field(default={}, max_length=50)
    steps: list[Step] = Field(min_length=1, max_length=50)
    out: Any = None  # default: what the last step gave
    tests: list[Case] = Field(default=[], max_length=20)

    @field_validator("steps", mode="before")
    @classmethod
    def _kinds(cls, value: Any) -> Any:
        for at, step in enumerate(value if isinstance(value, list) else ()):
            if isinstance(step, dict) and step.get("kind") not in KINDS:
                raise ValueError(
                    f"step {step.get('name', at + 1)}: unknown kind {step.get('kind')!r}; {_one_of(KINDS)}"
                )
        return value

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> Recipe:
        known = {f"inputs.{name}" for name in self.inputs}
        for step in self.steps:
            if f"steps.{step.name}" in known:
                raise ValueError(f"two steps are named {step.name}")
            _known(step.model_dump(by_alias=True), known, f"step {step.name}")
            known.add(f"steps.{step.name}")
        _known(self.out, known, "out")
        for case in self.tests:
            if unknown := set(case.inputs) - set(self.inputs):
                raise ValueError(f"test {case.name!r} gives an unknown input {sorted(unknown)[0]}")
        return self

    @property
    def permissions(self) -> set[str]:
        """What its steps use."""
        return {NEEDS[step.kind] for step in self.steps if step.kind in NEEDS}


def read(text: str) -> Recipe:
    """Read `steps.yaml`; raises `Invalid` and says which step and why."""
    raw = load(text, STEPS, LONG)
    try:
        return Recipe.model_validate(raw)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
        said = first["msg"].removeprefix("Value error, ")
        raise Invalid(f"{STEPS}: {where}: {said}" if where else f"{STEPS}: {said}") from exc


def accepted(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a run, by their declared types; raises `Invalid`."""
    if unknown := set(given) - set(recipe.inputs):
        there = _one_of(tuple(recipe.inputs)) if recipe.inputs else "it takes none"
        raise Invalid(f"inputs: there is no {sorted(unknown)[0]!r}; {there}", field="inputs")
    found: dict[str, Any] = {}
    for name, wanted in recipe.inputs.items():
        value = given.get(name, wanted.default)
        if value is None:
            if wanted.required:
                raise Invalid(f"inputs: {name} is missing: {wanted.description or wanted.type}", field="inputs")
        elif not _is(value, wanted.type):
            raise Invalid(f"inputs: {name} is not a {wanted.type}", field="inputs")
        elif wanted.choices and value not in wanted.choices:
            raise Invalid(f"inputs: {name}: {_one_of(tuple(wanted.choices))}", field="inputs")
        found[name] = value
    return found


def _known(value: Any, known: set[str], where: str) -> None:
    try:
        for reference in references(value):
            if ".".join(reference.split(".")[:2]) not in known:
                raise ValueError(f"{where}: {reference} names no input, and no step before it")
    except Invalid as exc:
        raise ValueError(f"{where}: {exc.message}") from exc


def _is(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    kinds: dict[str, type] = {"text": str, "boolean": bool, "list": list, "object": dict}
    return isinstance(value, kinds[kind])


def _one_of(names: tuple[str, ...]) -> str:
    return f"there are {', '.join(names)}"
