"""What a person meets now and then: somebody else's hands, a lease that runs out, a refused form, a conversation."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Route, expect

from tests.browser.console_lab import Console


def test_an_agent_in_the_hands_of_another_person_can_only_be_watched(console: Console) -> None:
    pid = console.daemon.demo("wait message", name="theirs")["pid"]
    lease = {
        "held": True,
        "holder": "user:ada",
        "step": "held",
        "reason": "logging in",
        "since": "2026-01-01T00:00:00Z",
    }

    def theirs(route: Route) -> None:
        found = route.fetch().json()
        change = lease if "control." in route.request.url else {"controller": "user:ada"}
        route.fulfill(body=json.dumps({**found, **change}), content_type="application/json")

    console.page.route(re.compile(r"/v1/(control\.status|process\.get)"), theirs)
    console.open(pid)
    banner = console.at("held-by-other")
    expect(banner).to_contain_text("ada has control")
    expect(banner).to_contain_text("logging in")
    expect(console.at("takeover")).to_be_disabled()
    expect(console.at("composer")).to_be_disabled()
    console.page.unroute_all(behavior="ignoreErrors")  # an answer may be under way


def test_a_lease_is_renewed_by_typing_and_offers_to_be_kept_when_it_runs_out(console: Console) -> None:
    console.page.clock.install()
    pid = console.start_command("bash --norc --noprofile")
    console.at("takeover").click()
    banner = console.at("control-banner")
    expect(banner).to_contain_text(re.compile(r"returns in (9|10)m"))
    console.typing()
    expires = console.daemon.call("control.status", pid=pid)["expires_at"]
    console.type_line("echo still here")
    with console.page.expect_response("**/v1/control.acquire"):
        console.page.clock.fast_forward(75_000)
    assert console.daemon.call("control.status", pid=pid)["expires_at"] > expires
    console.page.route(re.compile(r"/v1/control\.status"), lambda route: route.abort())
    console.expected.append("ERR_FAILED")
    console.page.clock.fast_forward(8 * 60_000)
    keep = banner.get_by_role("button", name="Keep control")
    with console.page.expect_response("**/v1/control.acquire") as answer:
        keep.click()
    assert answer.value.ok


def test_a_refused_form_says_why_and_keeps_what_was_written(console: Console) -> None:
    console.expected.append("409")
    console.daemon.demo("wait message", name="taken")
    console.at("new-agent").click()
    console.at("runtime-builtin").click()
    console.at("spawn-goal").fill("demo:\nsay hello")
    console.at("spawn-name").fill("taken")
    console.at("spawn-submit").click()
    expect(console.at("toast")).to_contain_text("taken")
    console.at("toast").get_by_label("Dismiss").click()  # it lies over the dialog
    expect(console.at("toast")).to_have_count(0)
    console.at("spawn-name").fill("free-name")
    console.at("spawn-submit").click()
    console.says("hello")


def test_a_message_to_the_owner_is_read_and_answered(console: Console) -> None:
    daemon = console.daemon
    ask = 'call aether_message_send {"to": "owner", "text": "May I **deploy**?"}'
    pid = daemon.demo(ask, "wait message", "say thanks for the answer", name="asker")["pid"]
    expect(console.at("messages-badge")).to_be_visible()
    console.at("nav-messages").click()
    console.page.get_by_role("button").filter(has_text="asker").click()
    expect(console.page.locator("article")).to_contain_text("May I deploy?")
    console.page.get_by_label("Answer").fill("Yes, after lunch")
    console.page.get_by_label("Answer").press("Enter")
    expect(console.page.locator("article").last).to_contain_text("Yes, after lunch")
    console.open(pid)
    console.says("Yes, after lunch", "thanks for the answer")
    expect(console.at("messages-badge")).to_have_count(0)


def test_a_notice_of_a_message_that_bounced_takes_no_answer(console: Console) -> None:
    daemon, page = console.daemon, console.page
    gone = daemon.call("agent.create", name="leaver")["id"]
    daemon.call("message.send", to=gone, text="are you there?")
    daemon.call("agent.remove", agent=gone)
    page.goto("/messages")
    page.get_by_role("button").filter(has_text="aetherd").filter(has_text="leaver").click()
    expect(page.locator("article").last).to_contain_text("cannot be delivered")
    expect(page.get_by_label("Answer")).to_have_count(0)


def test_a_message_is_written_to_all_agents_at_once(console: Console) -> None:
    daemon, page = console.daemon, console.page
    agents = [daemon.demo("wait message", name=name)["agent"] for name in ("first-ear", "second-ear")]
    page.goto("/messages")
    page.get_by_role("button", name="Write").click()
    page.get_by_label("Text").fill("lunch is at one")
    page.get_by_role("dialog").get_by_role("combobox").select_option(label="all your agents")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("article").first).to_contain_text("lunch is at one")
    for agent in agents:
        assert daemon.call("message.inbox", agent=agent, limit=1)["messages"][0]["text"] == "lunch is at one"


def test_the_palette_finds_an_agent_and_the_keyboard_is_enough(console: Console) -> None:
    pid = console.daemon.demo("wait message", name="needle")["pid"]
    expect(console.at(f"agent-row-{pid}")).to_be_visible()
    keyboard = console.page.keyboard
    keyboard.press("Control+k")
    console.page.get_by_placeholder("Find an agent").fill("needle")
    keyboard.press("Enter")
    assert console.pid == pid
    console.says("wait message")
    for key, tab in (("2", "terminal"), ("3", "files"), ("4", "details"), ("1", "timeline")):
        keyboard.press(key)
        expect(console.at(f"tab-{tab}")).to_have_attribute("aria-selected", "true")
    keyboard.press("c")
    expect(console.at("composer")).to_be_focused()
    keyboard.press("Escape")
    keyboard.press("g")
    keyboard.press("i")
    expect(console.page.locator("h1")).to_have_text("Inbox")


def test_a_permission_mode_that_does_not_ask_is_red(console: Console) -> None:
    pid = console.daemon.demo("wait message", name="mode")["pid"]
    shown = {"mode": "manual"}

    def reported(route: Route) -> None:
        body = {**route.fetch().json(), "permission_mode": shown["mode"]}
        route.fulfill(body=json.dumps(body), content_type="application/json")

    console.page.route("**/v1/process.get", reported)
    mode = console.page.locator("header dl > div", has_text="permissions")
    console.open(pid)
    expect(mode).to_contain_text("manual")
    expect(mode.locator(".text-fail")).to_have_count(0)
    shown["mode"] = "bypassPermissions"
    console.page.reload()
    expect(mode.locator(".text-fail")).to_contain_text("bypassPermissions")


def test_a_disk_that_is_full_is_told_on_every_page_until_there_is_room(console: Console) -> None:
    full = {"ok": False, "detail": "the disk is full: new events are refused; make room"}

    def no_room(route: Route) -> None:
        found = route.fetch().json()
        answer = {**found, "health": {**found["health"], "store": full}}
        route.fulfill(body=json.dumps(answer), content_type="application/json")

    console.page.clock.install()
    console.page.reload()
    console.live()
    expect(console.at("store-banner")).to_have_count(0)
    console.page.route("**/v1/system.status", no_room)
    console.page.clock.fast_forward(16_000)
    expect(console.at("store-banner")).to_contain_text("the disk is full")
    console.page.unroute_all(behavior="wait")
    console.page.clock.fast_forward(16_000)
    expect(console.at("store-banner")).to_have_count(0)
