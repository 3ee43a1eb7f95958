"""A real Claude Code that is given an address and nothing else: it asks its person, who lets it in."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.e2e.claude_lab import REPORT, real
from tests.e2e.daemon_lab import Daemon

LINK = re.compile(rb"\x1b\]8;;(http://[^\x07\x1b]+/authorize\?[^\x07\x1b]+)[\x07\x1b]")  # a terminal's hyperlink
LOGIN_S = 60.0


class Person:
    """Somebody at a terminal with Claude Code, in a home of their own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(place),
            "CLAUDE_CONFIG_DIR": str(place / "config"),
            "BROWSER": "/bin/true",
            "TERM": "xterm",
            "NO_PROXY": "*",
        }

    def claude(self, *words: str) -> str:
        """Run a command of Claude Code."""
        line = [str(REPORT.path), "mcp", *words]
        done = subprocess.run(line, env=self.env, cwd=self.place, capture_output=True, text=True, timeout=LOGIN_S)
        return done.stdout + done.stderr

    def login(self, daemon: Daemon) -> str:
        """Let Claude Code ask, follow its link, say yes; return what it printed."""
        ours, theirs = pty.openpty()
        line = [str(REPORT.path), "mcp", "login", "aether"]
        with subprocess.Popen(
            line, env=self.env, cwd=self.place, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as process:
            os.close(theirs)
            said, asked, end = b"", False, time.monotonic() + LOGIN_S
            try:
                while time.monotonic() < end:
                    if select.select([ours], [], [], 1.0)[0]:
                        said += os.read(ours, 65536)
                    if not asked and (link := LINK.search(said)):
                        asked = True
                        self.allow(daemon, link[1].decode())
                    if process.poll() is not None:
                        break
            except OSError:  # the terminal's other end was closed
                pass
            finally:
                process.kill()
                os.close(ours)
        return said.decode(errors="replace")

    def allow(self, daemon: Daemon, link: str) -> None:
        """Do what the console does: be sent to the page, decide there, go where it says."""
        sent = httpx2.get(link, trust_env=False)
        assert sent.status_code == 303
        page = urlsplit(sent.headers["location"])
        assert page.path == "/consent"
        asked = daemon.call("token.consent", request=page.query)
        assert asked["name"].startswith("Claude Code")
        answer = daemon.call("token.decide", request=page.query, decision="allow")
        assert httpx2.get(answer["redirect"], trust_env=False).status_code == 200


@real
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_claude_code_connects_by_oauth_and_is_out_when_its_person_says_so(
    daemon: Daemon, tmp_path: Path, name: str
) -> None:
    person = Person(tmp_path)
    person.claude("add", "--transport", "http", "aether", f"http://{name}:{daemon.port}/mcp")
    assert "Needs authentication" in person.claude("list")
    assert 'Authenticated with "aether"' in person.login(daemon)
    assert "Connected" in person.claude("list")
    (grant,) = [each for each in daemon.call("token.list")["tokens"] if each["kind"] == "refresh"]
    daemon.call("token.revoke", id=grant["id"])
    assert "Connected" not in person.claude("list")
