"""The page of memories: found by words, corrected, merged after a look, forgotten after a question."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.console_lab import Console, narrow


def test_memories_are_made_found_changed_merged_and_forgotten(console: Console) -> None:
    daemon, page = console.daemon, console.page
    ann = daemon.call("agent.create", name="ann-who-remembers")
    daemon.demo("wait message", agent=ann["id"])
    own = daemon.call("memory.remember", content="my own note on the attic", agent=ann["id"], tags=["attic"])["id"]
    console.at("nav-knowledge").click()
    console.at("nav-memories").click()
    console.at("memory-content").fill("The cellar floods in April.")
    console.at("memory-new").click()
    row = page.get_by_role("listitem").filter(has_text="The cellar floods in April.")
    expect(row).to_contain_text("semantic")
    made = console.at(row.get_attribute("data-testid") or "")
    expect(made).to_contain_text("all agents")
    expect(console.at(f"memory-{own}")).to_contain_text("only ann-who-remembers")
    expect(console.at(f"memory-{own}")).to_contain_text("#attic")

    page.get_by_label("Search memories").fill("floods")
    expect(console.at(f"memory-{own}")).to_have_count(0)
    made.get_by_role("button").first.click()
    made.get_by_role("button", name="Edit").click()
    made.get_by_label("What it says").fill("The cellar floods in May.")
    made.get_by_label("Tags").fill("Cellar, water")
    made.get_by_role("button", name="Save").click()
    expect(made).to_contain_text("The cellar floods in May.")
    expect(made).to_contain_text("#cellar")
    (kept,) = daemon.call("memory.recall", query="floods", limit=1)["memories"]
    assert (kept["content"], kept["tags"]) == ("The cellar floods in May.", ["cellar", "water"])

    twin = daemon.call("memory.remember", content="the cellar floods in may")["id"]
    expect(console.at(f"memory-{twin}")).to_be_visible()
    page.get_by_role("button", name="Merge what says the same").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_test_id("consolidate")).to_contain_text("The cellar floods in May.")
    assert daemon.call("memory.get", id=twin)["sources"] == []
    dialog.get_by_test_id("confirm").click()
    expect(dialog).to_have_count(0)
    expect(made).to_have_count(0)
    assert daemon.call("memory.get", id=twin)["sources"] == [kept["id"]]

    last = console.at(f"memory-{twin}")
    last.get_by_role("button").first.click()
    expect(last).to_contain_text(re.compile("1 more merged into it"))
    last.get_by_role("button", name="Forget").click()
    page.get_by_role("button", name="Keep it").click()
    last.get_by_role("button", name="Forget").click()
    console.at("confirm").click()
    expect(last).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)
