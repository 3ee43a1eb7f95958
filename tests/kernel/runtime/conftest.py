"""A house with one runtime that is installed from a registry double."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from installing import PROGRAM, Tool
from registry_double import RegistryDouble, registry_double

from aetherd.core.config import Settings
from aetherd_runtimes.command import Command
from house import Running, run_house


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RegistryDouble]:
    """The registry that npm's own configuration names: its address in the environment, the credential in ~/.npmrc."""
    with registry_double() as double:
        for version in ("1.0.0", "2.0.0"):
            double.add("tool", version, {"run": PROGRAM.format(version), "lib/deep.js": "1"})
        (tmp_path / ".npmrc").write_text(f"//127.0.0.1:{double.port}/:_authToken=${{npm_config_token}}\n")
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / ".npmrc"))
        monkeypatch.setenv("npm_config_registry", double.url)
        monkeypatch.setenv("npm_config_token", double.token)
        yield double


@pytest.fixture
def tool() -> Tool:
    return Tool()


@pytest.fixture
async def running(settings: Settings, tool: Tool, registry: RegistryDouble) -> AsyncIterator[Running]:
    async with run_house(settings, {"acp:tool": tool, "command": Command()}) as found:
        yield found
