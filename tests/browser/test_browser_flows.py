"""The page of flows: checked before it runs, watched step by step, answered where it waits, cancelled."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.console_lab import Console, narrow

FLOW = r"""
name: house
steps:
  - name: look
    agent: {runtime: builtin, goal: "demo:\nsay two holes"}
  - name: both
    parallel:
      branches:
        roof: [{name: tin, set: one sheet}]
        door: [{name: oil, set: a drop}]
  - name: allowed
    ask: Shall it be painted red?
  - name: paint
    set: "red over {{ steps.look.output }}"
outputs: "{{ steps.paint.output }}"
"""


def test_a_flow_is_checked_run_watched_answered_and_read(console: Console) -> None:
    page = console.page
    console.at("nav-work").click()
    console.at("nav-flows").click()
    console.at("flow-new").click()
    console.at("flow-text").fill(FLOW)
    console.at("flow-submit").click()
    expect(console.at("flow-plan")).to_contain_text(re.compile("At most .* 1 agent"))
    console.at("flow-submit").click()
    flow = console.at("flow")
    expect(flow).to_have_attribute("data-state", "waiting")
    look = console.at("step-look")
    expect(look).to_contain_text("two holes")
    expect(look.get_by_role("link", name=re.compile(r"pid \d+"))).to_be_visible()
    expect(console.at("step-both/roof/tin")).to_contain_text("roof / tin")
    asked = console.at("step-allowed")
    asked.get_by_role("link", name="waits for you").click()
    page.locator("article").get_by_role("link", name="flow house").click()
    asked.get_by_test_id("approve-once").click()
    expect(flow).to_have_attribute("data-state", "completed")
    expect(flow).to_contain_text("red over two holes")
    console.at("step-paint").get_by_role("button").click()
    page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)


def test_a_flow_that_runs_is_cancelled_after_a_question(console: Console) -> None:
    daemon, page = console.daemon, console.page
    endless = {"name": "endless", "steps": [{"name": "sit", "agent": {"runtime": "command", "argv": ["sleep", "999"]}}]}
    flow = daemon.call("flow.run", flow=endless)["id"]
    page.goto("/flows")
    row = console.at(f"flow-{flow}")
    expect(row).to_have_attribute("data-state", "running")
    row.get_by_role("link").click()
    sit = console.at("step-sit")
    expect(sit.get_by_role("link", name=re.compile("pid"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Let it go on").click()
    page.get_by_role("button", name="Cancel").click()
    console.at("confirm").click()
    expect(console.at("flow")).to_have_attribute("data-state", "cancelled")
    expect(sit).to_have_attribute("data-state", "cancelled")
