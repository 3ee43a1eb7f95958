"""What an agent may not do by itself waits for a person, runs once, and survives the death of the daemon."""

from __future__ import annotations

import json
import sqlite3

from tests.e2e.daemon_lab import Daemon, until

SPAWN = 'call aether_process_spawn {"runtime": "command", "argv": ["/bin/sleep", "1000"], "name": "%s"}'


def killer(daemon: Daemon, name: str, *after: str) -> tuple[int, int]:
    """Start an agent that spawns a child and, when told, kills it; returns both pids."""
    spawned = daemon.demo(SPAWN % name, "wait message", *after, name=f"the killer of {name}", toolset="lead")
    until(lambda: daemon.call("process.list", agent=name)["processes"], 30, "the child")
    child = daemon.call("process.list", agent=name)["processes"][0]["pid"]
    return spawned["pid"], child


def kill_of(daemon: Daemon, name: str) -> tuple[int, int]:
    """Have an agent ask for leave to kill its child; returns both pids."""
    child = max([0, *(one["pid"] for one in daemon.call("process.list", limit=1)["processes"])]) + 2
    pid, found = killer(daemon, name, f'call aether_process_kill {{"pid": {child}}}', "say done")
    assert found == child
    until(lambda: daemon.get(child)["os_pid"], 10, "the child to run")
    daemon.call("process.send", pid=pid, text="kill it")
    return pid, child


def exits(daemon: Daemon, pid: int) -> int:
    """Count how often a process ended."""
    return len([event for event in daemon.events(pid=pid) if event["type"] == "process.exited"])


def kills(daemon: Daemon, approval: str) -> list[str]:
    """Return how the calls to kill ended that an approval allowed, by the audit."""
    records = daemon.call("audit.query", operation="process.kill", limit=100)["records"]
    return [one["outcome"] for one in records if one["approval"] == approval and one["outcome"] == "ok"]


def test_a_kill_by_an_agent_waits_for_a_person_and_runs_once(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the allowed")
    asked = daemon.approval(pid)
    assert (asked["kind"], asked["tool"], asked["input"]) == ("operation", "process.kill", {"pid": child})
    assert daemon.get(child)["state"] == "running"
    assert "pending_approval" in daemon.wait(pid)["error"]
    daemon.call("approval.decide", id=asked["id"], decision="allow_once")
    done = daemon.call("approval.wait", id=asked["id"])
    assert done["result"]["state"] == "exited"
    assert exits(daemon, child) == 1
    assert daemon.tree(child) == []
    assert daemon.get(child)["ended_by"] == f"agent:{asked['agent']}"
    assert kills(daemon, asked["id"]) == ["ok"]


def test_a_refused_kill_is_not_done_and_the_agent_is_told_why(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the spared")
    daemon.call("approval.decide", id=daemon.approval(pid)["id"], decision="deny", reason="let it live")
    assert daemon.wait(pid)["outcome"] == "failed"
    results = [event["data"]["text"] for event in daemon.events(pid=pid) if event["type"] == "agent.tool_result"]
    assert "let it live" in results[-1]
    assert daemon.get(child)["state"] == "running"
    daemon.call("process.kill", pid=child)


def test_a_kill_that_waits_over_the_death_of_the_daemon_runs_once_when_allowed(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the waiting")
    asked = daemon.approval(pid)
    daemon.restart()
    assert daemon.approval(pid)["id"] == asked["id"]
    daemon.call("approval.decide", id=asked["id"], decision="allow_once")
    assert daemon.call("approval.wait", id=asked["id"])["result"]["state"] == "exited"
    assert exits(daemon, child) == 1


def test_a_kill_allowed_and_not_begun_before_the_death_of_the_daemon_runs_once_after_it(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the allowed late")
    asked = daemon.approval(pid)
    daemon.kill()
    with sqlite3.connect(daemon.home / "aether.db") as database:  # the moment between the decision and the run
        database.execute(
            "UPDATE approval SET state = 'allowed', decision = 'allow_once', decided_by = 'user:owner' WHERE id = ?",
            (asked["id"],),
        )
    database.close()
    daemon.start()
    assert daemon.call("approval.wait", id=asked["id"])["result"]["state"] == "exited"
    assert exits(daemon, child) == 1
    assert daemon.tree(child) == []


def test_a_kill_begun_before_the_death_of_the_daemon_is_not_begun_again(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the begun")
    asked = daemon.approval(pid)
    daemon.kill()
    with sqlite3.connect(daemon.home / "aether.db") as database:  # the moment between the run and its result
        database.execute("UPDATE approval SET state = 'allowed', began = 1 WHERE id = ?", (asked["id"],))
    database.close()
    daemon.start()
    found = daemon.call("approval.wait", id=asked["id"], timeout_s=10)
    assert "look whether it took effect" in found["result"]["error"]["message"]
    assert daemon.get(child)["state"] == "running"
    daemon.call("process.kill", pid=child)


def test_leave_for_the_run_covers_the_next_kill_and_no_other_agent(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the first of two")
    daemon.call("approval.decide", id=daemon.approval(pid)["id"], decision="allow_run")
    daemon.wait(pid)
    until(lambda: daemon.get(child)["state"] == "exited", 10, "the first to end")
    script = "\n".join(("demo:", SPAWN % "the second of two", "wait message", "say done"))
    daemon.call("process.send", pid=pid, text=script)
    until(lambda: daemon.call("process.list", agent="the second of two")["processes"], 30, "the second child")
    second = daemon.call("process.list", agent="the second of two")["processes"][0]["pid"]
    daemon.call("process.send", pid=pid, text="go on")
    daemon.wait(pid)
    daemon.call("process.send", pid=pid, text=f'demo:\ncall aether_process_kill {{"pid": {second}}}\nsay done')
    until(lambda: daemon.get(second)["state"] == "exited", 20, "the second to end")
    other, spared = kill_of(daemon, "the third")
    assert daemon.approval(other)["tool"] == "process.kill"
    daemon.call("process.kill", pid=spared)


def test_who_decided_what_and_when_is_there_after_a_restart_and_in_the_audit(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the recorded")
    asked = daemon.approval(pid)
    daemon.call("approval.decide", id=asked["id"], decision="deny", reason="no")
    daemon.restart()
    found = daemon.call("approval.get", id=asked["id"])
    assert (found["state"], found["decided_by"], found["reason"]) == ("denied", "user:owner", "no")
    assert found["decided_at"]
    records = daemon.call("audit.query", operation="approval.decide", limit=20)["records"]
    assert [one["outcome"] for one in records if asked["id"] in json.dumps(one)] == ["ok"]
    daemon.call("process.kill", pid=child)


def test_the_end_of_the_asking_process_closes_its_question(daemon: Daemon) -> None:
    pid, child = kill_of(daemon, "the orphaned question")
    asked = daemon.approval(pid)
    daemon.call("process.kill", pid=pid)
    assert daemon.call("approval.get", id=asked["id"])["state"] == "closed"
    assert daemon.get(child)["state"] == "running"
    daemon.call("process.kill", pid=child)
