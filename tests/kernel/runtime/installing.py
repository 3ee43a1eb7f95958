"""A runtime that is installed from the registry double, and short ways to install it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from aetherd.core.config import Settings
from aetherd.kernel.runtime.installer import NODE
from aetherd.runtime import Hints, Launch, Package, Report, Spawn
from aetherd_runtimes.command import Command
from house import Running

PROGRAM = "#!/bin/sh\necho {0}\n"


class Tool(Command):
    """A runtime that is installed, `acp:tool`; what it hosts sleeps."""

    name = "acp:tool"
    hints = Hints(title="Tool", summary="For tests.")
    package: Package | None = Package(npm=("tool@1.0.0",), node=NODE, program="node_modules/tool/run")
    prefix: Path | None = None

    def check(self) -> Report:
        """Look where it is installed."""
        assert self.prefix is not None
        program = self.prefix / "current" / "node_modules/tool/run"
        if not program.is_file():
            return Report(available=False, missing="install it: aetherctl runtime install tool")
        return Report(available=True, version=program.read_text().split()[-1], path=str(program))

    def launch(self, spawn: Spawn) -> Launch:
        """Run for as long as the test lets it."""
        return super().launch(replace(spawn, argv=("sleep", "1000")))

    def pin(self, version: str, node: str = NODE) -> None:
        """Stand for a newer aetherd that pins another version."""
        assert self.package is not None
        self.package = replace(self.package, npm=(f"tool@{version}",), node=node)


async def install(running: Running, name: str = "tool") -> list[Any]:
    """Install it; returns what was told."""
    return [told async for told in await running.invoke("runtime.install", {"runtime": name})]


def head(settings: Settings) -> dict[str, Any]:
    """Return what is written of the version in use."""
    return dict(json.loads((settings.home / "runtimes/tool/current/install.json").read_text()))
