"""`skill.test`: the files looked over and the steps run, by an agent that is made for it and removed after it."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from aetherd.core.errors import AetherError, Invalid
from aetherd.kernel.skill.commands import Commands, Where
from aetherd.kernel.skill.fill import shown
from aetherd.kernel.skill.models import CaseDone
from aetherd.kernel.skill.ports import Agents, Home
from aetherd.kernel.skill.recipe import Case, Recipe, accepted
from aetherd.kernel.skill.runner import Runner, problem_of
from aetherd.kernel.skill.tree import MAIN, Tree
from aetherd.operations.operation import Call
from aetherd.store import Store

LINK = re.compile(r"\]\(([^)#\s:]{1,200})(?:#[^)]{0,200})?\)")
SCRIPT_S = 20.0
# How a script is looked over without being run; by the ending of its name.
CHECKS = {
    "sh": ("/bin/sh", "-n"),
    "py": (
        "/usr/bin/env",
        "python3",
        "-I",
        "-c",
        "import ast, sys; ast.parse(open(sys.argv[1], 'rb').read(), sys.argv[1])",
    ),
}


class Trying:
    """Tries skills."""

    def __init__(self, store: Store, agents: Agents, runner: Runner, commands: Commands) -> None:
        self._store, self._agents, self._runner, self._commands = store, agents, runner, commands

    async def all(
        self,
        files: Tree,
        recipe: Recipe | None,
        place: Path,
        inputs: Mapping[str, Any] | None,
        call: Call,
        timeout_s: float,
    ) -> list[CaseDone]:
        """Look the files over, then run each test, or the steps with these inputs; each in a new home."""
        until = anyio.current_time() + timeout_s
        async with self._agent(call) as home:
            done = [await self._files(files, Where(home, place), until)]
        if recipe is None:
            if inputs:
                raise Invalid("inputs: it has no steps to give them to", field="inputs")
            return done
        for case, expects in _cases(recipe, inputs):
            async with self._agent(call) as home:
                left = max(0.001, until - anyio.current_time())
                done.append(await self._case(case, expects, recipe, Where(home, place), call, left))
        return done

    @asynccontextmanager
    async def _agent(self, call: Call) -> AsyncIterator[Home]:
        """Give an agent, with its own uid where agents have one, that is gone afterwards."""
        name = f"skill-test-{secrets.token_hex(4)}"
        made = await self._store.write(
            lambda tx: self._agents.create_in(tx, call, name=name, role="tries a skill, and is removed", stem="skill")
        )
        try:
            home = await self._agents.home_of(made.id, call)
            await self._agents.make_home(made.id, home.uid)
            yield home
        finally:
            with anyio.CancelScope(shield=True):
                await self._agents.discard(made.id)

    async def _files(self, files: Tree, where: Where, until: float) -> CaseDone:
        """Check that what SKILL.md links to is there, and that scripts can be read by what runs them."""
        wrong = []
        text = files[MAIN].text or ""
        missing = [link for link in LINK.findall(text) if link.removeprefix("./") not in files]
        if missing := [link for link in missing if not any(path.startswith(f"{link.strip('./')}/") for path in files)]:
            wrong.append(f"{MAIN} links to {missing[0]}, which is not there")
        for path in files:
            if (check := CHECKS.get(path.rpartition(".")[2])) is None:
                continue
            argv, limit = [*check, str(where.skill / path)], min(SCRIPT_S, until - anyio.current_time())
            if limit <= 0:
                wrong.append(f"{path}: the time was up before it was looked at")
                break
            ran = await self._commands.run(where, argv, cwd=where.home.path, timeout_s=limit)
            if (problem := problem_of(ran, limit)) is not None:
                wrong.append(f"{path}: {problem}")
        return CaseDone(name="files", passed=not wrong, problem="; ".join(wrong) or None, steps=[])

    async def _case(self, case: Case, expects: bool, recipe: Recipe, where: Where, call: Call, left: float) -> CaseDone:
        try:
            outcome = await self._runner.run(recipe, accepted(recipe, case.inputs), where, call, left)
        except AetherError as exc:
            return CaseDone(name=case.name, passed=False, problem=exc.message, steps=[])
        problem = outcome.problem
        if problem is None and expects:
            problem = _differs(case, outcome.out)
        return CaseDone(name=case.name, passed=problem is None, problem=problem, steps=outcome.steps)


def _cases(recipe: Recipe, inputs: Mapping[str, Any] | None) -> list[tuple[Case, bool]]:
    if inputs is not None:
        return [(Case(name="inputs", inputs=dict(inputs)), False)]
    if not recipe.tests:
        return [(Case(name="defaults"), False)]
    return [(case, True) for case in recipe.tests]


def _differs(case: Case, out: Any) -> str | None:
    if "equals" in case.model_fields_set and out != case.equals:
        return f"it gave {shown(out)[:500]}, not {shown(case.equals)[:500]}"
    if case.contains is not None and case.contains not in shown(out):
        return f"it gave {shown(out)[:500]}, which does not contain {case.contains[:200]}"
    return None
