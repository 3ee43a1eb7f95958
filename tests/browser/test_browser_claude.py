"""The main story: a real Claude Code, started, watched and answered in the browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.console_lab import KEY, Console
from tests.e2e.claude_lab import bash, model, real, says
from tests.e2e.daemon_lab import until

PLAN = {"thinking": "The file tells what to do, so I look at it first."}


def home(console: Console, pid: int, name: str) -> str:
    """Return a file of the agent's working directory."""
    agent = console.daemon.get(pid)["agent"]
    return (console.daemon.home / "agents" / agent / "home" / "work" / name).read_text()


@real
def test_an_agent_started_in_the_dialog_is_seen_thinking_and_working(console: Console) -> None:
    with model(says(PLAN, "Let me look around.", bash("ls -a")), says("Nothing of that kind **here**.")) as api:
        pid = console.start_claude(api, "count the toml files", "counter", NOTE_TO_SELF="a secret value")
        console.says("count the toml files", "The file tells", "Let me look around.", "Nothing of that kind here.")
        expect(console.timeline.locator('[data-kind="thought"]')).to_contain_text("so I look at it first")
        call = console.tool("Bash")
        expect(call).to_contain_text("ls -a")
        call.get_by_role("button").first.click()
        expect(call).to_contain_text(re.compile(r"\.\s+\.\."))
        console.condition(pid, "done")
        expect(console.page.locator("h1")).to_have_text("counter")
        for secret in (KEY, "a secret value"):
            assert secret not in console.page.content()
        console.at("nav-agents").click()
        row = console.at(f"agent-row-{pid}")
        expect(row).to_contain_text("counter")
        expect(row).to_have_attribute("data-condition", "done")


@real
def test_a_question_is_denied_with_a_reason_that_the_model_reads(console: Console) -> None:
    with model(says(bash("touch forbidden.txt")), says(bash("echo good > wanted.txt")), says("Finished.")) as api:
        pid = console.start_claude(api, "make a file", "maker")
        expect(console.question).to_contain_text("touch forbidden.txt")
        console.condition(pid, "approval")
        expect(console.at("inbox-badge")).to_have_text("1")
        console.question.get_by_test_id("deny").click()
        console.at("deny-reason").fill("Name it wanted.txt, please.")
        console.at("deny-confirm").click()
        assert "Name it wanted.txt, please." in str(api.wait_for_request(2).tool_results)
        expect(console.question).to_contain_text("echo good > wanted.txt")
        console.question.get_by_test_id("approve-once").click()
        console.says("Finished.")
        assert home(console, pid, "wanted.txt") == "good\n"
        verdicts = console.at("verdict")
        for _ in range(2):  # as it happened, and after a reload
            expect(verdicts).to_have_count(2)
            expect(verdicts.first).to_contain_text(
                re.compile(r"Denied.*by owner.*at \d\d:.*Name it wanted.txt, please")
            )
            expect(verdicts.last).to_contain_text(re.compile(r"Allowed.*once.*by owner.*at \d\d:"))
            console.page.reload()
        with pytest.raises(FileNotFoundError):
            home(console, pid, "forbidden.txt")


@real
def test_leave_for_the_run_and_for_a_pattern_is_not_asked_for_again(console: Console) -> None:
    first = [says(bash("touch a1")), says(bash("touch a2")), says("Pattern done.")]
    with model(*first, says(bash("echo b > b1")), says(bash("rm b1")), says("Run done.")) as api:
        pid = console.start_claude(api, "touch things", "toucher")
        expect(console.question).to_contain_text("touch a1")
        console.question.get_by_test_id("approve-pattern").click()
        console.page.get_by_role("button", name="Bash(touch *)").click()
        console.page.get_by_role("radio", name="1 hour").click()
        console.at("pattern-confirm").click()
        console.says("Pattern done.")
        home(console, pid, "a2")
        expect(console.at("verdict")).to_have_count(2)
        expect(console.at("verdict").last).to_contain_text(re.compile(r"Allowed.*rule.*Bash\(touch \*\)"))
        console.at("composer").fill("go on")
        console.at("send").click()
        expect(console.question).to_contain_text("echo b > b1")
        console.at("composer").press("Escape")
        console.page.keyboard.press("r")
        console.says("Run done.")
        with pytest.raises(FileNotFoundError):
            home(console, pid, "b1")
        console.page.reload()
        expect(console.at("verdict")).to_have_count(3)  # Claude was told, and asks no more
        expect(console.at("verdict").last).to_contain_text(re.compile("Allowed.*for this run.*by owner"))
        console.at("nav-inbox").click()
        expect(console.page.locator("main")).to_contain_text("No questions")
        expect(console.page.locator('[data-testid^="approval-"][data-state="allowed"]').first).to_be_visible()


@real
def test_words_typed_in_the_composer_reach_the_turn_that_runs(console: Console) -> None:
    slow = {"reply": [{"text": ["I begin ", {"hold": "now"}]}]}
    with model(says(bash("true > x")), says("Read it."), slow, says("Changed course.")) as api:
        pid = console.start_claude(api, "work", "listener")
        expect(console.question).to_be_visible()
        console.at("composer").fill("by the way, use tabs")
        console.at("composer").press("Enter")
        console.says("by the way, use tabs")
        console.question.get_by_test_id("approve-once").click()
        assert "by the way, use tabs" in api.wait_for_request(2).text
        console.says("Read it.")
        console.at("composer").fill("start the long one")
        console.at("send").click()
        expect(console.at("live-text")).to_contain_text("I begin")
        console.page.get_by_role("radio", name="Now").click()
        console.at("composer").fill("stop, do the other thing")
        console.at("send").click()
        assert "stop, do the other thing" in api.wait_for_request(4).said
        console.says("Changed course.")
        console.condition(pid, "done")
        expect(console.at("composer")).to_have_value("")


def test_what_is_typed_while_words_are_being_sent_is_kept_and_the_focus_with_it(console: Console) -> None:
    pid = console.daemon.demo("wait message", "wait message", name="typist")["pid"]
    console.open(pid)
    held: list[Route] = []
    console.page.route("**/v1/process.send", lambda route: held.append(route))
    composer = console.at("composer")
    with console.page.expect_request("**/v1/process.send"):
        composer.press_sequentially("first words\n")
    composer.press_sequentially("second")
    composer.press("Escape")
    with console.page.expect_response("**/v1/process.send"):
        held.pop().continue_()
    expect(console.at("send")).to_have_text("Send")
    expect(composer).not_to_be_focused()
    expect(composer).to_have_value("second")
    console.expected.append("ERR_FAILED")
    with console.page.expect_request("**/v1/process.send"):
        composer.press_sequentially(" words\n")
    composer.press_sequentially("third")
    held.pop().abort()
    expect(composer).to_have_value("second words\n\nthird")


@real
def test_interrupt_cuts_the_turn_and_the_agent_lives(console: Console) -> None:
    with model({"reply": [{"text": ["On and on ", {"hold": "never"}]}]}, says("Here again.")) as api:
        pid = console.start_claude(api, "talk", "talker")
        expect(console.at("live-text")).to_contain_text("On and on")
        console.condition(pid, "working")
        console.at("interrupt").click()
        console.says("interrupted")
        console.condition(pid, "input", "idle", "done")
        expect(console.at("live-text")).to_have_count(0)
        console.at("composer").fill("still there?")
        console.at("send").click()
        console.says("Here again.")
        until(lambda: console.daemon.get(pid)["phase"] == "completed", 20, "the end of the turn")
