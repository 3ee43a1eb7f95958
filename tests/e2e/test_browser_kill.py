"""A real daemon is killed while an agent's Chromium runs."""

from __future__ import annotations

import shutil

import pytest

from aetherd.kernel.browser.command import PROGRAMS
from tests.e2e.daemon_lab import Daemon

PAGE = "data:text/html,<title>0</title><button onclick='document.title++'>more</button>"


@pytest.mark.browser
@pytest.mark.skipif(not any(map(shutil.which, PROGRAMS)), reason="no Chromium: apt-get install chromium")
def test_a_killed_daemon_finds_the_browser_again_with_the_page_as_it_was(own: Daemon) -> None:
    pid = own.spawn("command", argv=["sleep", "1000"])["pid"]
    tab = own.call("browser.open", pid=pid, url=PAGE)["tab"]
    for number in range(1, 3):
        assert own.call("browser.click", pid=pid, text="more")["title"] == str(number)
        own.kill()
        own.start()
        tabs = own.call("browser.tabs", pid=pid)["tabs"]
        assert [(one["tab"], one["title"]) for one in tabs] == [(tab, str(number))]
    own.call("process.kill", pid=pid)
    with own.stream() as stream:
        ended = stream.wait(lambda event: event["type"] == "browser.closed")
    assert ended["data"]["reason"] == "the process has ended"
    assert len([event for event in own.events() if event["type"] == "browser.opened"]) == 1
