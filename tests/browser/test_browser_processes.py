"""The levers over a process, checked in /proc, and how its states look."""

from __future__ import annotations

import re
import signal

from playwright.sync_api import expect

from tests.browser.console_lab import Console
from tests.e2e.daemon_lab import ticks, until

BUSY = "bash --norc -c 'sh -c \"while :; do :; done\" & while :; do :; done'"


def test_pause_freezes_the_whole_tree_and_resume_thaws_it(console: Console) -> None:
    pid = console.start_command(BUSY, "spinner")
    until(lambda: len(console.daemon.tree(pid)) >= 2, 20, "both loops")
    console.condition(pid, "running", "working")
    console.at("pause").click()
    console.condition(pid, "paused")
    console.at("resume").wait_for()
    tree = console.daemon.tree(pid)
    before = ticks(tree)
    other = console.daemon.spawn("command", argv=["sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"])
    console.daemon.wait(other["pid"], "exit")  # the machine's time goes on meanwhile
    assert ticks(tree) == before
    console.at("resume").click()
    console.condition(pid, "running", "working")
    until(lambda: all(now > before[one] for one, now in ticks(tree).items()), 20, "both loops to go on")
    console.at("kill").click()
    console.at("kill-confirm").click()
    console.condition(pid, "killed")
    assert not console.daemon.tree(pid)


def test_stop_asks_first_and_leaves_nothing_of_the_tree(console: Console) -> None:
    pid = console.start_command("bash --norc -c 'setsid sleep 999 & sleep 998'", "sleeper")
    until(lambda: len(console.daemon.tree(pid)) >= 3, 20, "the tree")
    console.at("kill").click()
    console.page.get_by_role("button", name="Keep it running").click()
    assert console.daemon.get(pid)["state"] == "running"
    console.at("kill").click()
    console.at("kill-confirm").click()
    console.condition(pid, "killed")
    expect(console.page.locator("header").first).to_contain_text(re.compile("by owner"))
    assert not console.daemon.tree(pid)
    expect(console.at("again")).to_be_visible()
    expect(console.at("pause")).to_have_count(0)


def test_how_something_ended_is_told_apart_everywhere(console: Console) -> None:
    daemon = console.daemon
    script = {
        "exit-0": ("exit 0", "exited|done", "exit 0"),
        "exit-3": ("exit 3", "failed", "exit 3"),
        "signalled": ("kill -9 $$", "killed|failed", f"signal {int(signal.SIGKILL)}"),
    }
    pids = {
        name: daemon.spawn("command", argv=["sh", "-c", line], name=name)["pid"] for name, (line, *_) in script.items()
    }
    idle = daemon.demo("say all done", name="finished")["pid"]
    killed = daemon.spawn("command", argv=["sleep", "999"], name="stopped-by-me")["pid"]
    daemon.call("process.kill", pid=killed)
    for pid in (*pids.values(), killed):
        daemon.wait(pid, "exit")
    daemon.wait(idle)
    for name, (_, condition, words) in script.items():
        console.condition(pids[name], condition)
        expect(console.at(f"agent-row-{pids[name]}")).to_contain_text(words)
    expect(console.at(f"agent-row-{idle}")).to_contain_text("Done")
    expect(console.at(f"agent-row-{killed}")).to_contain_text(re.compile("Stopped.*by owner", re.S))
    for pid, words in [(pids["exit-3"], "exit 3"), (killed, "by owner"), (pids["signalled"], "signal 9")]:
        console.open(pid)
        expect(console.page.locator("header").first).to_contain_text(words)


def test_a_live_state_is_true_within_the_page(console: Console) -> None:
    pid = console.daemon.spawn("command", argv=["sleep", "999"], name="external")["pid"]
    row = console.at(f"agent-row-{pid}")
    for operation, condition in (("pause", "paused"), ("resume", "running|working"), ("kill", "killed")):
        console.daemon.call(f"process.{operation}", pid=pid)
        expect(row).to_have_attribute("data-condition", re.compile(condition), timeout=5_000)
