"""The daemon dies with -9 under an open page, and comes back: nothing is lost, nothing is loaded again."""

from __future__ import annotations

import json
import re

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.console_lab import AWAY, Console
from tests.e2e.claude_lab import bash, model, real, says
from tests.e2e.daemon_lab import Daemon

MARK = "window.marked = 'this very page'"


def gap_free(console: Console, pid: int) -> None:
    """Assert that the page's timeline has exactly the events that the daemon has, each once and in order."""
    events = [one["id"] for one in console.daemon.call("process.timeline", pid=pid, limit=500)["events"]]
    expect(console.timeline).to_have_attribute("data-events", f"{len(events)}:{events[0]}-{events[-1]}")
    live = console.events
    assert live == sorted(set(live)), "no event twice, none out of order"
    assert set(live) >= {one["id"] for one in console.daemon.events() if one["id"] > live[0]}
    before = console.entries()
    console.page.reload()
    expect(console.timeline).to_have_attribute("data-events", f"{len(events)}:{events[0]}-{events[-1]}")
    assert console.entries() == before


def kill_and_wait_for_the_banner(console: Console) -> None:
    """Kill the daemon; the page must say so."""
    console.expected.append(AWAY.pattern)
    console.page.evaluate(MARK)
    console.daemon.kill()
    expect(console.at("conn-banner")).to_contain_text(re.compile("Reconnecting|The daemon is gone"))


def back(console: Console) -> None:
    """Start the daemon; the page must find it by itself."""
    console.daemon.start()
    console.live()
    expect(console.at("conn-banner")).to_have_count(0)
    assert console.page.evaluate("window.marked") == "this very page"


def test_the_page_catches_up_with_what_an_agent_did_meanwhile(console: Console) -> None:
    steps = [line for n in range(1, 16) for line in (f"say step {n}", "sleep 0.3")]
    pid = console.daemon.demo(*steps, "say over")["pid"]
    console.open(pid)
    console.says("step 2")
    kill_and_wait_for_the_banner(console)
    back(console)
    console.says("step 3", "step 10", "over")
    console.condition(pid, "done")
    console.daemon.wait(pid)
    gap_free(console, pid)


def test_a_timeline_that_could_not_be_loaded_is_there_once_the_daemon_is_back(console: Console) -> None:
    pid = console.daemon.demo("say hello there", "wait message")["pid"]
    console.daemon.wait(pid, timeout_s=1)
    console.expected.append("ERR_FAILED")
    console.page.route("**/v1/process.timeline", lambda route: route.abort(), times=1)
    console.page.goto(f"/agents/{pid}")
    expect(console.page.get_by_text("The timeline could not be loaded")).to_be_visible()
    kill_and_wait_for_the_banner(console)
    back(console)
    console.says("hello there")
    expect(console.page.get_by_text("The timeline could not be loaded")).to_have_count(0)


def test_a_terminal_is_attached_again_with_its_screen(console: Console) -> None:
    console.start_command("bash --norc --noprofile")
    console.at("takeover").click()
    expect(console.at("control-banner")).to_be_visible()
    console.typing()
    console.type_line("echo before-$((20+1)); (sleep 2; echo in-between-$((30+1))) &")
    expect(console.screen).to_contain_text("before-21")
    kill_and_wait_for_the_banner(console)
    back(console)
    console.typing()
    expect(console.screen).to_contain_text("before-21")
    expect(console.screen).to_contain_text("in-between-31")
    console.type_line("echo after-$((40+1))")
    expect(console.screen).to_contain_text("after-41")


@real
def test_a_question_asked_before_the_kill_is_answered_after_it(console: Console) -> None:
    with model(says("I ask first.", bash("echo survived > proof")), says("It went through.")) as api:
        pid = console.start_claude(api, "ask", "patient")
        expect(console.question).to_contain_text("echo survived")
        kill_and_wait_for_the_banner(console)
        back(console)
        expect(console.question).to_have_count(1)
        console.question.get_by_test_id("approve-once").click()
        console.says("It went through.")
        console.condition(pid, "done")
        gap_free(console, pid)


def test_a_page_that_missed_too_much_reads_everything_again(console: Console, daemon: Daemon) -> None:
    def lose(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def from_server(message: str | bytes) -> None:
            events = json.loads(message)
            if events["type"] == "events":  # as if they were older than what is kept
                socket.send(json.dumps({"type": "resync", "since": events["events"][-1]["id"], "lost": True}))
            else:
                socket.send(message)

        server.on_message(from_server)

    console.page.route_web_socket(re.compile("/v1/ws$"), lose)
    pid = daemon.demo("say first", "wait message", "say second")["pid"]
    console.open(pid)
    console.says("first")
    daemon.call("process.send", pid=pid, text="go")
    console.says("second")
    console.condition(pid, "done")
    console.at("nav-agents").click()
    late = daemon.demo("say I came late", name="latecomer")["pid"]
    expect(console.at(f"agent-row-{late}")).to_contain_text("latecomer")
