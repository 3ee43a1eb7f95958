"""Commands of skills: run in an agent's place, with the skill's directory to read, and a bounded number at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from aetherd.core.errors import Exhausted
from aetherd.kernel.skill.ports import Home, Processes
from aetherd.operations.errands import Errand

SLOTS = 8  # at once; the names are used again, so what a killed daemon left of one is ended
KEEP = 256 * 1024  # bytes of output
LIMITS = {"nofile": (4096, 4096), "fsize": (1 << 30, 1 << 30), "core": (0, 0)}
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Where:
    """In whose place, and which skill."""

    home: Home
    skill: Path  # directory of the version


@dataclass(frozen=True, slots=True)
class Reading:
    """The skill's directory as a command sees it."""

    path: Path
    readonly: bool = True
    gid: int | None = None


class Commands:
    """Runs them."""

    def __init__(self, processes: Processes, shims: Path) -> None:
        self._processes, self._shims = processes, shims
        self._free = [f"errand-skill-{number}" for number in range(SLOTS)]

    async def clear(self) -> None:
        """End what was running when the daemon was killed."""
        for name in self._free:
            if await anyio.to_thread.run_sync((self._shims / name).exists):
                await self._processes.errands.end(name)

    async def run(
        self, where: Where, argv: Sequence[str], *, cwd: Path, timeout_s: float, env: Mapping[str, str] | None = None
    ) -> Errand:
        """Run a command to its end; its standard input is empty."""
        home = where.home.path
        base = {
            "PATH": SEARCH_PATH,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TMPDIR": str(home / "tmp"),
            "SKILL_DIR": str(where.skill),
            "AETHER_AGENT": where.home.agent,
        }
        async with self._slot() as name:
            return await self._processes.errands.run(
                name,
                where.home.uid,
                argv,
                env={**base, **(env or {})},
                cwd=cwd,
                home=home,
                mounts=[*await self._processes.mounts(where.home.agent), Reading(where.skill)],
                deadline_s=timeout_s,
                keep=KEEP,
                rlimits=LIMITS,
            )

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[str]:
        if not self._free:
            raise Exhausted(f"{SLOTS} commands of skills are running; try again in a moment")
        name = self._free.pop()
        try:
            yield name
        finally:
            self._free.append(name)
