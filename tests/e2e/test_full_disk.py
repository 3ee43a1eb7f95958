"""The disk under $AETHER_HOME is full: writes are refused and say so, agents wait, nothing breaks; room mends it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon_lab import Daemon, Refused, until

LINES = 90


@pytest.fixture
def small() -> Iterator[Daemon]:
    """A daemon whose home is a file system of 20 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    daemon = Daemon(settings="")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=700", "none", str(daemon.home)], check=False)
    if mounted.returncode:
        daemon.__exit__()
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        with daemon:
            yield daemon
    finally:
        subprocess.run(["umount", "-l", str(daemon.home)], check=False)
        daemon.home.rmdir()


def fill(daemon: Daemon) -> None:
    """Leave not a byte free."""
    with (daemon.home / "ballast").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))


def refusal(daemon: Daemon) -> Refused | None:
    """Write something; return why it was not taken."""
    try:
        daemon.call("memory.remember", content="a note " * 300)
    except Refused as refused:
        return refused
    return None


def said(daemon: Daemon, pid: int) -> list[str]:
    """Return what an agent has said so far."""
    return [event["data"]["text"] for event in daemon.events(pid=pid, types="agent.text")]


def test_a_full_disk_refuses_writes_keeps_agents_waiting_and_heals_when_there_is_room(small: Daemon) -> None:
    texts = [f"{number} {'x' * 2000}" for number in range(LINES)]
    pid = small.demo("wait message", *[word for text in texts for word in (f"say {text}", "sleep 0.02")])["pid"]
    before = small.tree(pid)
    small.call("process.send", pid=pid, text="go")
    until(lambda: len(said(small, pid)) > 5, 20, "it to talk")
    until(lambda: (fill(small), refusal(small))[1], 30, "a refusal")
    refused = refusal(small)
    assert refused is not None
    assert (refused.status, refused.code, "the disk is full" in refused.message) == (507, "unavailable", True)
    status = small.call("system.status")
    assert not status["health"]["store"]["ok"]
    assert any("the disk is full" in warning for warning in status["warnings"])
    [database] = [check for check in small.call("system.doctor")["checks"] if check["name"] == "database"]
    assert (database["state"], "make room" in database["fix"]) == ("failed", True)
    assert (small.tree(pid), small.get(pid)["state"]) == (before, "running")
    assert len(said(small, pid)) < LINES
    (small.home / "ballast").unlink()
    until(lambda: refusal(small) is None, 10, "writes to be taken again")
    assert small.wait(pid)["outcome"] == "completed"
    assert said(small, pid) == texts
    assert (small.call("system.status")["health"]["store"]["ok"], small.tree(pid)) == (True, before)
    with contextlib.closing(sqlite3.connect(f"file:{small.home / 'aether.db'}?mode=ro", uri=True)) as database_file:
        assert database_file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_daemon_that_starts_on_a_full_disk_comes_up_and_finds_its_agents_when_there_is_room(small: Daemon) -> None:
    pid = small.demo("wait message", "say done")["pid"]
    before, port = small.tree(), small.port
    descriptors = Path(f"/proc/{small.shim_pid(pid)}/fd")
    held = len(list(descriptors.iterdir()))
    fill(small)
    small.kill()
    fill(small)
    small.begin()
    small.port = port

    def warned() -> bool:
        with contextlib.suppress(OSError):
            return any("the disk is full" in warning for warning in small.call("system.status")["warnings"])
        return False

    until(warned, 20, "it to come up and say so", lambda: small.log.read_text()[-2000:])
    tries = small.log.read_text().count("trying again")
    until(lambda: small.log.read_text().count("trying again") > tries + 2, 20, "it to try again")
    assert len(list(descriptors.iterdir())) <= held  # no try leaves a connection behind
    assert small.tree() == before
    (small.home / "ballast").unlink()
    until(lambda: small.events(pid=pid, types="process.adopted"), 10, "the agent to be found again")
    small.call("process.send", pid=pid, text="go")
    assert small.wait(pid)["text"] == "done"
    assert small.call("system.doctor")["tiers"][-1]["state"] == "ok"  # what could not be tried is not given up
