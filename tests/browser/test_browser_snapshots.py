"""An agent's snapshots at the console: taken, compared with now, gone back to."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.console_lab import PHONE, Console, narrow


def test_a_snapshot_is_taken_compared_and_gone_back_to(console: Console) -> None:
    daemon, page = console.daemon, console.page
    made = daemon.demo("wait message", name="keeper")
    pid, agent = made["pid"], made["agent"]
    daemon.call("fs.write", agent=agent, path="work/note.txt", content="good\n")
    console.open(pid, "snapshots")
    expect(page.get_by_text("No snapshot yet")).to_be_visible()
    console.at("snapshot-name").fill("all is well")
    console.at("snapshot-new").click()
    shot = console.at("snapshot-all is well")
    expect(shot).to_have_attribute("data-state", "ready")

    daemon.call("fs.write", agent=agent, path="work/note.txt", content="wrecked\n")
    daemon.call("fs.write", agent=agent, path="work/litter.txt", content="?\n")
    shot.get_by_role("button", name="What changed since").click()
    difference = shot.get_by_test_id("difference")
    expect(difference).to_contain_text("1 changed, 1 new")
    expect(difference).to_contain_text("wrecked")
    page.set_viewport_size(PHONE)
    narrow(console)
    page.set_viewport_size({"width": 1280, "height": 800})

    shot.get_by_role("button", name="Go back to it").click()
    expect(console.at("confirm")).to_be_disabled()
    console.at("stop-first").click()
    expect(console.at("still-runs")).to_have_count(0)
    expect(console.at("preview")).to_contain_text("work/litter.txt")
    console.at("confirm").click()
    page.wait_for_url(lambda url: re.search(r"/agents/(\d+)$", url) is not None and f"/agents/{pid}" not in url)
    assert daemon.get(console.pid)["agent"] == agent
    assert daemon.call("fs.read", agent=agent, path="work/note.txt")["text"] == "good\n"
    console.tab("snapshots")
    expect(page.locator('[data-kind="safety"]')).to_have_count(1)
