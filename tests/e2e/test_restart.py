"""The daemon is killed, stopped, doubled, cheated; agents go on and nothing is lost."""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.e2e.daemon_lab import Daemon, dead, stat, states, until

LINES = 400


def numbered(daemon: Daemon, name: str) -> int:
    """Start an agent that writes numbered lines, calling a tool in between."""
    lines = []
    for number in range(LINES):
        lines += [f"say {number}", "sleep 0.04" if number % 10 else "call aether_process_whoami {}"]
    return int(daemon.demo(*lines, "say the end", name=name)["pid"])


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kills", "writers"), [(20, 10), pytest.param(100, 50, marks=pytest.mark.nightly)])
def test_kills_under_writing_agents_lose_and_double_nothing(own: Daemon, kills: int, writers: int) -> None:
    begun = time.monotonic()
    chance = random.Random(20)
    with own.stream() as stream:
        pids = [numbered(own, f"writer-{n}") for n in range(writers)]
        running = {pid: own.get(pid)["os_pid"] for pid in pids}
        for number in range(kills):
            if number % 4:  # while it comes up
                own.live(chance.uniform(0.1, 1.2))
            else:  # while it is at work
                last = stream.received[-1]["id"] + chance.randrange(5, 60)
                stream.wait(lambda event, last=last: event["id"] > last)
            own.kill()
            own.begin()
        own.restart()
        assert {pid: own.get(pid)["os_pid"] for pid in pids} == running
        for pid in pids:
            assert own.wait(pid)["outcome"] == "completed"
        stream.until_newest()
        assert stream.connections > kills / 4
        assert stream.resyncs == 0
    ids = [event["id"] for event in stream.received]
    assert ids == list(range(1, ids[-1] + 1)), "an event is missing or came twice"
    said = collections.defaultdict(list)
    for event in stream.of("agent.text"):
        said[event["pid"]].append(event["data"]["text"])
    assert {pid: said[pid] for pid in pids} == {pid: [*map(str, range(LINES)), "the end"] for pid in pids}
    if kills == 20:
        assert time.monotonic() - begun < 60


def test_tool_calls_work_again_within_a_second_of_the_return_through_the_same_process(daemon: Daemon) -> None:
    pid = daemon.demo("wait message", "call aether_process_whoami {}", "say done")["pid"]
    before = daemon.tree(pid)
    daemon.restart()
    begun = time.monotonic()
    daemon.call("process.send", pid=pid, text="go")
    assert daemon.wait(pid)["text"] == "done"
    assert time.monotonic() - begun < 3  # ours is <= 1 s; the bound leaves room for a starved machine
    assert daemon.tree(pid) == before


def test_an_agent_that_ends_while_the_daemon_is_away_reports_its_exit_and_its_tail_once(daemon: Daemon) -> None:
    pid = daemon.demo("wait message", *(f"say line {n}" for n in range(200)), "fail out of luck")["pid"]
    shell = ["/bin/sh", "-c", "echo begin; read line; seq 1 5000; echo the tail; exit 7"]
    other = daemon.spawn("command", argv=shell)["pid"]
    daemon.call("process.send", pid=pid, text="go")
    daemon.call("terminal.send", terminal=str(other), text="go\r")
    daemon.kill()
    until(lambda: not daemon.tree(other), 20, "the command to end")
    for _ in range(2):
        daemon.restart()
        assert daemon.ended(other)["exit_code"] == 7
        assert daemon.wait(pid)["outcome"] == "failed"
    assert not (daemon.home / "run" / "p" / str(other)).exists()
    exits = [event["data"]["exit_code"] for event in daemon.events(pid=other) if event["type"] == "process.exited"]
    assert exits == [7]
    assert "5000\r\nthe tail\r\n" in daemon.call("process.output", pid=other, limit=1 << 20)["text"]
    said = [event["data"]["text"] for event in daemon.events(pid=pid) if event["type"] == "agent.text"]
    assert said == [f"line {n}" for n in range(200)]
    assert [e["data"]["error"] for e in daemon.events(pid=pid) if e["type"] == "agent.turn_ended"] == ["out of luck"]


def test_a_killed_shim_takes_its_tree_with_it_and_the_process_is_lost(daemon: Daemon) -> None:
    shell = "for i in 1 2 3; do (setsid sleep 1000 &) ; done; exec sleep 1000"
    pid = daemon.spawn("command", argv=["/bin/sh", "-c", shell])["pid"]
    until(lambda: len(daemon.tree(pid)) == 4, 10, "the tree")
    with daemon.stream(pid=pid) as stream:
        os.kill(daemon.shim_pid(pid), signal.SIGKILL)
        assert until(lambda: not daemon.tree(pid), 10, "the tree to be gone") < 1.5
        stream.wait(lambda event: event["type"] == "process.exited")
        stream.until_newest()
    assert states(stream.received)[-1] == "lost"
    assert daemon.get(pid)["state"] == "lost"
    assert "left no exit record" in daemon.get(pid)["reason"]


def test_a_shim_killed_while_the_daemon_is_away_leaves_nothing_behind(daemon: Daemon) -> None:
    pid = daemon.spawn("command", argv=["/bin/sh", "-c", "(setsid sleep 1000 &); exec sleep 1000"])["pid"]
    until(lambda: len(daemon.tree(pid)) == 2, 10, "the tree")
    daemon.kill()
    os.kill(daemon.shim_pid(pid), signal.SIGKILL)
    daemon.start()
    until(lambda: not daemon.tree(pid), 5, "the tree to be gone")
    assert daemon.get(pid)["state"] == "lost"


def rewrite(daemon: Daemon, pid: int, **values: object) -> None:
    """Forge what is written about a process's first incarnation, while the daemon is away."""
    with sqlite3.connect(daemon.home / "aether.db") as database:
        for name, value in values.items():
            database.execute(f"UPDATE process_incarnation SET {name} = ? WHERE pid = ?", (value, pid))
    database.close()


def test_a_foreign_process_in_the_records_is_never_signalled(daemon: Daemon) -> None:
    pid = daemon.spawn("command", argv=["/bin/sleep", "1000"])["pid"]
    daemon.kill()
    os.kill(daemon.shim_pid(pid), signal.SIGKILL)
    until(lambda: not daemon.tree(pid), 5, "the agent to be gone")
    foreign = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        record = json.loads((daemon.shim_dir(pid) / "shim.json").read_text())
        (daemon.shim_dir(pid) / "shim.json").write_text(json.dumps(record | {"os_pid": foreign.pid}))
        rewrite(daemon, pid, os_pid=foreign.pid)
        daemon.start()
        assert daemon.get(pid)["state"] == "lost"
        with pytest.raises(Exception, match="ended already"):
            daemon.call("process.kill", pid=pid)
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_after_a_reboot_a_process_is_lost_and_says_how_to_go_on(daemon: Daemon) -> None:
    pid = daemon.spawn("command", argv=["/bin/sleep", "1000"])["pid"]
    daemon.kill()
    os.kill(daemon.shim_pid(pid), signal.SIGKILL)
    until(lambda: not daemon.tree(pid), 5, "the agent to be gone")
    rewrite(daemon, pid, boot_id="another-boot", os_pid=os.getpid(), start_time=int(stat(os.getpid())[19]))
    daemon.start()
    found = daemon.get(pid)
    assert found["state"] == "lost"
    assert "machine was restarted" in found["reason"]
    assert "run the agent again" in found["reason"]


def test_a_second_daemon_on_a_home_is_refused_and_told_who_has_it(daemon: Daemon) -> None:
    assert daemon.process is not None
    size = daemon.log.stat().st_size
    assert daemon.popen().wait(20) == 1
    said = daemon.log.read_bytes()[size:].decode()
    assert f"another aetherd (os pid {daemon.process.pid}) runs on {daemon.home}" in said
    assert daemon.call("system.status")["os_pid"] == daemon.process.pid


def test_a_database_that_cannot_be_opened_is_named_and_not_touched(own: Daemon) -> None:
    own.terminate()
    database = own.home / "aether.db"
    whole = database.read_bytes()
    for content in (b"this is no database at all\n" * 400, whole[:100] + os.urandom(8000)):
        database.write_bytes(content)
        for name in ("aether.db-wal", "aether.db-shm"):
            (own.home / name).unlink(missing_ok=True)
        size = own.log.stat().st_size
        assert own.popen().wait(20) == 1
        said = own.log.read_bytes()[size:].decode()
        assert str(database) in said
        assert "Traceback" not in said
        assert database.read_bytes() == content
    database.write_bytes(whole)
    own.start()


def test_a_database_of_a_newer_aetherd_is_refused_and_not_touched(own: Daemon) -> None:
    own.terminate()
    with sqlite3.connect(own.home / "aether.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    database.close()
    before = (own.home / "aether.db").read_bytes()
    size = own.log.stat().st_size
    assert own.popen().wait(20) == 1
    said = own.log.read_bytes()[size:].decode()
    assert "newer" in said
    assert "Traceback" not in said
    assert (own.home / "aether.db").read_bytes() == before


def test_sigterm_with_a_hundred_open_clients_ends_in_time_and_leaves_agents_alone(own: Daemon) -> None:
    pid = own.demo("wait message", "say done")["pid"]
    before = own.tree(pid)
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(closing(own.connect()))
            connection.request("GET", "/v1/events?since=0", headers=own.headers())
            assert stack.enter_context(closing(connection.getresponse())).status == 200
            place = f"ws://127.0.0.1:{own.port}/v1/ws"
            headers = {"Authorization": f"Bearer {own.token}"}
            client = stack.enter_context(connect(place, additional_headers=headers))
            client.send(json.dumps({"type": "subscribe", "since": 0}))
        begun = time.monotonic()
        assert own.terminate() == 0
        assert time.monotonic() - begun < 5
    assert own.tree(pid) == before
    own.start()
    own.call("process.send", pid=pid, text="go")
    assert own.wait(pid)["text"] == "done"


def test_sigterm_ends_the_daemon_in_time_when_a_client_does_not_read(own: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", own.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET /v1/events?since=0 HTTP/1.1\r\nHost: 127.0.0.1:{own.port}\r\n"
        deaf.sendall(f"{head}Authorization: Bearer {own.token}\r\n\r\n".encode())
        own.wait(own.demo(f"repeat 2000 say {'x' * 4000}")["pid"])
        begun = time.monotonic()
        assert own.terminate() == 0
        assert time.monotonic() - begun < 5


def test_a_program_on_a_terminal_survives_the_restart_and_takes_input_again(daemon: Daemon) -> None:
    pid = daemon.spawn("command", argv=["/usr/bin/env", "python3", "-q"])["pid"]
    daemon.shows(pid, ">>>")
    daemon.call("terminal.send", terminal=str(pid), text="kept = 6 * 7\r")
    before = daemon.get(pid)["os_pid"]
    daemon.restart()
    daemon.call("terminal.send", terminal=str(pid), text="print('kept', kept)\r")
    daemon.shows(pid, "kept 42")
    assert daemon.get(pid)["os_pid"] == before
    daemon.call("terminal.resize", terminal=str(pid), rows=40, cols=100)
    daemon.call("terminal.send", terminal=str(pid), text="import os; print(os.get_terminal_size())\r")
    daemon.shows(pid, "columns=100, lines=40")


def test_a_full_screen_program_is_redrawn_after_the_restart(daemon: Daemon) -> None:
    if not Path("/usr/bin/top").exists():
        pytest.skip("no top on this machine")
    pid = daemon.spawn("command", argv=["/usr/bin/top", "-d", "0.3"])["pid"]
    daemon.shows(pid, "load average")
    daemon.restart()
    daemon.shows(pid, "load average")
    daemon.call("terminal.send", terminal=str(pid), text="q")
    assert daemon.ended(pid)["exit_code"] == 0


def test_the_daemon_leaves_no_zygote_behind(own: Daemon) -> None:
    def zygotes() -> list[str]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and not dead(int(entry.name)):
                try:
                    argv = (entry / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if "zygote" in argv and str(own.home) in argv:
                    found.append(entry.name)
        return found

    own.restart()
    own.restart()
    until(lambda: len(zygotes()) <= 1, 30, "the zygotes of killed daemons to end", zygotes)
