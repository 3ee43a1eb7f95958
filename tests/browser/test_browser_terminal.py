"""A terminal in the browser: echo, colours, size, floods, reloads, viewers."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import expect

from tests.browser.console_lab import Console

Windows = Callable[..., AbstractContextManager[Console]]


@pytest.fixture
def shell(console: Console) -> Console:
    """A shell that the person has in hand."""
    console.start_command("bash --norc --noprofile")
    expect(console.terminal).to_have_attribute("data-state", "live")
    console.at("takeover").click()
    expect(console.at("control-banner")).to_be_visible()
    return console.typing()


def test_keys_are_echoed_and_colours_are_shown(shell: Console) -> None:
    shell.type_line(r"printf '\033[31mred\033[0m \033[1;32mgreen\033[0m ünïcödé ✓ 日本\n'")
    expect(shell.screen).to_contain_text("red green ünïcödé ✓")
    red = shell.screen.locator(".xterm-fg-1", has_text=re.compile("^red"))
    expect(red).to_be_visible()
    assert red.evaluate("e => getComputedStyle(e).color") == "rgb(255, 112, 102)"
    expect(shell.screen.locator(".xterm-bold", has_text="green")).to_be_visible()


def test_the_size_of_the_window_reaches_the_program(shell: Console) -> None:
    shell.type_line("trap 'echo now $(stty size)' WINCH; echo at $(stty size)")
    expect(shell.screen).to_contain_text(re.compile(r"at \d+ \d+"))
    shell.page.set_viewport_size({"width": 900, "height": 500})
    expect(shell.screen).to_contain_text(re.compile(r"now \d+ \d+"))
    shell.type_line("clear; echo size $(stty size | tr ' ' x) end")
    expect(shell.screen).to_contain_text(re.compile(r"size \d+x\d+ end"))
    found = re.search(r"size (\d+)x(\d+) end", shell.screen.inner_text())
    assert found
    assert int(found[1]) == shell.screen.locator("> div").count()
    assert 60 < int(found[2]) < 130


def test_a_flood_is_stopped_by_control_c(shell: Console) -> None:
    shell.type_line("yes 'a flood of lines that never ends'")
    expect(shell.screen.locator("> div", has_text="a flood of lines")).not_to_have_count(0)
    shell.page.keyboard.press("Control+c")
    expect(shell.screen).to_contain_text("^C")
    shell.type_line("echo calm-$((1+1))")
    expect(shell.screen).to_contain_text("calm-2")


def test_a_reload_replays_the_screen_and_typing_goes_on(shell: Console) -> None:
    shell.type_line("echo before-$((3+4)) the reload")
    expect(shell.screen).to_contain_text("before-7 the reload")
    shell.page.reload()
    shell.typing()
    expect(shell.screen).to_contain_text("before-7 the reload")
    shell.type_line("echo after-$((5+6))")
    expect(shell.screen).to_contain_text("after-11")


def test_two_windows_show_the_same_terminal(shell: Console, windows: Windows) -> None:
    shell.type_line("echo first-$((1+2))")
    with windows() as other:
        other.login().open(shell.pid, "terminal")
        expect(other.screen).to_contain_text("first-3")
        shell.type_line("echo second-$((2+3))")
        expect(other.screen).to_contain_text("second-5")


def test_a_shell_beside_the_agent_needs_no_takeover(console: Console) -> None:
    pid = console.daemon.demo("wait message", name="quiet")["pid"]
    console.open(pid, "terminal")
    console.page.get_by_role("button", name="Shell beside it", exact=True).click()
    console.typing()
    console.type_line("echo beside-$((6+6))")
    expect(console.screen).to_contain_text("beside-12")
    console.type_line("exit")
    expect(console.terminal).to_have_attribute("data-state", "ended")


def test_a_program_that_ended_leaves_its_screen(console: Console) -> None:
    console.start_command("sh -c 'echo the last words; exit 4'")
    expect(console.screen).to_contain_text("the last words")
    expect(console.page.locator("main")).to_contain_text("This terminal has ended: exit 4")
