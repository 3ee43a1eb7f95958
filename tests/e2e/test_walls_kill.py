"""The daemon is killed with -9 while a container, a desktop and a browser run: they go on, bounded as before."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aetherd.kernel.browser.command import PROGRAMS
from tests.docker_engine import DockerEngine, docker_base, docker_engine
from tests.e2e.daemon_lab import CGROUPS, Daemon, dead, until, words

__all__ = ["docker_base", "docker_engine"]
pytestmark = [
    pytest.mark.docker,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        not all(map(shutil.which, ("bwrap", "Xvnc", "openbox", "xterm"))) or not any(map(shutil.which, PROGRAMS)),
        reason="needs bubblewrap, a desktop and Chromium (scripts/system-packages)",
    ),
]
PAGE = "data:text/html,<title>0</title><button onclick='document.title++'>more</button>"
AGENT = ["sh", "-c", "echo token $AETHER_TOKEN; exec sleep 1000"]
XTERM = ["xterm", "-geometry", "60x10+0+0", "-bg", "blue", "-e", "sh", "-c", "cat > typed"]
HOG = ["sh", "-c", "head -c 400M /dev/zero | tail | wc -c"]


@pytest.fixture
def house(docker_base: DockerEngine) -> Iterator[Daemon]:
    with Daemon(settings=f'docker_host = "{docker_base.host}"\n') as daemon:
        yield daemon


class Standing:
    """What the kernel and the daemon say of two agents; found in /proc and by Docker, and by asking."""

    def __init__(self, daemon: Daemon, engine: DockerEngine, pids: tuple[int, int]) -> None:
        graphical = pids[1]
        self.container = engine.docker("ps", "-q", "--no-trunc")
        rows = [daemon.get(pid) for pid in pids]
        self.runs = [(row["state"], row["incarnation"], row["os_pid"]) for row in rows]
        self.programs = {one: os.path.basename(words(one)[0]) for one in daemon.tree() if self._lasts(one)}
        self.keepers = [_keeper(daemon, pid) for pid in pids]
        self.tabs = daemon.call("browser.tabs", pid=graphical)["tabs"]
        self.picture = daemon.call("desktop.screenshot", pid=graphical)["picture"]["base64"]
        self.limits = [daemon.call("sandbox.get", pid=pid)["limits"] for pid in pids]
        lease = daemon.call("control.status", pid=graphical)
        self.lease = (lease["holder"], lease["step"], lease["held"])

    @staticmethod
    def _lasts(os_pid: int) -> bool:
        """Say whether it is a program of the agents: Chromium's helpers come and go."""
        line = words(os_pid)
        return bool(line) and not any(word.startswith("--type=") for word in line) and "aetherd" not in str(line[:3])


def _keeper(daemon: Daemon, pid: int) -> int:
    held = json.loads((daemon.home / "shim" / f"h{pid}" / "holder.json").read_text())
    return int(held["keeper_pid"])


def groups(daemon: Daemon) -> list[Path]:
    """Return the control groups of agents and what stands beside them."""
    roots = [*CGROUPS.glob(f"aetherd-{daemon.key}"), *CGROUPS.glob(f"*/aetherd-{daemon.key}")]
    found = [path for root in roots for path in root.rglob("*") if path.is_dir()]
    return [path for path in found if path.name != "probe"]  # of the daemon's own, tried at its start


def as_agent(daemon: Daemon, token: str, operation: str, **input: Any) -> str:
    """Call as the agent does; returns what it is refused with, or nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/v1/{operation}", json.dumps(input), headers)
        with connection.getresponse() as answer:
            body = json.loads(answer.read())
            return "" if answer.status < 300 else str(body["error"]["message"])
    finally:
        connection.close()


def test_a_killed_daemon_finds_container_desktop_browser_limits_and_lease_again_and_leaves_nothing_of_them(
    house: Daemon, docker_base: DockerEngine
) -> None:
    bounds = {"memory_mb": 192, "pids": 50}
    contained = house.spawn("command", argv=AGENT, name="boxed", sandbox={"tier": "docker"}, limits=bounds)["pid"]
    wish = {"tier": "bwrap", "graphical": True}
    process = house.spawn("command", argv=AGENT, name="painter", sandbox=wish, limits={"memory_mb": 2000})
    graphical, typed = process["pid"], house.home / "agents" / process["agent"] / "home" / "typed"
    both = (contained, graphical)
    house.call("browser.open", pid=graphical, url=PAGE)
    assert house.call("browser.click", pid=graphical, text="more")["title"] == "1"
    house.call("desktop.exec", pid=graphical, argv=XTERM)
    blue = {"x": 200, "y": 100, "colour": "#0000ff"}
    assert house.call("desktop.wait_for", pid=graphical, stable_s=1, pixel=blue)["met"]
    token = house.call("process.output", pid=graphical)["text"].split()[1]
    house.call("control.acquire", pid=graphical)
    before = Standing(house, docker_base, both)
    assert {"Xvnc", "openbox", "xterm", "chromium"} <= set(before.programs.values())

    for _ in range(2):
        house.restart()
        after = Standing(house, docker_base, both)
        assert vars(after) == vars(before)
        refusal = as_agent(house, token, "desktop.click", x=200, y=100)
        assert re.match(r"user:owner has control of process \d+ and of its desktop", refusal)
        assert "has control" in as_agent(house, token, "browser.click", text="more")
    house.call("desktop.click", pid=graphical, x=200, y=100)
    house.call("desktop.type", pid=graphical, text="still here\n")
    until(lambda: typed.read_text() == "still here\n", 10, "the words in the window")
    assert house.call("sandbox.exec", pid=contained, argv=HOG)["stdout"].strip() != str(400 << 20)
    assert house.call("sandbox.stats", pid=contained)["oom_kills"] == 1
    house.call("control.release", pid=graphical)
    assert as_agent(house, token, "browser.click", text="more") == ""
    assert house.call("browser.tabs", pid=graphical)["tabs"][0]["title"] == "2"
    assert house.call("sandbox.prune", dry_run=True)["removed"] == []

    for pid in both:
        house.call("process.kill", pid=pid)
    until(lambda: not house.tree(), 20, "every program to end", lambda: [words(one) for one in house.tree()])
    until(lambda: all(map(dead, before.keepers)), 10, "the keepers to end")
    until(lambda: not groups(house), 10, "the control groups to go", lambda: groups(house))
    assert docker_base.docker("ps", "-aq") == ""
    left = [*house.home.glob("run/p/*"), *house.home.glob("shim/[hdbt]*")]
    assert left == []
