"""aetherctl against a served house, on its socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from click.testing import CliRunner, Result

from aetherd.ctl import commands
from aetherd.ctl.main import cli
from tests.web.web_lab import Served, serve


def run(*arguments: str, input: str | None = None) -> Result:
    """Run aetherctl in this process."""
    return CliRunner().invoke(cli, arguments, input=input, catch_exceptions=False)


@dataclass
class Terminal:
    """A shell whose AETHER_HOME is a served house."""

    served: Served
    home: Path

    async def run(self, *arguments: str, input: str | None = None) -> Result:
        with anyio.fail_after(30):
            return await anyio.to_thread.run_sync(lambda: run(*arguments, input=input))

    async def ok(self, *arguments: str, input: str | None = None) -> str:
        result = await self.run(*arguments, input=input)
        assert result.exit_code == 0, result.output
        return result.stdout

    async def json(self, *arguments: str, input: str | None = None) -> Any:
        return json.loads(await self.ok(*arguments, "--json", input=input))


@pytest.fixture
async def terminal(house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Terminal]:
    home = house.house.settings.home
    async with serve(house, unix=home / "run" / "http.sock") as served:
        shipped = tmp_path / "catalog.json"
        shipped.write_text(json.dumps(house.house.catalog))
        monkeypatch.setattr(commands, "SHIPPED", shipped)
        monkeypatch.setenv("AETHER_HOME", str(home))
        monkeypatch.setenv("COLUMNS", "120")
        yield Terminal(served, home)
