"""The plan of an agent on its page: there when it has one, true while it works."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, expect

from tests.browser.console_lab import Console, narrow


def tool(name: str, **input: Any) -> str:
    """Return a directive: the agent itself calls an operation that is not on its menu."""
    return f"call aether_tool_call {json.dumps({'name': name, 'input': input})}"


def step(panel: Locator, number: str) -> Locator:
    return panel.locator(f'[data-step="{number}"]')


def test_a_plan_is_shown_as_the_agent_makes_it_and_moves_as_it_works(console: Console) -> None:
    steps = [
        {"title": "look around", "status": "active"},
        {"title": "mend", "steps": [{"title": "the roof"}, {"title": "the door"}]},
    ]
    pid = console.daemon.demo(
        "wait message",
        tool("plan.create", title="Mend the house", steps=steps),
        "wait message",
        tool(
            "plan.update",
            changes=[{"step": "1", "status": "done", "note": "two holes"}, {"step": "2.1", "status": "active"}],
            add=[{"title": "tell the owner"}],
        ),
        "wait message",
        name="mender",
    )["pid"]
    console.open(pid)
    panel = console.at("plan")
    console.condition(pid, "input", "working", "running")
    expect(panel).to_have_count(0)
    console.daemon.call("process.send", pid=pid, text="begin")
    expect(panel).to_contain_text("Mend the house")
    expect(panel).to_contain_text("1 look around")
    expect(console.at("plan-progress")).to_have_text("0 of 3")
    console.at("plan-toggle").click()
    expect(step(panel, "2.2")).to_have_attribute("data-status", "pending")
    console.daemon.call("process.send", pid=pid, text="go on")
    expect(step(panel, "1")).to_have_attribute("data-status", "done")
    expect(step(panel, "1")).to_contain_text("two holes")
    expect(step(panel, "2.1")).to_have_attribute("data-status", "active")
    expect(step(panel, "3")).to_contain_text("tell the owner")
    expect(console.at("plan-progress")).to_have_text("1 of 4")
    console.page.reload()
    expect(console.at("plan-progress")).to_have_text("1 of 4")
    console.page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)
