"""A desktop in the browser: watched by who looks, touched by who has control."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.console_lab import Console

pytestmark = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("Xvnc", "openbox", "xterm")),
    reason="needs tigervnc-standalone-server, openbox and xterm (scripts/system-packages)",
)


def test_a_person_watches_takes_control_types_and_hands_back(console: Console) -> None:
    daemon = console.daemon
    wish = {"runtime": "command", "argv": ["cat"], "name": "painter", "sandbox": {"tier": "host"}}
    process = daemon.call("process.spawn", **wish)
    pid, typed = process["pid"], daemon.home / "agents" / process["agent"] / "home" / "typed"
    console.open(pid, "desktop")
    console.at("desktop-start").click()
    desktop = console.at("desktop")
    expect(desktop).to_have_attribute("data-state", "live")
    expect(desktop).to_have_attribute("data-writable", "false")
    window = ["xterm", "-maximized", "-e", "sh", "-c", "cat > typed"]
    daemon.call("desktop.exec", pid=pid, argv=window)
    daemon.call("desktop.wait_for", pid=pid, pixel={"x": 500, "y": 300, "colour": "#ffffff"})
    canvas = desktop.locator("canvas")
    console.expected.append("willReadFrequently")  # of our own looking
    white = "c => c.getContext('2d').getImageData(500, 300, 1, 1).data[0] === 255"
    until(console, lambda: canvas.evaluate(white))

    canvas.click()
    console.page.keyboard.type(";;;;")  # only watching: it goes nowhere
    console.at("desktop-take").click()
    expect(console.at("control-banner")).to_be_visible()
    expect(desktop).to_have_attribute("data-writable", "true")
    canvas.click()
    console.page.keyboard.type("from a person")
    console.page.keyboard.press("Enter")
    until(console, lambda: typed.read_text() == "from a person\n")
    refused = daemon.call("tool.call", name="desktop.info", input={"pid": pid})["result"]
    assert refused["holder"] == "user:owner"

    console.at("handback").click()
    console.at("handback-confirm").click()
    expect(desktop).to_have_attribute("data-writable", "false")
    daemon.call("desktop.type", pid=pid, text="and on\n")
    until(console, lambda: typed.read_text() == "from a person\nand on\n")
    console.page.goto("/")
    expect(console.at(f"thumb-{pid}")).to_be_visible()
    console.quiet()


def until(console: Console, met: Callable[[], bool]) -> None:
    """Wait until something is so; nothing tells of it, as a file is a program's."""
    end = time.monotonic() + 10
    while not met():
        assert time.monotonic() < end
        console.page.wait_for_timeout(20)
