"""Another version of aetherd on the same home, and back: agents are adopted or left alone, the database whole."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aetherd.shim.frames import PROTOCOL
from aetherd.store.engine import head_revision
from tests.e2e.daemon_lab import Daemon, dead, until, words

ROOT = Path(__file__).parents[2]
PACKAGES = ("aetherd", "runtimes/aetherd_runtimes", "mcp_tools/aetherd_mcp")
MIGRATION = """
import os
from alembic import op
revision, down_revision, branch_labels, depends_on = "9000_later", "{before}", None, None

def upgrade():
    op.execute("CREATE TABLE later (id INTEGER)")
    op.execute("INSERT INTO later VALUES (1)")
    {then}
"""


@pytest.fixture
def another() -> Iterator[Callable[..., dict[str, str]]]:
    """Make other versions of aetherd: copies of this one with something changed."""
    places: list[Path] = []

    def make(version: str, protocol: int = PROTOCOL, then: str | None = None) -> dict[str, str]:
        place = Path(tempfile.mkdtemp(prefix="aether-other-"))
        place.chmod(0o755)  # agents of it have uids of their own
        places.append(place)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__", "static")
            shutil.copytree(ROOT / package, place / Path(package).name, ignore=ignored)
        change(place / "aetherd" / "__init__.py", r'__version__ = ".*"', f'__version__ = "{version}"')
        change(place / "aetherd" / "shim" / "frames.py", r"(PROTOCOL\b.*?) = \d+", rf"\1 = {protocol}")
        if then is not None:
            migrations = place / "aetherd" / "store" / "migrations" / "versions"
            (migrations / "9000_later.py").write_text(MIGRATION.format(before=head_revision(), then=then))
        return {"PYTHONPATH": str(place)}

    yield make
    for place in places:
        shutil.rmtree(place)


def change(file: Path, pattern: str, replacement: str) -> None:
    """Replace the first match in a file."""
    text, count = re.subn(pattern, replacement, file.read_text(), count=1)
    assert count == 1
    file.write_text(text)


def run(daemon: Daemon, version: dict[str, str], name: str | None = None) -> None:
    """Kill the daemon with -9 and start another version of it."""
    daemon.kill()
    daemon.env = {**{key: value for key, value in daemon.env.items() if key != "PYTHONPATH"}, **version}
    daemon.start()
    assert name in (None, daemon.call("system.status")["version"])


def refused(daemon: Daemon, version: dict[str, str]) -> str:
    """Kill the daemon with -9, start a version that does not come up, and return what it says."""
    daemon.kill()
    daemon.env = {**{key: value for key, value in daemon.env.items() if key != "PYTHONPATH"}, **version}
    size = daemon.log.stat().st_size
    assert daemon.popen().wait(30) != 0
    return daemon.log.read_bytes()[size:].decode()


def shell(daemon: Daemon) -> int:
    """Start a command that repeats what it reads."""
    script = "while read line; do echo got $line; done"
    return int(daemon.spawn("command", argv=["/bin/sh", "-c", script])["pid"])


def talks(daemon: Daemon, pid: int, text: str) -> None:
    """Check that input and output of a shell work."""
    daemon.call("terminal.send", terminal=str(pid), text=f"{text}\r")
    daemon.shows(pid, f"got {text}")


def protocol(daemon: Daemon, pid: int) -> int:
    """Return the version its shim speaks."""
    return int(json.loads((daemon.shim_dir(pid) / "shim.json").read_text())["protocol"])


def zygotes(daemon: Daemon) -> set[str]:
    """Return the programs of the zygotes of this home."""
    found = set()
    for entry in Path("/proc").iterdir():
        argv = words(int(entry.name)) if entry.name.isdecimal() and not dead(int(entry.name)) else []
        if any(word.startswith(str(daemon.home / "run")) for word in argv):
            found |= {word for word in argv if word.endswith("zygote.py")}
    return found


def test_agents_live_through_an_upgrade_and_the_way_back(own: Daemon, another: Callable[..., dict[str, str]]) -> None:
    patched = another("0.1.9")
    demo, old = own.demo("wait message", "say done")["pid"], shell(own)
    before = own.tree()
    run(own, patched, "0.1.9")
    assert own.tree() == before
    talks(own, old, "after the upgrade")
    new = shell(own)
    assert any(program.startswith(patched["PYTHONPATH"]) for program in zygotes(own))
    before = own.tree()
    run(own, {})
    assert own.tree() == before
    for pid in (old, new):
        talks(own, pid, "after the way back")
    own.call("process.send", pid=demo, text="go")
    assert own.wait(demo)["text"] == "done"


def test_shims_of_an_older_protocol_are_adopted_and_those_of_a_newer_one_left_alone(
    own: Daemon, another: Callable[..., dict[str, str]]
) -> None:
    newer = another("9.0.0", PROTOCOL + 1)
    old = shell(own)
    run(own, newer, "9.0.0")
    talks(own, old, "to a newer daemon")
    new = shell(own)
    assert (protocol(own, old), protocol(own, new)) == (PROTOCOL, PROTOCOL + 1)
    before = own.tree()
    run(own, {})
    assert own.tree() == before
    talks(own, old, "to its own daemon")
    found = own.get(new)
    assert found["state"] == "unknown"
    assert "started by a newer aetherd" in found["reason"]
    run(own, newer)
    assert own.tree() == before
    until(lambda: own.get(new)["state"] == "running", 20, "it to be adopted")
    talks(own, new, "to its own daemon")


def test_an_older_aetherd_refuses_a_newer_schema_and_leaves_agents_alone(
    own: Daemon, another: Callable[..., dict[str, str]]
) -> None:
    newer, pid = another("9.0.0", then="pass"), shell(own)
    before = own.tree()
    run(own, newer, "9.0.0")
    said = refused(own, {})
    assert "was made by a newer aetherd (schema 9000_later)" in said
    assert "Traceback" not in said
    assert own.tree() == before
    run(own, newer)
    talks(own, pid, "to the newer one again")


@pytest.mark.parametrize("then", ["raise ValueError('no such luck')", "os.kill(os.getpid(), 9)"])
def test_a_migration_that_does_not_end_leaves_the_old_schema_whole(
    own: Daemon, another: Callable[..., dict[str, str]], then: str
) -> None:
    broken, pid = another("9.0.0", then=then), shell(own)
    said = refused(own, broken)
    assert "ValueError" not in then or "could not be brought" in said.splitlines()[-1]
    with closing(sqlite3.connect(own.home / "aether.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(head_revision(),)]
        assert database.execute("SELECT name FROM sqlite_master WHERE name = 'later'").fetchall() == []
    run(own, {})
    talks(own, pid, "to the old one")
