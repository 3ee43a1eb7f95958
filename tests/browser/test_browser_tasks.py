"""The page of tasks: what is to be done, who has it, what was given up."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.console_lab import Console, narrow


def test_tasks_are_made_given_and_watched(console: Console) -> None:
    daemon, page = console.daemon, console.page
    agent = daemon.demo("wait message", name="sweeper")["agent"]
    console.at("nav-work").click()
    console.at("nav-tasks").click()
    console.at("task-title").fill("sweep the cellar")
    console.at("task-new").click()
    row = page.locator('[data-testid^="task-task_"]').filter(has_text="sweep the cellar")
    expect(row).to_have_attribute("data-state", "queued")
    row.get_by_role("button").first.click()
    row.get_by_label("Give sweep the cellar").select_option(agent)
    expect(row).to_contain_text("for sweeper")
    task = daemon.call("task.list")["tasks"][0]
    assert task["to"] == agent

    other = daemon.call("task.create", title="mend the roof", max_attempts=1)["id"]
    claimed = console.at(f"task-{other}")
    daemon.call("task.claim", id=other)
    expect(claimed).to_have_attribute("data-state", "claimed")
    daemon.call("task.fail", id=other, reason="no ladder")
    expect(claimed).to_have_count(0)
    page.get_by_role("radio", name="Given up").click()
    claimed.get_by_role("button").first.click()
    expect(claimed).to_contain_text("no ladder")
    claimed.get_by_role("button", name="Cancel the task").click()
    expect(claimed).to_have_count(0)
    page.get_by_role("radio", name="Done").click()
    expect(claimed).to_have_attribute("data-state", "cancelled")
    page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)
