"""On a phone: look, answer, type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.console_lab import PHONE, Console, narrow, window
from tests.e2e.claude_lab import bash, model, real, says
from tests.e2e.daemon_lab import Daemon


@pytest.fixture
def phone(browser: Browser, daemon: Daemon, shots: Path) -> Iterator[Console]:
    """A signed-in window of a phone's size, with touch."""
    with window(browser, daemon, shots, viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=2) as found:
        yield found.login()


def test_every_page_fits_the_width_of_a_phone(phone: Console) -> None:
    demo = phone.daemon.demo("say hello from a phone", name="a-rather-long-name-of-an-agent-here", role="x" * 150)[
        "pid"
    ]
    phone.daemon.wait(demo)
    expect(phone.at(f"agent-row-{demo}")).to_be_visible()
    narrow(phone)
    daemon = phone.daemon
    daemon.call("memory.remember", content="w" * 200, tags=["a-tag-of-some-length"] * 3)
    skill = daemon.call("skill.create", name="wide", description="w" * 100, text="# Wide\n\nRun " + "w" * 200)["id"]
    flow = daemon.call("flow.run", flow={"steps": [{"name": "wide", "set": "w" * 200}]}, wait_s=10)["id"]
    paths = ("/inbox", "/messages", "/system", "/system/tokens", "/system/audit", "/tasks", "/worktrees", "/workspaces")
    for path in (*paths, "/memories", "/skills", f"/skills/{skill}", "/templates", "/flows", f"/flows/{flow}"):
        phone.page.goto(path)
        phone.page.locator("main h1").wait_for()
        narrow(phone)
    for tab in ("timeline", "terminal", "files", "details", "walls", "snapshots", "browser"):
        phone.open(demo, tab)
        narrow(phone)
    phone.open(demo)
    thumb = phone.timeline.get_by_role("button", name="not good").first
    expect(thumb.locator("xpath=../..")).to_have_css("opacity", "0")
    phone.timeline.locator('[data-kind="text"]').first.tap()
    expect(thumb.locator("xpath=../..")).to_have_css("opacity", "1")
    narrow(phone)
    phone.page.goto("/")
    phone.at("new-agent").tap()
    expect(phone.at("spawn-submit")).to_be_visible()
    narrow(phone)


@real
def test_a_question_is_answered_from_a_phone(phone: Console) -> None:
    with model(says(bash("echo from the phone > call.txt")), says("Thank you.")) as api:
        env = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "dummy-key-for-tests"}
        phone.daemon.spawn("claude-code", goal="call", env=env)
        expect(phone.at("inbox-badge")).to_have_text("1")
        phone.at("nav-inbox").tap()
        card = phone.page.locator('article[data-state="pending"]')
        expect(card).to_contain_text("echo from the phone")
        narrow(phone)
        card.get_by_test_id("approve-once").tap()
        expect(phone.page.locator("main")).to_contain_text("No questions")
        api.wait_for_request(2)


def test_a_terminal_is_used_from_a_phone(phone: Console) -> None:
    pid = phone.daemon.spawn("command", argv=["bash", "--norc", "--noprofile"])["pid"]
    phone.open(pid, "terminal")
    phone.at("takeover").tap()
    expect(phone.at("control-banner")).to_be_visible()
    phone.typing()
    narrow(phone)
    phone.type_line("echo tiny-$((50+1))")
    expect(phone.screen).to_contain_text("tiny-51")
    phone.page.keyboard.type("sleep 99\n")
    expect(phone.at("key-bar")).to_be_visible()
    phone.at("key-bar").get_by_label("control C").tap()
    expect(phone.screen).to_contain_text("^C")
    phone.at("key-bar").get_by_label("up", exact=True).tap()
    expect(phone.screen).to_contain_text("sleep 99")
    narrow(phone)
