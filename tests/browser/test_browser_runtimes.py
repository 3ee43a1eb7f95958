"""Runtimes at the console: installed with its progress to be seen, checked, repaired, removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from aetherd.kernel.runtime.installer import NODE
from tests.browser.console_lab import PHONE, narrow, window
from tests.e2e.daemon_lab import Daemon
from tests.kernel.runtime.registry_double import RegistryDouble, registry_double

ADAPTER = f"""
from aetherd.runtime import Hints, Package, Report
from aetherd_runtimes.command import Command

class Tool(Command):
    name = "acp:tool"
    hints = Hints(title="Tool", summary="Stands for one that npm has.")
    package = Package(npm=("tool@1.0.0",), node="{NODE}", program="node_modules/tool/run")
    prefix = None

    def check(self):
        program = self.prefix / "current" / self.package.program
        if not program.is_file():
            return Report(available=False, missing="Tool is not installed: aetherctl runtime install tool")
        return Report(available=True, version="1.0.0", path=str(program))
"""


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    """A registry on loopback with the one package."""
    with registry_double() as double:
        double.add("tool", "1.0.0", {"run": "#!/bin/sh\nexec sleep 1000\n", "lib/deep.js": "1"})
        double.held = "tool@1.0.0"
        yield double


@pytest.fixture
def equipped(registry: RegistryDouble, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with a third party's adapter, as an installed distribution brings one, and npm's configuration."""
    about = tmp_path / "site" / "tool-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[aetherd.runtimes]\nacp:tool = tool_adapter:Tool\n")
    (about.parent / "tool_adapter.py").write_text(ADAPTER)
    npmrc = tmp_path / "npmrc"
    npmrc.write_text(f"registry={registry.url}\n//127.0.0.1:{registry.port}/:_authToken=${{npm_config_token}}\n")
    env = {"PYTHONPATH": str(about.parent), "npm_config_userconfig": str(npmrc), "npm_config_token": registry.token}
    with Daemon(env=env | {"npm_config_registry": registry.url}) as daemon:
        yield daemon


def test_a_runtime_is_installed_repaired_and_removed(
    browser: Browser, equipped: Daemon, registry: RegistryDouble, shots: Path
) -> None:
    with window(browser, equipped, shots) as console:
        page = console.login().page
        console.at("nav-system").click()
        console.at("nav-runtimes").click()
        row = console.at("runtime-acp:tool")
        expect(row).to_have_attribute("data-state", "missing")
        row.get_by_test_id("install").click()
        assert registry.reached.wait(20)
        expect(row.get_by_test_id("install-progress")).to_have_attribute("data-step", "packages")
        page.set_viewport_size(PHONE)
        narrow(console)
        page.reload()  # whoever comes back sees how far it is
        expect(row.get_by_test_id("install-progress")).to_have_attribute("data-step", "packages")
        page.set_viewport_size({"width": 1280, "height": 800})
        registry.go_on.set()
        expect(row).to_have_attribute("data-state", "ready")
        expect(row).to_contain_text("1.0.0 installed here")

        (equipped.home / "runtimes/tool/current/node_modules/tool/lib/deep.js").write_text("2")
        row.get_by_role("button", name="Check").click()
        expect(row).to_have_attribute("data-state", "broken")
        expect(row).to_contain_text("are not as they were installed")
        row.get_by_role("button", name="Repair").click()
        expect(row).to_have_attribute("data-state", "ready")
        assert equipped.call("runtime.check", runtime="tool")["ok"]

        row.get_by_role("button", name="Remove").click()
        console.at("confirm").click()
        expect(row).to_have_attribute("data-state", "missing")
