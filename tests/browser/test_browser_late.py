"""Answers that arrive late do not take back what was told meanwhile."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.console_lab import Console
from tests.e2e.daemon_lab import until

ROW = "**/v1/process.get*"


@pytest.mark.skipif(not all(map(shutil.which, ("Xvnc", "openbox"))), reason="needs a desktop (scripts/system-packages)")
def test_an_answer_older_than_the_hand_over_does_not_take_the_desktop_from_the_person(console: Console) -> None:
    daemon, page, late = console.daemon, console.page, list[tuple[Route, Any]]()
    pid = daemon.call("process.spawn", runtime="command", argv=["cat"], sandbox={"tier": "host"})["pid"]
    daemon.call("desktop.start", pid=pid)
    desktop = console.open(pid, "desktop").at("desktop")
    expect(desktop).to_have_attribute("data-state", "live")
    page.route(ROW, lambda route: route.continue_() if late else late.append((route, route.fetch())))
    daemon.call("process.pause", pid=pid)
    daemon.call("process.resume", pid=pid)
    until(lambda: page.evaluate("1") and late, 20, "the page to ask")
    with page.expect_response(ROW):
        console.at("desktop-take").click()
    expect(desktop).to_have_attribute("data-writable", "true")
    route, answer = late[0]
    with page.expect_response(ROW):
        route.fulfill(response=answer)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(desktop).to_have_attribute("data-writable", "true")
