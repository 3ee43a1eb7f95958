"""Real Claude Code kept in mid-conversation, brought back, and run beside itself; and kill -9 in between."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from tests.e2e.claude_lab import KEY, Claude, bash, model, real, says
from tests.e2e.daemon_lab import Daemon, until


def home_of(own: Daemon, agent: str) -> Path:
    return own.home / "agents" / agent / "home"


@real
def test_a_wrecked_agent_comes_back_with_files_and_conversation_and_a_fork_goes_on_beside_it(own: Daemon) -> None:
    with model(
        says("I write it down.", bash("echo 'the number is 42' > notes.txt")),
        says("Noted."),
        says("I am gone.", bash("echo wrecked > notes.txt; rm -rf ~/.claude/projects")),
        default=says("It is 42."),
    ) as api:
        env = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY}
        claude = Claude(own, api, "remember the number 42")
        claude.decide("allow_once")
        assert claude.wait()["text"] == "Noted."
        agent = claude.spawned["agent"]
        good = own.call("snapshot.create", agent=agent, name="good")
        session = claude.get()["session"]
        assert (good["session"], good["state"]) == (session, "ready")

        claude.send("wreck everything")
        claude.decide("allow_once")
        until(lambda: claude.file("notes.txt") == "wrecked\n", 20, "the wreck")
        own.call("process.kill", pid=claude.pid)
        diff = own.call("snapshot.diff", snapshot=good["id"])
        assert {"work/notes.txt": "changed"}.items() <= {one["path"]: one["change"] for one in diff["files"]}.items()
        assert any("wreck everything" in str(one["data"]) for one in diff["messages"])

        done = own.call("snapshot.restore", snapshot=good["id"], env=env, text="what was the number?")
        assert (done["session"], done["conversation"], done["agent"]) == (session, "resumed", agent)
        assert own.wait(done["pid"])["text"] == "It is 42."
        assert claude.file("notes.txt") == "the number is 42\n"
        said = api.requests[-1].text
        assert "remember the number 42" in said
        assert "wreck everything" not in said

        fork = own.call("snapshot.fork", snapshot=good["id"], name="twin", env=env, text="and you?")
        assert fork["session"] not in (None, session)
        assert own.wait(fork["pid"])["text"] == "It is 42."
        assert "remember the number 42" in api.requests[-1].text
        assert own.get(done["pid"])["state"] == own.get(fork["pid"])["state"] == "running"
        assert own.get(fork["pid"])["session"] == fork["session"]
        assert (home_of(own, fork["agent"]) / "work/notes.txt").read_text() == "the number is 42\n"
    stored = [path.read_bytes() for path in (own.home / "snapshots").rglob("*") if path.is_file()]
    assert stored
    assert not any(KEY.encode() in data for data in stored)


def test_a_daemon_killed_while_it_keeps_or_brings_back_leaves_the_old_state_or_the_new_never_half(own: Daemon) -> None:
    process = own.spawn("command", argv=["sleep", "1000"])
    home, agent = home_of(own, process["agent"]), process["agent"]
    fill(home / "work", b"old")
    good = own.call("snapshot.create", agent=agent)["id"]
    fill(home / "work", b"new")
    for wait_s in (0.02, 0.1, 0.3):
        interrupted(own, wait_s, "snapshot.create", agent=agent)
        assert own.get(process["pid"])["state"] == "running"
        os_pid = own.get(process["pid"])["os_pid"]
        until(lambda pid=os_pid: Path(f"/proc/{pid}/stat").read_text().split()[2] == "S", 5, "it is thawed")
        assert {one["state"] for one in own.call("snapshot.list", agent=agent)["snapshots"]} == {"ready"}
    own.call("process.kill", pid=process["pid"])
    for wait_s in (0.05, 0.2, 0.4, 0.6, 0.9):
        interrupted(own, wait_s, "snapshot.restore", snapshot=good)
        content = {path.read_bytes()[:3] for path in (home / "work").iterdir()}
        live = own.call("process.list", agent=agent, state="live")["processes"]
        assert (content, len(live)) in (({b"old"}, 1), ({b"new"}, 0))
        assert not list((own.home / "snapshots/work").iterdir())
        for one in live:
            own.call("process.kill", pid=one["pid"])
            fill(home / "work", b"new")
    assert own.call("snapshot.get", snapshot=good, verify=True)["verified"]


def fill(work: Path, word: bytes) -> None:
    """Write a hundred files, all of them beginning with a word."""
    owner = work.stat()
    for number in range(100):
        path = work / f"{number}"
        path.write_bytes(word + os.urandom(300_000))
        os.chown(path, owner.st_uid, owner.st_gid)


def interrupted(own: Daemon, wait_s: float, name: str, **raw: Any) -> None:
    """Kill the daemon so long after a call was made, and start it again."""

    def call() -> None:
        try:
            own.call(name, **raw)
        except Exception:  # the daemon is gone
            return

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(wait_s)
    own.kill()
    thread.join(30)
    own.start()
