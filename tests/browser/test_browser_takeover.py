"""A person takes the keyboard of a real Claude Code in the browser, types, and hands it back."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

from playwright.sync_api import expect

from tests.browser.console_lab import Console
from tests.e2e.claude_lab import model, real, says
from tests.e2e.daemon_lab import until

READY = "manual mode on"  # what the TUI shows when it takes keys
Windows = Callable[..., AbstractContextManager[Console]]


@real
def test_a_person_takes_over_types_in_the_terminal_and_hands_back_with_a_note(console: Console) -> None:
    with model(says("Answer one."), says("Answer two."), says("Answer three.")) as api:
        pid = console.start_claude(api, "the goal of the agent", "pilot")
        console.says("Answer one.")
        console.condition(pid, "done")
        console.at("takeover").click()
        expect(console.at("control-banner")).to_contain_text("You have control")
        console.condition(pid, "controlled")
        console.typing()
        expect(console.screen).to_contain_text(READY)
        expect(console.screen).to_contain_text("Answer one.")
        console.type_line("words of a person")
        assert "words of a person" in api.wait_for_request(2).said
        expect(console.screen).to_contain_text("Answer two.")
        console.tab("timeline")
        expect(console.at("composer")).to_be_disabled()
        expect(console.at("send")).to_be_disabled()
        console.at("handback").click()
        console.at("handback-note").fill("I moved the files by hand")
        console.at("handback-confirm").click()
        told = api.wait_for_request(3)
        assert "I moved the files by hand" in told.said
        assert "words of a person" in told.text
        assert "the goal of the agent" in told.text
        console.says("handed back", "I moved the files by hand", "Answer three.")
        expect(console.at("control-banner")).to_have_count(0)
        expect(console.at("composer")).to_be_enabled()
        console.condition(pid, "done")
        for _ in range(2):  # as it happened, and after a reload
            story = re.compile(
                "Answer one.*took control.*words of a person.*Answer two.*handed back.*Answer three", re.S
            )
            expect(console.timeline).to_contain_text(story)
            console.page.reload()
        assert len(api.requests) == 3


@real
def test_whoever_watches_sees_who_has_control_and_cannot_type(console: Console, windows: Windows) -> None:
    with model(says("Ready.")) as api, windows() as other:
        pid = console.start_claude(api, "wait for me", "shared")
        console.says("Ready.")
        console.at("takeover").click()
        console.typing()
        expect(console.screen).to_contain_text(READY)
        other.login().open(pid, "terminal")
        expect(other.screen).to_contain_text(READY)
        expect(other.at("control-banner")).to_be_visible()  # the same person, so the same hands
        console.page.keyboard.type("seen by both")
        expect(other.screen).to_contain_text("seen by both")
        console.daemon.call("control.release", pid=pid)
        expect(other.at("control-banner")).to_have_count(0)
        expect(console.at("control-banner")).to_have_count(0)
        console.condition(pid, "done", "idle", "input", "working")


def test_a_program_takes_keys_only_from_who_holds_it(console: Console) -> None:
    pid = console.start_command("bash --norc")
    expect(console.terminal).to_have_attribute("data-state", "live")
    console.at("takeover").click()
    expect(console.at("control-banner")).to_be_visible()
    console.typing()
    console.type_line("echo typed-$((40+2))")
    expect(console.screen).to_contain_text("typed-42")
    console.at("handback").click()
    console.at("handback-confirm").click()
    expect(console.at("control-banner")).to_have_count(0)
    until(lambda: not console.daemon.call("control.status", pid=pid)["held"], 10, "it to be free")


@real
def test_a_hand_back_in_the_middle_of_a_turn_is_no_message_of_the_person(console: Console) -> None:
    with model({"reply": [{"text": ["I write a long ", {"hold": "never"}]}]}, says("I go on.")) as api:
        console.start_claude(api, "write a lot", "cut")
        until(lambda: api.requests and api.requests[0].first_byte_at, 30, "the text to begin")
        console.at("takeover").click()
        console.typing()
        expect(console.screen).to_contain_text(READY)
        console.at("handback").click()
        console.at("handback-confirm").click()
        assert "Your turn was interrupted" in api.wait_for_request(2).said
        console.tab("timeline")
        console.says("handed back", "the agent was told", "I go on.")
        expect(console.timeline).not_to_contain_text("A person took over your session")
