"""A model works a real Chromium by numbers; people, other agents and bad pages are kept in their place."""

from __future__ import annotations

import base64
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from aetherd.kernel.browser import using
from fakes import Estate, Lab
from tests.kernel.browser.conftest import Site, Surfer, surfer_in

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


async def test_a_model_fills_a_form_by_the_numbers_of_a_snapshot(surfer: Surfer, site: Site) -> None:
    opened = await surfer("open", url=f"{site.url}/")
    assert (opened.status, opened.title) == (200, "Home")
    link = await surfer.number("the form")
    assert link == await surfer.number("the form"), "numbers stay while the page does"
    assert (await surfer("click", element=link)).title == "Form"
    assert (await surfer("click", element=await surfer.number('"inner"'))).title == "from the frame"
    await surfer("type", text="Ada", element=await surfer.number("textbox"))
    await surfer("type", text="large", selector="select")
    assert (await surfer("click", text="send")).title == "Thanks"
    assert "/told?name=Ada&size=large" in site.asked
    assert (await surfer("back")).title == "Form"
    assert (await surfer("forward")).title == "Thanks"
    await surfer("navigate", url=f"{site.url}/form")
    assert (await surfer("type", text="Bob", label="Name", submit=True)).url.endswith("name=Bob&size=small")
    moves = surfer.lab.of(surfer.process.pid, "browser.navigated")
    assert [move["url"].removeprefix(site.url).partition("?")[0] for move in moves[:3]] == ["/", "/form", "/told"]


async def test_a_picture_has_the_size_of_the_window_and_its_points_can_be_clicked(surfer: Surfer, site: Site) -> None:
    page = "data:text/html,<title>a</title><body style='margin:0;height:2000px' onclick='document.title=event.clientX'>"
    await surfer("open", url=page)
    seen = await surfer("screenshot")
    assert (seen.width, seen.height, seen.picture.media_type) == (1280, 800, "image/png")
    assert base64.b64decode(seen.picture.base64).startswith(b"\x89PNG")
    whole = await surfer("screenshot", full_page=True, media_type="image/jpeg")
    assert (whole.width, whole.height) == (1280, 2000)
    assert (await surfer("click", x=321, y=99)).title == "321"
    await surfer("navigate", url=f"{site.url}/")
    await surfer("scroll", element=await surfer.number("far below"))
    await surfer("scroll", direction="top")
    assert (await surfer("key", keys=["Tab", "Enter"])).title == "Form"


async def test_dialogs_windows_and_downloads_are_told_with_what_brought_them(surfer: Surfer, site: Site) -> None:
    first = (await surfer("open", url=f"{site.url}/")).tab
    assert "beware" in (await surfer("click", text="warn")).notes[0]
    assert (await surfer("click", text="ask")).title == "no"
    assert (await surfer("click", text="ask", accept_dialogs=True)).title == "yes"
    assert any("new tab" in note for note in (await surfer("click", text="a window")).notes)
    tabs = (await surfer("tabs")).tabs
    assert len(tabs) == 2
    other = next(tab.tab for tab in tabs if tab.tab != first)
    assert (await surfer("navigate", tab=other, url=f"{site.url}/two")).tab == other
    assert [tab.tab for tab in (await surfer("close", tab=other)).tabs] == [first]
    await surfer("click", text="a file", tab=first)
    told = await surfer.lab.event("browser.downloaded", pid=surfer.process.pid)
    assert (told["data"]["path"], told["data"]["size"]) == ("downloads/report.txt", 8)
    assert (surfer.home / "downloads" / "report.txt").read_text() == "a report"


async def test_what_cannot_be_done_says_why(surfer: Surfer, site: Site) -> None:
    with pytest.raises(Conflict, match="open one"):
        await surfer("snapshot")
    for url in ("chrome://settings", "javascript:alert(1)", "ftp://x/"):
        with pytest.raises(Invalid, match="no address"):
            await surfer("open", url=url)
    await surfer("open", url=f"{site.url}/two")
    for error, match, raw in (
        (NotFound, "new browser.snapshot", {"element": "e99"}),
        (NotFound, "nothing visible", {"text": "nowhere"}),
        (Conflict, "2 elements fit", {"text": "same"}),
        (Conflict, "disabled", {"text": "never"}),
        (Invalid, "CSS selector", {"selector": "[["}),
        (Invalid, "one way", {"text": "a", "x": 1, "y": 1}),
        (Invalid, "an x and a y", {"x": 1}),
        (NotFound, "browser.tabs shows", {"text": "same", "tab": "none"}),
    ):
        with pytest.raises(error, match=match):
            await surfer("click", **raw)
    with pytest.raises(Invalid, match="no key"):
        await surfer("key", keys=["Nonsense"])
    with pytest.raises(Unavailable, match="ERR_CONNECTION_REFUSED"):
        await surfer("navigate", url=f"http://127.0.0.1:{closed_port()}/")


async def test_pages_that_hang_are_huge_or_crash_hold_nobody_up(
    surfer: Surfer, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (await surfer("open", url=f"{site.url}/")).tab
    await surfer("open", url=f"{site.url}/huge")
    with pytest.raises(Conflict, match="too large for a snapshot"):
        await surfer("snapshot")
    monkeypatch.setattr(using, "DONE_S", 3.0)
    hung = (await surfer("open", url=f"{site.url}/hang")).tab
    with pytest.raises(Unavailable, match="its scripts are busy"):
        await surfer("snapshot", tab=hung)
    assert "Busy" in [tab.title for tab in (await surfer("tabs")).tabs]
    assert hung not in [tab.tab for tab in (await surfer("close", tab=hung)).tabs]
    monkeypatch.undo()
    assert (await surfer("snapshot", tab=good)).title == "Home"
    for pid in renderers(surfer.home):
        os.kill(pid, signal.SIGKILL)
    with anyio.fail_after(10):
        while not await crashed(surfer, good):
            pass
    assert (await surfer("reload", tab=good)).title == "Home"
    assert "Welcome" in (await surfer("snapshot")).text


async def test_a_browser_is_its_agents_and_while_a_person_has_control_it_is_theirs(surfer: Surfer, site: Site) -> None:
    await surfer("open", url=f"{site.url}/")
    lab, pid = surfer.lab, surfer.process.pid
    stranger = lab.agent_of(await lab.spawn("command", argv=["sleep", "1000"]))
    for verb in ("snapshot", "tabs", "close"):
        with pytest.raises(Forbidden):
            await lab(f"browser.{verb}", stranger, pid=pid)
    child = await lab.spawn("command", argv=["sleep", "1000"], agent=surfer.process.agent)
    with pytest.raises(Conflict, match="another process of this agent"):
        await lab("browser.open", lab.agent_of(child))
    await lab("control.acquire", pid=pid)
    for verb, raw in (("navigate", {"url": site.url}), ("click", {"text": "warn"}), ("open", {}), ("close", {})):
        with pytest.raises(Forbidden, match=r"user:owner has control of process .* wait until it is handed back"):
            await surfer(verb, **raw)
    assert (await surfer("snapshot")).title == "Home", "it may look on"
    assert (await lab("browser.navigate", pid=pid, url=f"{site.url}/form")).title == "Form"
    await lab("control.release", pid=pid)
    assert (await surfer("reload")).title == "Form"


async def test_a_browser_ends_with_its_process_and_playwright_a_minute_later(surfer: Surfer) -> None:
    await surfer("open", url="data:text/html,x")
    room = surfer.lab.kernel.rooms["browser"]
    assert renderers(surfer.home)
    assert room.health()["driver"]
    await surfer.lab("process.kill", pid=surfer.process.pid)
    closed = await surfer.lab.event("browser.closed", pid=surfer.process.pid)
    assert closed["data"]["reason"] == "the process has ended"
    assert renderers(surfer.home) == []
    with pytest.raises(Conflict, match="has ended"):
        await surfer("open")
    for alive in room._living.all.copy():
        with suppress(Conflict):  # its process is just ending, and takes it along
            await surfer.lab("browser.close", pid=alive)
    with anyio.fail_after(20):
        while room.health()["driver"]:
            surfer.lab.clock.advance(61)
            await anyio.lowlevel.checkpoint()


async def test_what_drives_all_browsers_may_crash_and_is_started_again(surfer: Surfer) -> None:
    tab = (await surfer("open", url="data:text/html,<title>here</title>")).tab
    begun = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    drivers = [pid for file in begun for pid in file.read_text().split() if b"playwright" in words_of(pid)]
    assert drivers
    for pid in drivers:
        os.kill(int(pid), signal.SIGKILL)
    found = None
    with anyio.fail_after(30):
        while found is None:
            with suppress(Unavailable, Conflict):  # that one call was under way
                found = await surfer("snapshot")
    assert (found.tab, found.title) == (tab, "here")


def words_of(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_a_browser_outlives_the_house_and_shows_the_same_page_after(estate: Estate, site: Site) -> None:
    async with estate.open() as lab:
        surfer = await surfer_in(lab)
        await surfer("open", url=f"{site.url}/")
        tab = (await surfer("click", text="ask", accept_dialogs=True)).tab
        before = renderers(surfer.home)
    async with estate.open() as lab:
        surfer = Surfer(lab, surfer.process)
        found = await surfer("tabs")
        assert [(one.tab, one.title, one.active) for one in found.tabs] == [(tab, "yes", True)]
        with pytest.raises(NotFound, match="take a new"):
            await surfer("click", element="e3")
        assert (await surfer("click", element=await surfer.number("the form"))).title == "Form"
        assert set(renderers(surfer.home)) & set(before)
        assert not (await surfer("close")).running
        assert renderers(surfer.home) == []
        assert not (await surfer("tabs")).running
        await surfer("open", url=f"{site.url}/two")
        await lab("process.kill", pid=surfer.process.pid)
        await lab.event("browser.closed", pid=surfer.process.pid, reason="the process has ended")


async def test_in_a_sandbox_it_sees_its_own_files_and_nothing_of_the_network(lab: Lab, site: Site) -> None:
    surfer = await surfer_in(lab, "bwrap")
    (surfer.home / "page.html").write_text("<title>mine</title><button>press</button>")
    assert (await surfer("open", url=f"file://{surfer.home}/page.html")).title == "mine"
    assert await surfer.number("press")
    asked = len(site.asked)
    for url in (f"{site.url}/", f"file://{lab.home}/secrets/owner.token"):
        with pytest.raises(Unavailable):
            await surfer("navigate", url=url)
    assert len(site.asked) == asked
    await lab("process.kill", pid=surfer.process.pid)


async def crashed(surfer: Surfer, tab: str) -> bool:
    """Tell whether a snapshot is refused because the page crashed."""
    try:
        await surfer("snapshot", tab=tab)
    except Conflict as exc:
        return "reload loads it again" in exc.message
    return False


def closed_port() -> int:
    """Return a port of loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def renderers(home: Path) -> list[int]:
    """Return the host's pids of the pages of a browser with a profile in this home."""
    words, parents = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words[int(place.name)] = (place / "cmdline").read_bytes()
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
    first = {pid for pid, line in words.items() if f"--user-data-dir={home}".encode() in line}

    def ours(pid: int) -> bool:
        return pid in first or (pid in parents and ours(parents[pid]))

    return [pid for pid, line in words.items() if b"--type=renderer" in line and ours(pid)]
