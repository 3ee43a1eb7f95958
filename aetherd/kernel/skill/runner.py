"""Runs the steps of a skill, one after another, in an agent's place and with the caller's rights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import anyio
from pydantic import BaseModel

from aetherd.core.errors import AetherError, Forbidden, Invalid
from aetherd.kernel.skill import web
from aetherd.kernel.skill.asking import ask
from aetherd.kernel.skill.change import changed, holds
from aetherd.kernel.skill.commands import SEARCH_PATH, Commands, Where
from aetherd.kernel.skill.fill import fill, shown
from aetherd.kernel.skill.models import StepDone
from aetherd.kernel.skill.ports import Processes
from aetherd.kernel.skill.recipe import Ask, Fs, Http, Recipe, Shell, Step, Transform
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.errands import Errand
from aetherd.operations.operation import Call

SHOWN = 8_000  # characters of what a step gave, in the answer
ENV = 64_000  # characters of one value a command is given
FS = {"read": "fs.read", "write": "fs.write", "append": "fs.write", "list": "fs.list", "mkdir": "fs.mkdir"}


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a step."""

    out: Any
    code: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    ok: bool
    out: Any
    problem: str | None
    steps: list[StepDone]


class Runner:
    """Knows how each kind of step is done."""

    def __init__(self, dispatcher: Dispatcher, commands: Commands, processes: Processes, private: bool) -> None:
        self._dispatcher, self._commands, self._processes, self._private = dispatcher, commands, processes, private

    async def run(
        self, recipe: Recipe, inputs: Mapping[str, Any], where: Where, call: Call, timeout_s: float
    ) -> Outcome:
        """Run all steps; the first that fails and is not optional ends it, and so does the time."""
        scope: dict[str, Any] = {"inputs": dict(inputs), "steps": {}}
        done: list[StepDone] = []
        until = anyio.current_time() + timeout_s
        for step in recipe.steps:
            begun = anyio.current_time()
            came, state = await self._step(step, scope, where, call, until - begun)
            scope["steps"][step.name] = {"out": came.out, "code": came.code, "error": came.problem, "state": state}
            done.append(
                StepDone(
                    name=step.name,
                    kind=step.kind,
                    state=state,
                    out=cut(came.out),
                    code=came.code,
                    problem=came.problem,
                    ms=round((anyio.current_time() - begun) * 1000),
                )
            )
            if call.progress is not None:
                await call.progress(len(done), len(recipe.steps), f"{step.name}: {state}")
            if state == "failed" and not step.optional:
                return Outcome(False, None, f"step {step.name}: {came.problem}", done)
        last = scope["steps"][recipe.steps[-1].name]["out"]
        return Outcome(True, last if recipe.out is None else fill(recipe.out, scope), None, done)

    async def _step(
        self, step: Step, scope: Mapping[str, Any], where: Where, call: Call, left: float
    ) -> tuple[Came, Literal["done", "skipped", "failed"]]:
        if left <= 0:
            return Came(None, problem="the time of the run was up before it"), "failed"
        limit = min(step.timeout_s, left)
        try:
            if not holds(step.when, scope):
                return Came(None), "skipped"
            with anyio.fail_after(limit + 5):  # each kind keeps the limit itself; this is the last resort
                came = await self._do(step, scope, where, call, limit)
        except TimeoutError:
            came = Came(None, problem=f"it was not done in {limit:g} s")
        except AetherError as exc:
            came = Came(None, problem=exc.message)
        return came, "done" if came.problem is None else "failed"

    async def _do(self, step: Step, scope: Mapping[str, Any], where: Where, call: Call, limit: float) -> Came:
        match step:
            case Shell():
                return await self._shell(step, scope, where, call, limit)
            case Http():
                return await self._http(step, scope, limit)
            case Fs():
                return await self._fs(step, scope, where, call)
            case Ask():
                return await self._ask(step, scope, call, limit)
            case Transform():
                return Came(changed(fill(step.value, scope), step.do))

    async def _shell(self, step: Shell, scope: Mapping[str, Any], where: Where, call: Call, limit: float) -> Came:
        if not (call.has("process:write", "process.spawn") or call.has("terminal:write", "terminal.open")):
            raise Forbidden("a step of kind shell runs a program, which this caller may not do by itself either")
        env = {name: _word(fill(value, scope), name) for name, value in step.env.items()}
        if step.run is not None:
            argv = ["/bin/sh", "-c", step.run]
        else:
            argv = [_word(fill(one, scope), "argv") for one in step.argv or ()]
            argv[0] = _program(argv[0], where.skill)
        ran = await self._commands.run(where, argv, cwd=where.home.path / step.cwd, timeout_s=limit, env=env)
        out = ran.output.decode("utf-8", "replace").removesuffix("\n")
        if ran.dropped:
            out = f"({ran.dropped:,} bytes before this were dropped)\n{out}"
        return Came(out, ran.code, problem_of(ran, limit))

    async def _http(self, step: Http, scope: Mapping[str, Any], limit: float) -> Came:
        url = shown(fill(step.url, scope, lambda value: quote(value, safe="")))
        headers = {name: _header(fill(value, scope)) for name, value in step.headers.items()}
        answer = await web.request(
            step.method, url, headers, fill(step.body, scope), timeout_s=limit, private=self._private
        )
        problem = f"answered {answer.status}" if answer.status >= 400 else None
        return Came(answer.out, answer.status, problem)

    async def _fs(self, step: Fs, scope: Mapping[str, Any], where: Where, call: Call) -> Came:
        raw: dict[str, Any] = {"path": shown(fill(step.path, scope))}
        if step.workspace is not None:
            raw["workspace"] = step.workspace
        else:
            raw["agent"] = where.home.agent
        if step.content is not None:
            raw["content"] = shown(fill(step.content, scope))
        if step.op == "append":
            raw["mode"] = "append"
        if step.op == "read":
            raw |= {"limit": 1 << 20, "encoding": "text"}
        found = await self._dispatcher.invoke(FS[step.op], raw, call)
        assert isinstance(found, BaseModel)
        plain = found.model_dump(mode="json")
        if step.op == "read":
            return Came(plain["text"])
        return Came([one["path"] for one in plain["entries"]] if step.op == "list" else plain["path"])

    async def _ask(self, step: Ask, scope: Mapping[str, Any], call: Call, limit: float) -> Came:
        parts = (shown(fill(step.system, scope)), shown(fill(step.prompt, scope)))
        goal = "\n\n".join(part for part in parts if part)
        return Came(await ask(self._dispatcher, self._processes, call, goal, step.model, limit))


def problem_of(ran: Errand, limit: float) -> str | None:
    """Say why a command did not end well."""
    if ran.late:
        return f"it was not done in {limit:g} s"
    if ran.code is None:
        return "it was killed"
    said = ran.error.decode("utf-8", "replace").strip().splitlines()
    return None if ran.code == 0 else f"exited with code {ran.code}" + (f": {said[-1][:500]}" if said else "")


def cut(value: Any) -> Any:
    """Return a value as an answer shows it."""
    text = shown(value)
    return value if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


def _program(name: str, skill: Path) -> str:
    """Return the program of an argv: one of the skill's own by `./`, else one that is found."""
    if name.startswith("./"):
        return str(skill / name[2:])
    return name if name.startswith("/") else shutil.which(name, path=SEARCH_PATH) or name


def _word(value: Any, what: str) -> str:
    text = shown(value)
    if "\0" in text:
        raise Invalid(f"{what}: a command cannot be given a NUL character")
    if len(text) > ENV:
        raise Invalid(f"{what}: {len(text):,} characters, a command is given at most {ENV:,}; write a file (kind fs)")
    return text


def _header(value: Any) -> str:
    text = shown(value)
    if any(ord(one) < 32 or ord(one) > 126 for one in text):
        raise Invalid("a header holds a line break, or what is not ASCII")
    return text
