"""Trees are frozen and killed whole, limits hold, the queue drains, states are true, secrets stay secret."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aetherd.kernel.process.states import TRANSITIONS, State
from tests.e2e.daemon_lab import Daemon, Event, Refused, phases, stat, states, ticks, until

BUSY = "while :; do :; done"
# one busy shell, one in a session of its own, one double-forked out of its parent's sight
TREE = f"sh -c '{BUSY}' & (setsid sh -c '{BUSY}' &) ; setsid sh -c \"(sh -c '{BUSY}' &)\" ; wait"
NINE = f"for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'trap \"\" TERM HUP INT; sleep 1000 & wait' &) ; done; {BUSY}"


def command(daemon: Daemon, script: str, **input: object) -> int:
    """Run a shell script as an agent."""
    return int(daemon.spawn("command", argv=["/bin/sh", "-c", script], **input)["pid"])


def rest(seconds: float) -> None:
    """Let time pass for something that must not happen in it."""
    threading.Event().wait(seconds)


def settled(daemon: Daemon, pid: int) -> bool:
    """Tell whether the three busy shells and their parent are all there is: those in between have ended."""
    tree = daemon.tree(pid)
    return len(tree) == 4 and sum(spent > 1 for spent in ticks(tree).values()) >= 3


def test_pause_freezes_every_process_of_the_tree_and_resume_thaws_them(daemon: Daemon) -> None:
    pid = command(daemon, TREE)
    until(lambda: settled(daemon, pid), 20, "the tree at work", lambda: daemon.tree(pid))
    tree = daemon.tree(pid)
    busy = [one for one in tree if stat(one)[0] == "R"]
    assert daemon.call("process.pause", pid=pid)["state"] == "paused"
    before = ticks(tree)
    rest(0.5)
    assert ticks(tree) == before, (busy, tree)
    assert daemon.call("process.resume", pid=pid)["state"] == "running"
    until(lambda: sum(ticks(tree)[one] > before[one] for one in tree) >= 3, 10, "work to go on")
    daemon.call("process.kill", pid=pid)
    assert daemon.tree(pid) == []


def test_a_pause_survives_a_restart_and_a_paused_process_can_be_killed(daemon: Daemon) -> None:
    pid = command(daemon, TREE)
    until(lambda: settled(daemon, pid), 20, "the tree at work")
    daemon.call("process.pause", pid=pid)
    daemon.restart()
    assert daemon.get(pid)["state"] == "paused"
    before = ticks(daemon.tree(pid))
    rest(0.3)
    assert ticks(daemon.tree(pid)) == before
    daemon.call("process.kill", pid=pid)
    assert daemon.tree(pid) == []
    assert daemon.get(pid)["state"] == "exited"


def test_kill_leaves_nothing_of_a_tree_that_forked_out_of_every_session(daemon: Daemon) -> None:
    pid = command(daemon, NINE)
    until(lambda: len(daemon.tree(pid)) == 17, 15, "the tree", lambda: len(daemon.tree(pid)))
    begun = time.monotonic()
    found = daemon.call("process.kill", pid=pid)
    assert time.monotonic() - begun < 2
    assert (found["state"], found["outcome"], found["ended_by"]) == ("exited", "killed", "user:owner")
    assert daemon.tree(pid) == []


def test_a_process_that_ends_leaves_none_of_its_children_behind(daemon: Daemon) -> None:
    pid = command(daemon, "(setsid sleep 1000 &); (setsid sleep 1000 &); sleep 0.2; exit 3")
    assert daemon.ended(pid)["exit_code"] == 3
    until(lambda: not daemon.tree(pid), 5, "the children to be gone", lambda: daemon.tree(pid))


def test_a_process_over_its_wall_time_is_ended_and_says_so(daemon: Daemon) -> None:
    pid = command(daemon, "exec sleep 1000", limits={"wall_s": 1})
    found = daemon.ended(pid)
    assert (found["state"], found["outcome"]) == ("exited", "killed")
    assert "limit of 1 s" in found["ended_by"]
    assert daemon.tree(pid) == []


def test_a_wall_time_counts_over_a_restart(daemon: Daemon) -> None:
    pid = command(daemon, "exec sleep 1000", limits={"wall_s": 2})
    daemon.restart()
    assert "limit of 2 s" in daemon.ended(pid)["ended_by"]


def test_a_kill_that_was_written_but_not_done_is_done_after_a_restart(daemon: Daemon) -> None:
    pid = command(daemon, "trap '' TERM; while :; do sleep 1; done")
    until(lambda: len(daemon.tree(pid)) == 2, 10, "it to run")
    daemon.call("process.signal", pid=pid, signal="TERM")
    assert daemon.get(pid)["state"] == "stopping"
    daemon.restart()
    assert daemon.ended(pid)["outcome"] == "killed"
    assert daemon.tree(pid) == []


# Queue and races -------------------------------------------------------------------------------------


@pytest.fixture
def narrow() -> Iterator[Daemon]:
    """A daemon that runs four at once."""
    with Daemon(settings="max_running = 4\n") as daemon:
        yield daemon


def running_at_most(events: list[Event]) -> int:
    """Return how many processes ran at once, by what was told."""
    most, live = 0, set()
    for event in events:
        if event["type"] == "process.state_changed":
            state = event["data"]["to"]
            (live.discard if state in ("exited", "lost", "queued") else live.add)(event["pid"])
            most = max(most, len(live))
    return most


def lawful(events: list[Event]) -> None:
    """Check every change of state against the table."""
    now: dict[int, str] = {}
    for event in events:
        if event["type"] == "process.state_changed":
            data, pid = event["data"], event["pid"]
            assert now.get(pid, "created") == data["from"], event
            assert State(data["to"]) in TRANSITIONS[State(data["from"])], event
            now[pid] = data["to"]


def test_a_hundred_spawns_at_once_all_run_and_never_more_than_may(narrow: Daemon) -> None:
    with ThreadPoolExecutor(50) as pool:
        spawned = list(pool.map(lambda n: narrow.spawn("command", argv=["/bin/true"], name=f"true-{n}"), range(100)))
    assert len({one["pid"] for one in spawned}) == 100
    for one in spawned:
        assert narrow.ended(one["pid"])["exit_code"] == 0
    events = narrow.events()
    lawful(events)
    assert running_at_most(events) <= 4
    assert len([event for event in events if event["type"] == "process.exited"]) == 100


def test_a_hundred_prompts_given_with_the_spawn_are_each_told(daemon: Daemon) -> None:
    def told(number: int) -> str:
        pid = daemon.demo(f"say prompt {number}", name=f"prompted-{number}")["pid"]
        text: str = daemon.wait(pid)["text"]
        daemon.call("process.kill", pid=pid)
        return text

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(told, range(100))) == [f"prompt {number}" for number in range(100)]


def test_the_queue_drains_by_priority_over_a_restart(narrow: Daemon) -> None:
    for _ in range(4):
        command(narrow, "read line")
    waiting = [command(narrow, "true", priority=priority) for priority in (0, 5, -5, 9, 5)]
    assert [narrow.get(pid)["state"] for pid in waiting] == ["queued"] * 5
    narrow.call("process.set_priority", pid=waiting[2], priority=10)
    narrow.restart()
    assert [narrow.get(pid)["state"] for pid in waiting] == ["queued"] * 5
    narrow.call("terminal.send", terminal="1", text="\r")
    for pid in waiting:
        narrow.ended(pid)
    begun = [e["pid"] for e in narrow.events(types="process.started") if e["pid"] in waiting]
    assert begun == [waiting[index] for index in (2, 3, 1, 4, 0)]
    lawful(narrow.events())


def test_a_queued_process_can_be_killed_before_it_starts(narrow: Daemon) -> None:
    for _ in range(4):
        command(narrow, "read line")
    pid = command(narrow, "true")
    assert narrow.call("process.kill", pid=pid)["state"] == "exited"
    assert not [e for e in narrow.events(pid=pid) if e["type"] == "process.started"]


def test_kills_at_every_moment_of_fifty_starts_leave_nothing_and_no_illegal_step(daemon: Daemon) -> None:
    first = daemon.events()[-1]["id"] if daemon.events() else 0
    pids: list[int] = []
    turn = itertools.cycle(["process.spawned", "process.state_changed", "process.started", "process.phase_changed"])
    wanted: dict[int, str] = {}

    def kill(event: Event) -> None:
        pid = event.get("pid")
        if event["id"] <= first or pid is None:
            return
        if event["type"] == "process.spawned":
            wanted[pid] = next(turn)
            pids.append(pid)
        if event["type"] == wanted.get(pid):
            del wanted[pid]
            pool.submit(_killed, daemon, pid)
            pool.submit(_killed, daemon, pid)

    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(8) as spawners, daemon.stream(watch=kill):
        done = [spawners.submit(_spawned, daemon, n) for n in range(50)]
        for one in done:
            one.result()
        until(lambda: len(pids) == 50, 30, "fifty spawns")
        for pid in pids:
            assert daemon.ended(pid)["outcome"] == "killed"
    events = [event for event in daemon.events() if event.get("pid") in pids]
    lawful(events)
    assert all(states([e for e in events if e["pid"] == pid])[-1] == "exited" for pid in pids)
    assert [pid for pid in pids if daemon.tree(pid)] == []


def _spawned(daemon: Daemon, number: int) -> None:
    try:
        if number % 2:
            daemon.demo("wait message", name=f"raced-{number}")
        else:
            daemon.spawn("command", argv=["/bin/sleep", "1000"], name=f"raced-{number}")
    except Refused as refused:
        if refused.status not in (409, 503):  # killed before it was launched
            raise


def _killed(daemon: Daemon, pid: int) -> None:
    try:
        daemon.call("process.kill", pid=pid)
    except Refused as refused:
        if refused.status != 409:  # somebody else was first
            raise


def test_one_agent_run_and_killed_fifty_times_at_once_has_one_winner_each_time(daemon: Daemon) -> None:
    agent = daemon.ended(command(daemon, "true", name="the contested"))["agent"]

    def churn(_: int) -> None:
        try:
            pid = daemon.spawn("command", argv=["/bin/sleep", "1000"], agent=agent)["pid"]
        except Refused as refused:
            if refused.status not in (409, 503):
                raise
        else:
            _killed(daemon, pid)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(churn, range(50)))
    events = daemon.events(agent=agent)
    lawful(events)
    processes = daemon.call("process.list", agent=agent, limit=100)["processes"]
    assert {one["state"] for one in processes} == {"exited"}
    assert [one["pid"] for one in processes if daemon.tree(one["pid"])] == []


# States ----------------------------------------------------------------------------------------------


def test_the_states_a_subscriber_sees_are_those_the_agent_went_through(daemon: Daemon) -> None:
    with daemon.stream() as stream:
        pid = daemon.demo("call aether_process_whoami {}", "wait message", "say done")["pid"]
        stream.wait(lambda e: e["type"] == "agent.tool_result" and e["pid"] == pid)
        daemon.call("process.interrupt", pid=pid)
        stream.wait(lambda e: e["type"] == "agent.turn_ended" and e["pid"] == pid)
        assert daemon.get(pid)["phase"] == "waiting_input"
        daemon.call("process.send", pid=pid, text="demo:\nsay again")
        stream.wait(lambda e: e["type"] == "agent.text" and e["data"]["text"] == "again" and e["pid"] == pid)
        daemon.wait(pid)
        daemon.call("process.kill", pid=pid)
        stream.wait(lambda e: e["type"] == "process.exited" and e["pid"] == pid)
        mine = stream.of(pid=pid)
    assert states(mine) == ["starting", "running", "stopping", "exited"]
    told = [phase for phase, _ in itertools.groupby(phases(mine))]
    assert told[:5] == ["booting", "thinking", "executing", "observing", "waiting_input"]
    assert told[-2:] == ["completed", "failed"]  # its goal was reached; then it was killed


def test_a_killed_an_exited_and_an_idle_process_are_told_apart(daemon: Daemon) -> None:
    idle = daemon.demo("say done")["pid"]
    daemon.wait(idle)
    left = daemon.ended(command(daemon, "exit 4"))
    died = command(daemon, "exec sleep 1000")
    os.kill(daemon.get(died)["os_pid"], signal.SIGSEGV)
    assert (daemon.get(idle)["state"], daemon.get(idle)["phase"]) == ("running", "completed")
    assert (left["state"], left["exit_code"], left["ended_by"]) == ("exited", 4, None)
    crashed = daemon.ended(died)
    assert (crashed["state"], crashed["exit_signal"], crashed["outcome"]) == ("exited", 11, "failed")


def test_a_command_that_does_not_exist_is_told_at_once(daemon: Daemon) -> None:
    begun = time.monotonic()
    with pytest.raises(Refused, match=r"no such file|not found") as refused:
        daemon.spawn("command", argv=["/no/such/program"])
    assert time.monotonic() - begun < 1
    assert refused.value.status == 503
    assert "/no/such/program" in refused.value.message
    found = daemon.get(refused.value.data["pid"])
    assert (found["state"], found["outcome"]) == ("exited", "failed")


def test_a_claude_that_is_not_there_is_told_at_once_and_says_what_to_do() -> None:
    with Daemon(env={"AETHER_CLAUDE_PATH": "/no/such/claude"}) as daemon:
        begun = time.monotonic()
        with pytest.raises(Refused, match="no executable claude at /no/such/claude"):
            daemon.spawn("claude-code", goal="x", env={"ANTHROPIC_API_KEY": "dummy"})
        assert time.monotonic() - begun < 1


# Secrets ---------------------------------------------------------------------------------------------


def test_planted_secrets_are_nowhere_but_in_their_vault(own: Daemon) -> None:
    canaries = ["canary-in-the-environment-51ab", "canary-in-a-second-one-77cd"]
    pid = own.demo("wait message", env={"MY_API_KEY": canaries[0], "OTHER": canaries[1]})["pid"]
    secret = next((own.home / "secrets" / "process").glob("*.json")).read_text()
    assert all(canary in secret for canary in canaries)
    hidden = [*canaries, own.token, json.loads(secret)["token"]]
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [secret for secret in hidden for words in arguments if secret.encode() in words]
    own.call("process.send", pid=pid, text="go")
    own.wait(pid)
    own.call("process.kill", pid=pid)
    told = [str(own.events()), str(own.call("audit.query", limit=100)), str(own.get(pid)), own.log.read_text()]
    assert not [secret for secret in hidden for text in told if secret in text]
    assert not list((own.home / "secrets" / "process").glob("*.json"))
    own.terminate()
    for path in own.home.rglob("*"):
        if path.is_file() and path.name != "owner.token":
            content = path.read_bytes()
            assert not [secret for secret in hidden if secret.encode() in content], path
