"""The page of templates: what binds a role is shown, and an agent is started from one."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.console_lab import Console, narrow


def test_a_template_is_read_copied_and_started_from(console: Console) -> None:
    daemon, page = console.daemon, console.page
    daemon.call(
        "template.create",
        name="sweeper",
        title="Sweeper",
        instructions="Sweep under the carpet too.",
        runtime="builtin",
        tools=["memory.recall", "memory.remember"],
        limits={"wall_s": 600},
    )
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(console.at("template-code-reviewer")).to_contain_text("tools")
    card = console.at("template-sweeper")
    expect(card).to_contain_text("only 2 tools")
    expect(card).to_contain_text("ends after 10m")
    card.get_by_role("button", name="What binds it").click()
    expect(card).to_contain_text("Sweep under the carpet too.")
    expect(card).to_contain_text("memory.recall")
    card.get_by_label("4 of 5 for sweeper").click()
    expect(card).to_contain_text("4.0 · 1")

    card.get_by_role("button", name="Copy").click()
    page.get_by_label("Name", exact=False).fill("my-sweeper")
    page.get_by_role("button", name="Make the copy").click()
    copy = console.at("template-my-sweeper")
    expect(copy).to_contain_text("from sweeper")

    copy.get_by_role("button", name="Start an agent").click()
    expect(page.get_by_role("dialog")).to_contain_text("New agent from my-sweeper")
    expect(console.at("runtime-builtin").get_by_role("radio")).to_be_checked()
    console.at("spawn-goal").fill("demo:\nsay swept")
    console.at("spawn-submit").click()
    process = daemon.get(console.pid)
    assert process["template"] == "my-sweeper"
    page.goto("/templates")
    page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)
    copy.get_by_role("button", name="Remove").click()
    console.at("confirm").click()
    expect(copy).to_have_count(0)
