"""What is wrong with a flow before it runs: names, circles, references, operations, bounds that multiply out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from aetherd.core.errors import Forbidden, Invalid
from aetherd.kernel.flow.definition import Agent, Definition, Step
from aetherd.kernel.flow.expression import Path, Wrong, paths, spelt
from aetherd.kernel.flow.scope import OF_A_STEP
from aetherd.operations.operation import Call, Operation
from aetherd.operations.registry import Registry

FIELDS = {"flow": {"id", "name"}}


class Checker:
    """Goes through a definition once; the first thing that is wrong is raised and named."""

    def __init__(self, registry: Registry, call: Call, definition: Definition, inputs: Mapping[str, Any]) -> None:
        self._registry, self._call, self._definition = registry, call, definition
        self._inputs = set(definition.inputs) | set(inputs)

    def check(self) -> None:
        """Raise `Invalid`, or `Forbidden` for what the caller may not do."""
        seen = self._steps(self._definition.steps, set(), set(), "")
        self._expressions(self._definition.outputs, "outputs", seen, set())

    def _steps(self, steps: Sequence[Step], seen: set[str], roots: set[str], place: str) -> set[str]:
        """Check a list; returns all steps that what comes after it can see."""
        needs = needs_of(steps, place)
        names = set(needs)
        if twice := names & seen:
            raise Invalid(f"flow: {place}{min(twice)}: an outer step has that name; take another", field="flow")
        line: set[str] | None = set()  # all before, as long as each waits for the one before it
        last: list[str] = []
        for step in steps:
            line = line if needs[step.name] == last else None
            before = closure(needs, step.name) if line is None else line
            try:
                self._step(step, seen | before if seen else before, names, roots, f"{place}{step.name}")
            except Wrong as exc:
                raise Invalid(f"flow: {place}{step.name}: {exc}", field="flow", step=f"{place}{step.name}") from exc
            if line is not None:
                line.add(step.name)
            last = [step.name]
        return seen | names

    def _step(self, step: Step, seen: set[str], beside: set[str], roots: set[str], path: str) -> None:
        def look(value: Any, more: Collection[str] = (), also: Collection[str] = ()) -> None:
            self._expressions(value, path, seen | set(also) if also else seen, roots | set(more), beside)

        if isinstance(step.when, str):
            look(f"{{{{ {bare(step.when)} }}}}")
        for agent in (step.agent, step.supervise):
            if agent is not None:
                look(agent.wish())
                self._agent(agent, path)
        if step.vote is not None:
            look([step.vote.question, step.vote.options])
            for agent in step.vote.all_agents:
                look(agent.wish())
                self._agent(agent, path, goal=step.vote.question)
            if isinstance(step.vote.rule, int) and step.vote.rule > len(step.vote.all_agents):
                raise Wrong(f"vote: rule: {step.vote.rule} votes are wanted of {len(step.vote.all_agents)} voters")
        if step.call is not None:
            look(step.call.input)
            self._operation(step.call.operation, step.call.input)
        if step.set is not None:
            look(step.set)
        if step.ask is not None:
            look([step.ask.title, step.ask.detail])
        if step.each is not None:
            look(step.each.items)
            self._steps(step.each.steps, seen, roots | {"item", "index"}, f"{path}/")
        if step.loop is not None:
            inner = self._steps(step.loop.steps, seen, roots | {"round", "last"}, f"{path}/")
            if step.loop.until is not None:
                look(f"{{{{ {bare(step.loop.until)} }}}}", {"round", "last"}, inner)
        if step.parallel is not None:
            for branch, steps in step.parallel.branches.items():
                self._steps(steps, seen, roots, f"{path}/{branch}/")
        if step.retry.attempts > 1 and step.kind not in ("agent", "call", "supervise"):
            raise Wrong(f"retry: steps of kind {step.kind} are not tried again; steps in them can be")

    def _expressions(
        self, value: Any, path: str, seen: Collection[str], roots: Collection[str], beside: Collection[str] = ()
    ) -> None:
        try:
            for found in paths(value):
                self._reference(found, seen, roots, beside)
        except Wrong as exc:
            raise Invalid(f"flow: {path}: {exc}", field="flow", step=path) from exc

    def _reference(self, path: Path, seen: Collection[str], roots: Collection[str], beside: Collection[str]) -> None:
        root = path[0]
        if root == "steps":
            name = path[1] if len(path) > 1 else ""
            if name in beside and name not in seen:
                raise Wrong(f"{spelt(path)}: it does not wait for step {name!r}; put that before it, or into its needs")
            if name not in seen:
                raise Wrong(f"{spelt(path)}: there is no step {name!r} before it; there are: {_list(seen)}")
            if len(path) < 3 or path[2] not in OF_A_STEP:
                raise Wrong(f"{spelt(path)}: a step has {', '.join(OF_A_STEP)}: say which")
        elif root == "inputs":
            if len(path) > 1 and path[1] not in self._inputs:
                raise Wrong(f"{spelt(path)}: there is no input {path[1]!r}; there are: {_list(self._inputs)}")
        elif root == "flow":
            if len(path) != 2 or path[1] not in FIELDS["flow"]:
                raise Wrong(f"{spelt(path)}: there is flow.id and flow.name")
        elif root not in roots:
            raise Wrong(f"{spelt(path)}: nothing is named {root!r} here; there is {_list({'inputs', 'steps', *roots})}")

    def _agent(self, agent: Agent, path: str, goal: str | None = None) -> None:
        """Have the process room's own model look at what it will be given, as far as that is known now."""
        spawn = self._may("process.spawn")
        wish = {key: value for key, value in agent.wish().items() if not list(paths(value))}
        if agent.runtime != "command" and not (agent.goal or goal):
            raise Wrong("agent: goal: say what it shall do")
        if agent.runtime == "command" and not agent.argv:
            raise Wrong("agent: argv: the runtime command needs the command line to run")
        self._valid(spawn, wish)

    def _operation(self, name: str, input: Mapping[str, Any]) -> None:
        op = self._may(name)
        if strange := sorted(set(input) - set(op.input.model_fields)):
            known = ", ".join(op.input.model_fields) or "nothing"
            raise Wrong(f"call: {name} takes no {strange[0]!r}; it takes {known}")
        missing = [key for key, field in op.input.model_fields.items() if field.is_required() and key not in input]
        if missing:
            raise Wrong(f"call: {name} needs {missing[0]!r}")
        if not list(paths(input)):
            self._valid(op, input)

    def _may(self, name: str) -> Operation:
        op = self._registry.get(name)
        if op is None:
            raise Wrong(f"there is no operation named {name!r}; tool.search finds them")
        if not op.open_to(self._call):
            raise Forbidden(f"flow: it uses {name}, which you may not ({op.scope})", scope=op.scope)
        return op

    def _valid(self, op: Operation, input: Mapping[str, Any]) -> None:
        try:
            op.input.model_validate(input)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
            raise Wrong(f"{op.name}: {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from exc


def needs_of(steps: Sequence[Step], place: str = "") -> dict[str, list[str]]:
    """Return what each step of a list waits for; raises `Invalid` for names given twice, unknown ones and circles."""
    found: dict[str, list[str]] = {}
    before: str | None = None
    for step in steps:
        if step.name in found:
            raise Invalid(f"flow: {place}{step.name}: the name is given twice", field="flow")
        found[step.name] = ([before] if before is not None else []) if step.needs is None else list(step.needs)
        before = step.name
    for name, needs in found.items():
        for need in needs:
            if need not in found:
                raise Invalid(
                    f"flow: {place}{name}: needs: there is no step {need!r} beside it; there are: {_list(found)}",
                    field="flow",
                )
    if circle := _circle(found):
        raise Invalid(f"flow: {place}{' -> '.join(circle)} is a circle: none of them could begin", field="flow")
    return found


def closure(needs: Mapping[str, Sequence[str]], name: str) -> set[str]:
    """Return all that a step waits for, directly or not."""
    found: set[str] = set()
    left = list(needs[name])
    while left:
        if (need := left.pop()) not in found:
            found.add(need)
            left += needs[need]
    return found


def _circle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return steps that wait for one another in a ring; empty when there are none."""
    left = {name: set(found) for name, found in needs.items()}
    after: dict[str, list[str]] = {name: [] for name in needs}
    for name, found in left.items():
        for need in found:
            after[need].append(name)
    free = [name for name, found in left.items() if not found]
    while free:
        done = free.pop()
        del left[done]
        for name in after[done]:
            left[name].discard(done)
            if not left[name]:
                free.append(name)
    if not left:
        return []
    way = [next(iter(left))]  # whoever is left waits for another that is
    while (need := next(iter(left[way[-1]]))) not in way:
        way.append(need)
    return [*way[way.index(need) :], need]


def bare(text: str) -> str:
    """Return a condition without the braces it may have."""
    text = text.strip()
    return text[2:-2].strip() if text.startswith("{{") and text.endswith("}}") else text


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"
