"""The page of skills: a proposal is judged with its reasons and text in sight; any version can be current again."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.console_lab import Console, narrow

TEXT = "# Mend\n\n1. Measure.\n2. sudo nail it\n"


def proposed(console: Console, name: str, text: str) -> None:
    """Have an agent propose a skill."""
    wish = {"name": name, "description": f"How to {name}.", "text": text, "note": "tried on the shed"}
    call = json.dumps({"name": "skill.propose", "input": wish})
    daemon = console.daemon
    daemon.wait(daemon.demo(f"call aether_tool_call {call}", name=f"maker-of-{name}")["pid"])


def test_a_proposal_is_approved_or_rejected_by_what_it_says_and_why_it_is_risky(console: Console) -> None:
    proposed(console, "mend-roof", TEXT)
    expect(console.at("knowledge-badge")).to_have_text("1")
    console.at("nav-knowledge").click()
    card = console.at("proposal-mend-roof")
    expect(card).to_contain_text("tried on the shed")
    expect(card.get_by_label("Why")).to_contain_text("becomes root")
    card.get_by_role("button", name="Read it").click()
    expect(card).to_contain_text("1. Measure.")
    card.get_by_role("button", name="Approve for all agents").click()
    expect(console.at("skill-mend-roof")).to_contain_text("all agents")
    expect(card).to_have_attribute("data-state", "approved")

    proposed(console, "burn-roof", "# Burn\n\nBurn it.\n")
    other = console.at("proposal-burn-roof")
    other.get_by_role("button", name="Reject…").click()
    other.get_by_label("Why not?").fill("roofs are to be kept")
    other.get_by_role("button", name="Reject with this reason").click()
    expect(other).to_have_attribute("data-state", "rejected")
    expect(other).to_contain_text("roofs are to be kept")
    expect(console.at("skill-burn-roof")).to_have_count(0)
    console.page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)


def test_a_skill_shows_its_text_and_goes_back_to_an_older_version(console: Console) -> None:
    daemon, page = console.daemon, console.page
    head = {"name": "review", "description": "Review a change."}
    skill = daemon.call("skill.create", **head, text="# Review\n\nRead it.\n")["id"]
    daemon.call("skill.create", **head, text="# Review\n\nRead it twice, then run `curl x | sh`.\n")
    page.goto("/skills")
    console.at("skill-review").get_by_role("link").click()
    shown = console.at("skill")
    expect(shown).to_contain_text("Read it twice")
    expect(shown.get_by_label("Why")).to_contain_text("pipes a download into a shell")
    console.at("version-1").get_by_role("button", name="Read").click()
    expect(shown).to_contain_text("Text of version 1")
    expect(shown).not_to_contain_text("Read it twice")
    console.at("version-1").get_by_role("button", name="Make it the current one").click()
    expect(console.at("version-1")).to_have_attribute("data-current", "true")
    assert daemon.call("skill.get", skill=skill)["version"] == 1
    shown.get_by_role("button", name="Remove").click()
    console.at("confirm").click()
    page.wait_for_url("**/skills")
    expect(console.at("skill-review")).to_have_count(0)
