"""The page of workspaces: who has one, what is reserved, and a write past that."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.console_lab import Console


def test_a_workspace_shows_who_has_it_what_is_reserved_and_who_wrote_past_that(console: Console) -> None:
    daemon, page = console.daemon, console.page
    reserve = 'call aether_workspace_reserve {"workspace": "site", "path": "index.html", "reason": "mine"}'
    ann = daemon.demo("wait message", reserve, "wait message", name="ann")
    bob = daemon.call("agent.create", name="bob")
    console.at("nav-work").click()
    console.at("nav-workspaces").click()
    expect(page.get_by_text("No workspace yet")).to_be_visible()
    console.at("workspace-name").fill("site")
    console.at("workspace-new").click()
    space = console.at("workspace-site")
    expect(space).to_contain_text("site")
    space.get_by_label("Give site to").select_option(label="ann")
    expect(space.get_by_label("Who has it")).to_contain_text("ann")

    made = daemon.call("workspace.get", workspace="site")
    daemon.call("workspace.mount", workspace="site", agent=bob["id"])
    daemon.call("workspace.reserve", workspace="site", path="index.html", reason="a new header")
    held = space.get_by_label("Reservations")
    expect(held).to_contain_text("a new header")
    held.get_by_role("button", name="Release").click()
    expect(held).to_have_count(0)

    daemon.call("process.send", pid=ann["pid"], text="go on")
    expect(held).to_contain_text("by ann")
    script = f"echo past > {made['path']}/index.html"
    daemon.wait(daemon.spawn("command", argv=["sh", "-c", script], agent=bob["id"])["pid"], "exit")
    expect(space.get_by_label("Conflicts")).to_contain_text("index.html")
    expect(space.get_by_label("Conflicts")).to_contain_text("by bob")
    expect(console.at("toast").first).to_contain_text("bob wrote past ann's reservation")
