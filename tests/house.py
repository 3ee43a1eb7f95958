"""The whole daemon in memory, and short ways to call it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from aetherd.core.config import Settings
from aetherd.core.ids import new_id
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.kernel.process.host import Host
from aetherd.kernel.token.service import AGENT_SCOPES
from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd.runtime import Runtime
from aetherd.shim.cgroups import remove
from aetherd.shim.limits import Limiter
from aetherd.shim.tree import Trees
from aetherd.store.engine import prepare


def forget_environment(patch: pytest.MonkeyPatch) -> None:
    """Take away what the machine's own settings would change."""
    for name in list(os.environ):
        if name.startswith(("AETHER_", "ANTHROPIC_", "CLAUDE_", "OPENAI_", "GEMINI_", "GOOGLE_", "OLLAMA_")):
            patch.delenv(name)


@cache
def usual_tier() -> str:
    """Return the setting `sandbox` for tests: as it comes where bubblewrap works, else host, so that they still run."""
    line = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "true")
    try:
        works = subprocess.run(line, capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        works = False
    return "auto" if works else "host"


@dataclass
class Running:
    """A house that is up."""

    kernel: Kernel
    house: House

    def call(self, **changes: Any) -> Call:
        """Return the owner's call; keywords change it."""
        base: dict[str, Any] = {"actor": "user:owner", "scopes": frozenset({"*"}), "face": "http"}
        return Call(**{"id": new_id("call"), **base, **changes})

    def agent_call(self, agent: str, **changes: Any) -> Call:
        """Return a call of an agent with an agent's scopes."""
        scopes = frozenset(AGENT_SCOPES.split())
        return self.call(actor=f"agent:{agent}", agent=agent, scopes=scopes, face="mcp", **changes)

    async def invoke(self, name: str, raw: dict[str, Any] | None = None, call: Call | None = None) -> Any:
        """Run an operation through the Dispatcher."""
        return await self.house.dispatcher.invoke(name, raw or {}, call or self.call())


@asynccontextmanager
async def run_house(settings: Settings, runtimes: Mapping[str, Runtime] | None = None) -> AsyncIterator[Running]:
    """Bring a house up inside the test; nothing of it is left on the machine."""
    kernel = Kernel(settings, ROOMS, runtimes or {})
    try:
        async with kernel.running() as house:
            yield Running(kernel, house)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(clear, settings)


def clear(settings: Settings) -> None:
    """End what a house left on the machine: processes, its zygote, control groups; blocking."""
    key, zygote = Host(settings).key, str(settings.run_dir / "zygote-").encode()
    marker = re.compile(rb"(?:^|\0)AETHER_PROCESS=%b-([^\0]+)" % key.encode())
    trees = Trees(f"aetherd-{key}")
    root = trees._root
    names = {place.name for place in root.iterdir() if place.is_dir()} if root is not None else set()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if zygote in (place / "cmdline").read_bytes():
                os.kill(int(place.name), signal.SIGKILL)
            if found := marker.search((place / "environ").read_bytes()):
                names.add(found[1].decode())
    for name in names:
        trees.kill(name, f"{key}-{name}")
        trees.remove(name)
    for group in {root, *getattr(Limiter(f"aetherd-{key}").pools, "roots", {}).values()} - {None}:
        remove(group)


def seed_database(settings: Settings, template: Path) -> None:
    """Give a home a migrated, empty database: 0.4 s of migrations once, not in every test."""
    if not template.exists():
        prepare(template)
    if not settings.database.exists():
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(template, settings.database)
        settings.database.chmod(0o600)
