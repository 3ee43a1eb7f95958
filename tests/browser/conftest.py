"""One browser and one daemon for the package, a signed-in window for a test."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

import aetherd.web.console
from tests.browser.console_lab import ARGUMENTS, CHROMIUM, Console, photograph, window
from tests.e2e.daemon_lab import Daemon

BUILT = aetherd.web.console.BUILT / "index.html"


def missing() -> str:
    """Say why the browser tests cannot run here."""
    if not CHROMIUM.exists():
        return f"no Chromium at {CHROMIUM}: apt-get install chromium"
    return "" if BUILT.exists() else "the console is not built: make ui"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    why = missing()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Photograph a failure while its windows are open."""
    if call.when == "call" and call.excinfo is not None and Path(__file__).parent in item.path.parents:
        photograph()
    return (yield)


# Not for the session: while Playwright's loop lives, no test outside of the package can run one.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Playwright."""
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium with a fresh profile."""
    expect.set_options(timeout=15_000)
    found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield found
    found.close()


@pytest.fixture(scope="package")
def shared() -> Iterator[Daemon]:
    """A daemon that the tests share."""
    with Daemon(settings="max_running = 100\n") as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """The shared daemon, running, and with nothing of the test before: also of one that failed."""
    shared.revive()
    yield shared
    shared.revive().clear()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots of failures go."""
    return tmp_path


@pytest.fixture
def console(browser: Browser, daemon: Daemon, shots: Path) -> Iterator[Console]:
    """A window that is signed in; at the end it must have had nothing to complain about."""
    with window(browser, daemon, shots) as found:
        yield found.login()


@pytest.fixture
def stranger(browser: Browser, daemon: Daemon, shots: Path) -> Iterator[Console]:
    """A window that is not signed in."""
    with window(browser, daemon, shots) as found:
        yield found


@pytest.fixture
def windows(browser: Browser, daemon: Daemon, shots: Path) -> Any:
    """Open more windows: a context manager that takes the options of a browser context."""
    return lambda **options: window(browser, daemon, shots, **options)
