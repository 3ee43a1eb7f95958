"""Coming in, and what the first page costs."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from playwright.sync_api import Response, expect

from tests.browser.console_lab import Console, link
from tests.e2e.daemon_lab import Daemon

BUDGET = 150 * 1024  # bytes on the wire
REQUESTS = 15


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """A daemon on which nothing has happened."""
    with Daemon() as daemon:
        yield daemon


def test_a_link_opens_the_console_once(console: Console, stranger: Console) -> None:
    assert "code=" not in console.page.url
    spent = link(console.daemon)
    console.page.goto(spent)
    console.live()
    stranger.page.goto(spent)
    expect(stranger.page.locator("body")).to_contain_text("aetherctl console")
    assert not stranger.context.cookies()
    stranger.expected.append("401")


def test_without_a_link_the_page_says_how_to_get_one(stranger: Console) -> None:
    stranger.expected.append("401")
    stranger.page.goto("/agents/7/terminal")
    expect(stranger.at("login")).to_contain_text("aetherctl console")
    expect(stranger.page.locator("input")).to_have_count(0)
    stranger.page.goto("/login")
    expect(stranger.page.locator("body")).to_contain_text("aetherctl console")


def test_the_session_is_out_of_reach_of_scripts(console: Console) -> None:
    (cookie,) = console.context.cookies()
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
    assert console.page.evaluate("document.cookie + JSON.stringify(sessionStorage)") == "{}"
    assert console.daemon.token not in console.page.content()


def test_signing_out_ends_the_session_everywhere(console: Console) -> None:
    other = console.context.new_page()
    other.goto("/")
    expect(other.get_by_test_id("new-agent")).to_be_visible()
    console.at("nav-system").click()
    console.page.get_by_role("button", name="Sign out").click()
    expect(console.at("login")).to_be_visible()
    console.expected.append("401")
    console.page.goto("/")
    expect(console.at("login")).to_be_visible()
    other.reload()
    expect(other.get_by_test_id("login")).to_be_visible()


def test_the_first_page_is_light_and_comes_compressed(stranger: Console) -> None:
    answers: list[Response] = []
    stranger.page.on("response", lambda answer: answers.append(answer))
    stranger.login()
    stranger.page.wait_for_load_state("networkidle")
    host = f"127.0.0.1:{stranger.daemon.port}"
    assert all(host in answer.url for answer in answers), "nothing comes from elsewhere"
    followed = [answer for answer in answers if answer.status < 300]
    files = [answer for answer in followed if "/v1/" not in answer.url]
    assert len(followed) < REQUESTS, [answer.url for answer in followed]
    sizes = {answer.url: len(gzip.compress(answer.body(), 9)) for answer in files}
    told = {answer.url: int(answer.header_value("content-length") or 0) for answer in files}
    assert sum(told.values()) <= BUDGET, told
    assert sum(sizes.values()) <= BUDGET, sizes
    for answer in files:
        if "/assets/" in answer.url:
            assert answer.header_value("content-encoding") == "gzip"
            assert "immutable" in (answer.header_value("cache-control") or "")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "No agents yet"),
        ("/inbox", "No questions"),
        ("/messages", "Nobody wrote"),
        ("/memories", "Nothing is remembered yet"),
        ("/skills", "No skills yet"),
        ("/flows", "No flow was run yet"),
        ("/worktrees", "No worktree yet"),
    ],
)
def test_a_page_with_nothing_on_it_says_what_will_be_there(console: Console, path: str, words: str) -> None:
    console.page.goto(path)
    console.live()
    expect(console.page.locator("main")).to_contain_text(words)
