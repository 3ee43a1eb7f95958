"""The unit for systemd: agents live through a restart of the service."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon_lab import AETHERD, Daemon, until

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "aetherd" / "daemon" / "aetherd.service"
UNITS = Path("/run/systemd/system")


def service() -> configparser.SectionProxy:
    """Return the unit's [Service]."""
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit["Service"]


def test_the_unit_leaves_agents_alone_and_comes_back_always() -> None:
    found = service()
    assert (found["KillMode"], found["Delegate"], found["Restart"]) == ("process", "yes", "always")
    assert found["OOMPolicy"] == "continue"  # else one agent out of memory ends them all
    assert float(found["TimeoutStopSec"]) > 5  # a stop takes less
    apart = {"PrivateTmp", "PrivateMounts", "ProtectSystem", "ProtectHome", "PrivateDevices", "RuntimeDirectory"}
    assert not apart & set(found)  # a namespace of each start would part its agents from those of the next


def test_the_unit_starts_a_program_that_is_installed() -> None:
    program = Path(service()["ExecStart"].split()[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert program.is_absolute()
    assert program.name in project["scripts"]
    assert f'ln -s "$PWD/.venv/bin/{program.name}" {program}' in (ROOT / "README.md").read_text()


def here(place: Path, **more: str) -> Path:
    """Write the unit with the program of this installation."""
    lines = UNIT.read_text().replace(service()["ExecStart"], str(AETHERD)).splitlines()
    lines = [f"{name}={more[name]}" if (name := line.partition("=")[0]) in more else line for line in lines]
    place.write_text("\n".join(lines) + "\n")
    return place


def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    command = ["systemd-analyze", "verify", "--man=no", str(here(tmp_path / "aetherd.service"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if "aetherd" in line]
    assert (done.returncode, said) == (0, []), done.stderr


@pytest.fixture
def served() -> Iterator[tuple[Daemon, str]]:
    """A daemon under systemd, with the name of its unit."""
    if os.geteuid() != 0 or not UNITS.is_dir():
        pytest.skip("needs a running systemd, as root")
    daemon = Daemon()
    name = f"aetherd-test-{daemon.key}.service"
    unit = here(UNITS / name, Environment=f"AETHER_HOME={daemon.home} AETHER_PORT=0", StateDirectory=f"a-{daemon.key}")
    try:
        systemctl("daemon-reload")
        systemctl("start", name)
        yield daemon, name
    finally:
        daemon.call("system.shutdown", agents=True)
        systemctl("stop", name)
        unit.unlink()
        systemctl("daemon-reload")
        shutil.rmtree(f"/var/lib/a-{daemon.key}", ignore_errors=True)
        daemon.__exit__()


def systemctl(*words: str) -> None:
    """Tell systemd something."""
    subprocess.run(["systemctl", *words], timeout=60, check=True)


def answers(daemon: Daemon) -> bool:
    """Tell whether a daemon that we did not start answers, and learn its port."""
    try:
        daemon.port = int((daemon.home / "run" / "address").read_text().strip().rpartition(":")[2])
        return bool(daemon.call("system.status"))
    except (OSError, ValueError):
        return False


def test_a_restart_of_the_service_keeps_its_agents(served: tuple[Daemon, str]) -> None:
    daemon, name = served
    until(lambda: answers(daemon), 30, "the service")
    first = daemon.call("system.status")["os_pid"]
    pid = daemon.demo("wait message", "say done")["pid"]
    before = daemon.tree(pid)
    systemctl("restart", name)
    until(lambda: answers(daemon) and daemon.call("system.status")["os_pid"] != first, 30, "the service again")
    assert daemon.tree(pid) == before
    daemon.call("process.send", pid=pid, text="go")
    assert daemon.wait(pid)["text"] == "done"
