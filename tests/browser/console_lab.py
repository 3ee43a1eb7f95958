"""A person at the console: Chromium on the real daemon. Everything is waited for on the page, never slept for."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, WebSocket, expect

from tests.e2e.daemon_lab import Daemon
from tests.model_api import ModelApi

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
KEY = "dummy-key-for-tests"
AWAY = re.compile(r"WebSocket connection to .* failed|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE")


class Console:
    """One browser window, signed in unless told otherwise."""

    def __init__(self, browser: Browser, daemon: Daemon, shots: Path, **options: Any) -> None:
        self.daemon, self.shots = daemon, shots
        self.context: BrowserContext = browser.new_context(
            base_url=f"http://127.0.0.1:{daemon.port}", **{"viewport": DESKTOP, "color_scheme": "dark", **options}
        )
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.expected: list[str] = []  # complaints a test brings about on purpose
        self.events: list[int] = []  # ids of the events that came over the socket
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("websocket", self._socket)
        self.page.on("domcontentloaded", lambda _: self.events.clear())  # another page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _socket(self, socket: WebSocket) -> None:
        if socket.url.endswith("/v1/ws"):
            socket.on("framereceived", self._frame)

    def _frame(self, payload: str | bytes) -> None:
        message = json.loads(payload)
        if message["type"] == "events":
            self.events += [event["id"] for event in message["events"]]

    def quiet(self) -> None:
        """Assert that the page had nothing to complain about: no error, no violated policy."""
        left = [one for one in self.complaints if not any(re.search(each, one) for each in self.expected)]
        assert not left, left

    # Going about ----------------------------------------------------------------------------------------

    def login(self) -> Console:
        """Follow a one-time link."""
        self.page.goto(link(self.daemon))
        expect(self.at("new-agent")).to_be_visible()
        return self.live()

    def live(self) -> Console:
        """Wait until what is shown is true now."""
        expect(self.page.locator('[data-testid="conn-state"]')).to_have_attribute("data-state", "live")
        return self

    def at(self, testid: str) -> Locator:
        """Find a part of the page."""
        return self.page.get_by_test_id(testid)

    def open(self, pid: int, tab: str = "timeline") -> Console:
        """Go to an agent's page."""
        self.page.goto(f"/agents/{pid}/{tab}")
        expect(self.at(f"tab-{tab}")).to_have_attribute("aria-selected", "true")
        return self

    def tab(self, name: str) -> Console:
        """Choose a tab of the agent's page."""
        self.at(f"tab-{name}").click()
        return self

    @property
    def pid(self) -> int:
        """The process whose page it is."""
        self.page.wait_for_url(re.compile(r"/agents/\d+"))
        found = re.search(r"/agents/(\d+)", self.page.url)
        assert found
        return int(found[1])

    def condition(self, pid: int, *words: str) -> None:
        """Wait until the agent is in a condition."""
        expect(self.at(f"state-{pid}")).to_have_attribute("data-condition", re.compile("|".join(words)))

    # The timeline ---------------------------------------------------------------------------------------

    @property
    def timeline(self) -> Locator:
        """What the agent did."""
        return self.at("timeline")

    def says(self, *texts: str) -> None:
        """Wait until the timeline has texts."""
        for text in texts:
            expect(self.timeline).to_contain_text(text)

    def entries(self) -> list[str]:
        """Return the keys of the entries in the document."""
        found: list[str] = self.timeline.locator("[data-entry]").evaluate_all("all => all.map(e => e.dataset.entry)")
        return found

    def tool(self, name: str) -> Locator:
        """Find the calls of a tool."""
        return self.timeline.locator(f'[data-kind="tool"][data-tool="{name}"]')

    @property
    def question(self) -> Locator:
        """The card that waits for an answer."""
        return self.timeline.locator('article[data-testid^="approval-"][data-state="pending"]')

    # The terminal ---------------------------------------------------------------------------------------

    @property
    def terminal(self) -> Locator:
        """The terminal's place."""
        return self.at("terminal")

    @property
    def screen(self) -> Locator:
        """What the terminal shows."""
        return self.terminal.locator(".xterm-rows")

    def typing(self) -> Console:
        """Wait until keys go to the terminal."""
        expect(self.terminal).to_have_attribute("data-state", "live")
        expect(self.terminal).to_have_attribute("data-writable", "true")
        self.terminal.locator(".xterm-screen").click()
        return self

    def type_line(self, text: str) -> None:
        """Press the keys, and Enter when they have been echoed, as a person does."""
        self.page.keyboard.type(text)
        expect(self.screen).to_contain_text(text)
        self.page.keyboard.press("Enter")

    # New agents -----------------------------------------------------------------------------------------

    def start_command(self, argv: str, name: str = "") -> int:
        """Start a program by the dialog and return its pid."""
        self.at("new-agent").click()
        self.at("runtime-command").click()
        self.at("spawn-argv").fill(argv)
        self.at("spawn-name").fill(name)
        self.at("spawn-submit").click()
        return self.pid

    def start_claude(self, api: ModelApi, goal: str, name: str, **env: str) -> int:
        """Start a real Claude Code by the dialog and return its pid."""
        self.at("new-agent").click()
        self.at("runtime-claude-code").click()
        self.at("spawn-goal").fill(goal)
        self.at("spawn-name").fill(name)
        variables = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY, **env}
        for at, (variable, value) in enumerate(variables.items()):
            self.at("env-add").click()
            self.at(f"env-name-{at}").fill(variable)
            self.at(f"env-value-{at}").fill(value)
        self.at("spawn-submit").click()
        return self.pid


def link(daemon: Daemon) -> str:
    """Make a one-time link."""
    connection = daemon.connect()
    try:
        connection.request("POST", "/v1/login", "{}", daemon.headers())
        with connection.getresponse() as answer:
            return str(json.loads(answer.read())["url"])
    finally:
        connection.close()


OPEN: list[Console] = []


@contextmanager
def window(browser: Browser, daemon: Daemon, shots: Path, **options: Any) -> Iterator[Console]:
    """Open a window of its own; at its end it must have had nothing to complain about."""
    console = Console(browser, daemon, shots, **options)
    OPEN.append(console)
    try:
        yield console
        console.quiet()
    except BaseException:
        photograph()
        raise
    finally:
        OPEN.remove(console)
        console.context.close()


def photograph() -> None:
    """Keep what every open window shows, for whoever looks at a failure."""
    for console in OPEN:
        shot = console.shots / f"failed-{len(list(console.shots.glob('*.png')))}.png"
        with contextlib.suppress(Error):
            console.page.screenshot(path=shot)
        print(f"{shot}: {console.page.url}; the page complained of {console.complaints}")  # noqa: T201


def narrow(console: Console) -> None:
    """Assert that nothing makes the page scroll sideways."""
    wide: list[int] = console.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], wide
