"""What an agent has done, what it learnt, and what a person says of it, on its page."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.console_lab import Console, narrow

LEARNT = {"rating": 4, "lessons": ["Measure the ladder first."], "differently": "ask for the long one"}


def test_a_run_is_looked_back_at_and_judged_step_by_step(console: Console) -> None:
    daemon, page = console.daemon, console.page
    call = json.dumps({"name": "reflection.add", "input": LEARNT})
    process = daemon.demo("say the ladder is too short", f"call aether_tool_call {call}", name="climber")
    pid = process["pid"]
    daemon.wait(pid)
    console.open(pid)
    back = console.timeline.locator('[data-kind="reflection"]')
    expect(back).to_contain_text("4 of 5, by its own account")
    expect(back).to_contain_text("Measure the ladder first.")

    step = console.timeline.locator("[data-entry]").filter(has=page.locator('[data-kind="text"]'))
    thumb = step.first.get_by_role("button", name="not good")
    expect(thumb.locator("xpath=../..")).to_have_css("opacity", "0")
    step.first.hover()
    thumb.click()
    step.first.get_by_label("Why").fill("which ladder?")
    step.first.get_by_label("Why").press("Enter")
    expect(step.first).to_contain_text("you: which ladder?")
    (said,) = daemon.call("feedback.list", pid=pid)["feedback"]
    assert (said["verdict"], said["comment"]) == ("down", "which ladder?")
    assert said["step"] is not None

    console.tab("details")
    page.get_by_role("button", name="good, the run", exact=True).click()
    console.page.get_by_role("button", name="Leave it").click()
    main = page.locator("main")
    expect(main).to_contain_text("1 up, 1 down")
    console.at("profile-notes").fill("Give it the long ladder.")
    page.get_by_label("Good at").fill("Roofs, ladders")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    profile = daemon.call("profile.get", agent=process["agent"])
    assert profile["notes"] == "Give it the long ladder."
    assert {"roofs", "ladders"} == {each["topic"] for each in profile["expertise"] if each["source"] == "person"}
    page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)
