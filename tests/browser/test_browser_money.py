"""Money at the console: a key goes in and never out, a run is stopped at its budget, a limit is waited for."""

from __future__ import annotations

import time

from playwright.sync_api import expect

from tests.browser.console_lab import PHONE, Console, narrow
from tests.e2e.claude_lab import model, real, says

CANARY = "sk-ant-canary-of-the-console"
COSTS = {"input_tokens": 0, "output_tokens": 10_000}  # 0.15 USD of claude-sonnet-4-5
SIGNED_IN = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "dummy-token-for-tests"}


@real
def test_a_key_goes_in_and_never_out_and_a_run_is_stopped_at_its_budget(console: Console) -> None:
    daemon, page = console.daemon, console.page
    with model(key=CANARY, steps=[says("First.", usage=COSTS), says("Second.", usage=COSTS, hold="second")]) as api:
        page.goto("/models")
        provider = console.at("provider-anthropic")
        expect(provider).to_have_attribute("data-key", "none")
        provider.get_by_role("button", name="Set up").click()
        console.at("provider-key").fill(CANARY)
        console.at("provider-url").fill(api.url)
        console.at("provider-save").click()
        expect(provider).to_have_attribute("data-ready", "true")
        expect(provider).to_contain_text("key kept here")
        page.reload()
        provider.get_by_role("button", name="Change").click()
        assert console.at("provider-key").input_value() == ""
        assert CANARY not in page.content()

        page.goto("/")
        console.at("new-agent").click()
        console.at("runtime-claude-code").click()
        console.at("spawn-goal").fill("spend")
        console.at("spawn-more-model").click()
        console.at("spawn-model").fill("claude-sonnet-4-5")
        console.at("spawn-budget").fill("1.5")
        console.at("spawn-submit").click()
        pid = console.pid
        console.says("First.")
        expect(console.at(f"cost-{pid}")).to_have_text("$0.15 of $1.50")
        console.at("composer").fill("more")
        page.keyboard.press("Enter")
        api.wait_for_request(2)
        console.tab("walls")
        run = console.at("money-run")
        expect(run).to_contain_text("set aside")
        api.release("second")
        expect(run).to_contain_text("$0.30 of $1.50")
        expect(run).not_to_contain_text("set aside")
        console.at("budget").fill("0.4")
        console.at("budget-save").click()
        expect(run).to_contain_text("$0.30 of $0.40")
        page.set_viewport_size(PHONE)
        narrow(console)
        page.set_viewport_size({"width": 1280, "height": 800})
        daemon.call("process.send", pid=pid, text="and more")
        console.condition(pid, "failed")
        page.reload()  # the process itself has no word for why
        expect(page.locator("header")).to_contain_text("the budget of 0.40 USD")
        assert len(api.requests) == 2, "the call that could go past it was not made"

        page.goto("/models")
        expect(console.at("used")).to_contain_text("claude-sonnet-4-5")
        expect(console.at("together-day")).to_contain_text("$0.30")
        provider.get_by_role("button", name="Change").click()
        console.at("provider-forget").click()
        expect(provider).to_have_attribute("data-key", "none")


@real
def test_a_limit_is_counted_down_and_a_person_can_try_again_at_once(console: Console) -> None:
    daemon = console.daemon
    about = {"status": "rejected", "reset": str(int(time.time()) + 3600), "representative-claim": "five_hour"}
    headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in about.items()}
    error = {"status": 429, "type": "rate_limit_error", "message": "limit reached", "headers": headers}
    with model(rules=[{"when": {"text": "has lifted"}, **says("Done.")}, {"error": error}]) as api:
        env = {"ANTHROPIC_BASE_URL": api.url, **SIGNED_IN}
        pid = daemon.spawn("claude-code", goal="the long task", name="waiter", env=env)["pid"]
        console.condition(pid, "limited")
        expect(console.at(f"agent-row-{pid}")).to_contain_text("goes on in 59m")
        console.open(pid)
        banner = console.at("limited")
        expect(banner).to_contain_text("Goes on by itself in 59m")
        expect(banner).to_contain_text("The limit lifts at")
        console.at("limited-now").click()
        console.says("Done.")
        console.condition(pid, "done", "idle")
        expect(banner).to_have_count(0)
