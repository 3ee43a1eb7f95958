"""What a flow may say: its steps and their kinds. `parse` turns plain data into it, or says which step is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from aetherd.core.errors import Invalid
from aetherd.core.model import LARGEST, Model

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][\w-]{0,63}$")]
OnError = Literal["fail", "continue"]
STEPS, NESTED = 5_000, 8
KINDS = ("set", "agent", "call", "ask", "parallel", "each", "loop", "vote", "supervise")
AGENTS = ("agent", "supervise")
COMMON = ("name", "needs", "when", "retry", "timeout_s", "on_error")


class Strict(Model):
    """Numbers are numbers and texts are texts, so that a wrong type is told and not mended."""

    model_config = ConfigDict(strict=True)


class Retry(Strict):
    """Tries of one step."""

    attempts: int = Field(default=1, ge=1, le=20)
    backoff_s: float = Field(default=5, ge=0, le=3600)  # after the first failure; doubles


class Agent(Strict):
    """An agent that is started for a step; the fields are those of process.spawn."""

    runtime: str = "claude-code"
    goal: str | None = None
    argv: list[str] | None = None
    name: str | None = None
    agent: str | None = None
    role: str | None = None
    template: str | None = None
    model: str | None = None
    workspace: str | None = None
    toolset: str | None = None
    cwd: str | None = None
    session: str | None = None
    limits: dict[str, Any] | None = None
    budget: float | None = Field(default=None, ge=0, le=LARGEST)  # USD; it is ended when it has cost more
    output: Literal["text", "json"] = "text"

    def wish(self) -> dict[str, Any]:
        """Return what process.spawn is given."""
        return self.model_dump(
            include=set(Agent.model_fields) - {"budget", "output"}, exclude_none=True, exclude_unset=True
        )


class Supervise(Agent):
    """An agent that starts others, within bounds that hold at every spawn; `budget` is for all of them."""

    max_workers: int = Field(ge=0, le=100)
    max_depth: int = Field(default=1, ge=1, le=5)


class CallSpec(Strict):
    """Any operation, as whoever runs the flow."""

    operation: str
    input: dict[str, Any] = Field(default_factory=dict)
    idempotent: bool = False  # may be repeated when nobody knows whether it was done


class Ask(Strict):
    """A question to a person."""

    title: str
    detail: str | None = None
    must: bool = True  # a no fails the step


class Parallel(Strict):
    """Branches at the same time."""

    branches: dict[Name, list[Step]] = Field(min_length=1, max_length=100)
    max_parallel: int = Field(default=8, ge=1, le=64)
    on_error: Literal["fail", "collect"] = "fail"


class Each(Strict):
    """The same steps for every item."""

    items: list[Any] | str
    steps: list[Step] = Field(min_length=1)
    max_items: int = Field(default=100, ge=1, le=1000)
    max_parallel: int = Field(default=8, ge=1, le=64)
    on_error: Literal["fail", "collect"] = "fail"


class Loop(Strict):
    """The same steps again, until something holds."""

    steps: list[Step] = Field(min_length=1)
    max: int = Field(ge=1, le=1000)
    until: str | None = None
    on_max: OnError = "fail"  # what it means that `until` never held


class Vote(Strict):
    """Agents choose among options."""

    question: str
    options: list[str] = Field(min_length=2, max_length=20)
    voters: int = Field(default=3, ge=1, le=25)
    agent: Agent | None = None  # how each of them is started
    agents: list[Agent] | None = Field(default=None, min_length=1, max_length=25)  # or one by one
    rule: Literal["majority", "unanimous"] | Annotated[int, Field(ge=1, le=25)] = "majority"

    @property
    def all_agents(self) -> Sequence[Agent]:
        """Who votes."""
        return self.agents if self.agents is not None else [self.agent or Agent()] * self.voters


class Step(Strict):
    """One step: a name, when it is done, and one of the kinds."""

    name: Name
    needs: list[Name] | None = None  # none given: the step before
    when: str | bool | None = None
    retry: Retry = Retry()
    timeout_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    on_error: OnError = "fail"
    set: Any = None
    agent: Agent | None = None
    call: CallSpec | None = None
    ask: Ask | None = None
    parallel: Parallel | None = None
    each: Each | None = None
    loop: Loop | None = None
    vote: Vote | None = None
    supervise: Supervise | None = None

    @property
    def kind(self) -> str:
        """Which of the kinds it is."""
        return next(kind for kind in KINDS if kind in self.model_fields_set)

    def inner(self) -> Mapping[str, Sequence[Step]]:
        """Return the lists of steps in it, by the part of their path after the step's name."""
        if self.parallel is not None:
            return dict(self.parallel.branches)
        found = self.each or self.loop
        return {} if found is None else {"*": found.steps}


class Input(Strict):
    """Something a flow is given when it is run; without a default it must be."""

    description: str = ""
    default: Any = None

    @property
    def required(self) -> bool:
        """Tell whether there is no default."""
        return "default" not in self.model_fields_set


class Definition(Strict):
    """A flow."""

    name: Annotated[str, Field(pattern=r"^[\w][\w .@+-]{0,63}$")] = "flow"
    description: str = ""
    inputs: dict[Name, Input] = Field(default_factory=dict)
    defaults: Agent | None = None
    budget: float | None = Field(default=None, ge=0, le=LARGEST)
    steps: list[Step] = Field(min_length=1)
    outputs: Any = None


def parse(raw: dict[str, Any]) -> Definition:
    """Return the flow that plain data describes; raises `Invalid`, which names the step and what is wrong with it."""
    raw = dict(raw)
    if isinstance(raw.get("inputs"), list):
        raw["inputs"] = {name: {} for name in raw["inputs"] if isinstance(name, str)}
    elif isinstance(raw.get("inputs"), dict):
        raw["inputs"] = {key: {} if value is None else value for key, value in raw["inputs"].items()}
    defaults = raw.get("defaults")
    raw["steps"] = _Writing(defaults if isinstance(defaults, dict) else {}).steps(raw.get("steps"), "", 1)
    try:
        return Definition.model_validate(raw)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False, include_context=False)
        said = errors[0]["msg"].lower().removeprefix("value error, ")
        if errors[0]["type"] == "extra_forbidden":
            said = "there is no such field"
        raise Invalid(f"flow: {_where(raw, errors[0]['loc'])}: {said}", errors=errors, field="flow") from exc


class _Writing:
    """Writes short forms out: missing names, texts for mappings, defaults of agents."""

    def __init__(self, defaults: dict[str, Any]) -> None:
        self._defaults, self._count = defaults, 0

    def steps(self, raw: Any, place: str, depth: int) -> list[dict[str, Any]]:
        """Return a list of steps."""
        if isinstance(raw, dict):
            raw = [raw]
        if not isinstance(raw, list) or not raw:
            raise Invalid(f"flow: {place}steps: a list of steps is needed here, each with a name", field="flow")
        if depth > NESTED:
            raise Invalid(f"flow: {place}: steps nested deeper than {NESTED}", field="flow")
        self._count += len(raw)
        if self._count > STEPS:
            raise Invalid(f"flow: more than {STEPS:,} steps; repeat some with `each` or `loop`", field="flow")
        return [self._step(step, number, place, depth) for number, step in enumerate(raw, 1)]

    def _step(self, raw: Any, number: int, place: str, depth: int) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise Invalid(f"flow: {place}step {number} is no mapping; write `- name: …` and what it does", field="flow")
        kinds = [kind for kind in KINDS if kind in raw]
        path = f"{place}{raw.get('name') or f'step {number}'}"
        if strange := [str(key) for key in raw if key not in KINDS and key not in COMMON]:
            raise Invalid(
                f"flow: {path}: there is no {strange[0]!r}; a step has {', '.join(COMMON)}, and one of "
                f"{', '.join(KINDS)}",
                field="flow",
            )
        if len(kinds) != 1:
            said = f"it is {' and '.join(kinds)} at once" if kinds else "it says not what to do"
            raise Invalid(f"flow: {path}: {said}; a step is one of {', '.join(KINDS)}", field="flow")
        kind = kinds[0]
        step = {"name": f"{kind}{number}", **raw}
        return {**step, kind: self._kind(kind, raw[kind], f"{place}{step['name']}/", depth)}

    def _kind(self, kind: str, raw: Any, place: str, depth: int) -> Any:
        if kind in AGENTS:
            return self._agent(raw)
        if kind == "call" and isinstance(raw, str):
            return {"operation": raw}
        if kind == "ask" and isinstance(raw, str):
            return {"title": raw}
        if not isinstance(raw, dict) or kind == "set":
            return raw
        if kind == "vote":
            how = {"agents": [self._agent(one) for one in raw["agents"]]} if isinstance(raw.get("agents"), list) else {}
            return {**raw, "agent": self._agent(raw.get("agent", {})), **how}
        if kind == "parallel":
            branches = raw.get("branches")
            if isinstance(branches, dict):
                written = {key: self.steps(inner, f"{place}{key}/", depth + 1) for key, inner in branches.items()}
                return {**raw, "branches": written}
        elif kind in ("each", "loop"):
            return {**raw, "steps": self.steps(raw.get("steps"), place, depth + 1)}
        return raw

    def _agent(self, raw: Any) -> Any:
        if isinstance(raw, str):
            raw = {"goal": raw}
        return {**self._defaults, **raw} if isinstance(raw, dict) else raw


def _where(raw: Any, loc: Sequence[str | int]) -> str:
    """Write the place of an error with the names of steps for their numbers."""
    words: list[str] = []
    for part in loc:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            raw = None
        name = raw.get("name") if isinstance(raw, dict) and isinstance(part, int) else None
        words.append(str(part) if name is None else str(name))
    return ".".join(word for word in words if word != "steps") or "it"
