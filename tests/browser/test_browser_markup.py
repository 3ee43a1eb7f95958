"""Markup and scripts in what agents write are text."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.console_lab import Console

SCRIPT = "<script>window.stolen = 1</script>"
IMAGE = '<img src=x onerror="window.stolen = 2">'
LINKS = (
    "[click](javascript:window.stolen=3) [data](data:text/html,<script>window.stolen=4</script>) "
    "<a href='javascript:window.stolen=5'>me</a>"
)
EVIL = f"{SCRIPT}{IMAGE}{LINKS} <svg/onload=window.stolen=6>"


def nothing_ran(console: Console) -> None:
    """Assert that no script ran and that no element or link of theirs is in the page."""
    page = console.page
    assert page.evaluate("window.stolen") is None
    assert page.locator("main img, main iframe, main object, main script").count() == 0
    assert (
        page.locator("main a").evaluate_all(
            "all => all.map(a => a.protocol).filter(p => p !== 'http:' && p !== 'https:')"
        )
        == []
    )


def test_what_an_agent_is_called_says_and_does_is_text_everywhere(console: Console) -> None:
    daemon = console.daemon
    lines = (f"say {EVIL}", f'call aether_message_send {{"to": "owner", "text": {json.dumps(EVIL)}}}')
    pid = daemon.demo(*lines, name="bold-name", role=EVIL[:200])["pid"]
    daemon.wait(pid)
    row = console.at(f"agent-row-{pid}")
    expect(row).to_contain_text(SCRIPT)
    nothing_ran(console)
    row.click()
    console.says(SCRIPT, IMAGE, "click")
    for link in console.timeline.get_by_text("click", exact=True).all():
        link.click()
    for call in console.timeline.locator("[data-kind=tool] button[aria-expanded=false]").all():
        call.click()
    nothing_ran(console)
    console.tab("details")
    expect(console.page.locator("main")).to_contain_text("Goal")
    nothing_ran(console)
    console.at("nav-messages").click()
    console.page.get_by_role("button").filter(has_text="bold-name").click()
    expect(console.page.locator("article")).to_contain_text(SCRIPT)
    nothing_ran(console)


def test_what_is_remembered_learnt_proposed_and_done_in_steps_is_text_everywhere(console: Console) -> None:
    daemon, page = console.daemon, console.page
    tag = {"title": EVIL[:100], "description": EVIL, "instructions": EVIL, "runtime": "builtin"}
    daemon.call("template.create", name="evil", **tag)
    daemon.call("memory.remember", content=EVIL, tags=[SCRIPT])
    skill = {"name": "evil", "description": "evil", "text": f"# Evil\n\n{EVIL}\nsudo {SCRIPT}\n", "note": EVIL}
    learnt = {"rating": 1, "lessons": [EVIL], "differently": EVIL}
    calls = [{"name": "skill.propose", "input": skill}, {"name": "reflection.add", "input": learnt}]
    pid = daemon.demo(*(f"call aether_tool_call {json.dumps(each)}" for each in calls), name="evil-one")["pid"]
    daemon.wait(pid)
    daemon.call("feedback.submit", pid=pid, verdict="down", comment=EVIL)
    steps = [{"name": "say", "set": EVIL}, {"name": "fail", "call": {"operation": "task.get", "input": {"id": SCRIPT}}}]
    flow = daemon.call("flow.run", flow={"steps": steps, "outputs": EVIL}, wait_s=10)["id"]

    def shows(path: str, *buttons: str) -> None:
        page.goto(path)
        expect(page.locator("main")).to_contain_text(SCRIPT)
        for name in buttons:
            page.get_by_role("button", name=name).first.click()
        nothing_ran(console)

    shows("/memories", "<script>")
    shows("/skills", "Read it")
    page.get_by_role("button", name="Approve for all agents").click()
    console.at("skill-evil").get_by_role("link").click()
    expect(console.at("skill")).to_contain_text(IMAGE)
    nothing_ran(console)
    shows("/templates", "What binds it")
    shows(f"/flows/{flow}", "<script>")
    shows(f"/agents/{pid}/timeline")
    shows(f"/agents/{pid}/details")


def test_names_and_contents_of_files_are_text_and_a_download_does_not_run(console: Console) -> None:
    daemon = console.daemon
    script = (
        f"echo '{SCRIPT}' > '<img src=x onerror=window.stolen=7>.html'; echo '# {IMAGE}' > 'javascript:stolen=8.md'; "
        f"printf '\\033]0;{SCRIPT}\\007'; sleep 999"
    )
    pid = daemon.spawn("command", argv=["sh", "-c", script])["pid"]
    console.open(pid, "files")
    page = console.page
    file = page.get_by_role("button", name="<img src=x")
    expect(file).to_be_visible()
    nothing_ran(console)
    file.click()
    expect(page.locator("main pre")).to_contain_text(SCRIPT)
    with page.expect_download() as download:
        page.get_by_label("Download").click()
    assert SCRIPT in download.value.path().read_text()
    assert download.value.suggested_filename.endswith(".html")
    page.get_by_role("button", name="javascript:").click()
    expect(page.locator("main")).to_contain_text(IMAGE)
    nothing_ran(console)
    served = console.context.request.get(page.get_by_label("Download").get_attribute("href") or "")
    assert "sandbox" in served.headers["content-security-policy"]
    assert served.headers["x-content-type-options"] == "nosniff"


def test_the_policy_allows_no_inline_script(console: Console) -> None:
    answer = console.page.goto("/")
    assert answer
    policy = answer.header_value("content-security-policy") or ""
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.strip()}
    assert rules["script-src"] == ["'self'"]
    assert "'unsafe-eval'" not in policy
    assert rules["frame-ancestors"] == ["'none'"]
    assert console.page.evaluate("document.querySelectorAll('script:not([src])').length") == 0
