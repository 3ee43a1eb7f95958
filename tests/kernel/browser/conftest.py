"""A house with real Chromium, and a web site on loopback."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aetherd.core.errors import Conflict
from aetherd.kernel.browser.command import PROGRAMS
from fakes import Lab, anyio_backend, estate, lab

__all__ = ["anyio_backend", "estate", "lab"]

PAGES = {
    "/": """<title>Home</title><h1>Welcome</h1><a href="/form">the form</a> <a href="/" target="_blank">a window</a>
        <a href="/file" download="report.txt">a file</a> <button onclick="alert('beware')">warn</button>
        <button onclick="document.title = confirm('sure?') ? 'yes' : 'no'">ask</button>
        <div style="height: 3000px"></div><button>far below</button>""",
    "/form": """<title>Form</title><form action="/told"><label>Name <input name="name"></label>
        <select name="size"><option>small<option>large</select><button>send</button></form>
        <iframe srcdoc="<button onclick='parent.document.title = `from the frame`'>inner</button>"></iframe>""",
    "/told": "<title>Thanks</title><p>Thank you",
    "/hang": "<title>Busy</title><script>onload = () => setTimeout(() => { while (true); })</script>",
    "/huge": "<title>Huge</title><script>document.write('<p>x'.repeat(20000))</script>",
    "/two": "<title>Two</title><button>same</button><button>same</button><button disabled>never</button>",
}


@dataclass
class Site:
    """A web site, and what was asked of it."""

    url: str
    asked: list[str]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Serve the pages."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            page = PAGES.get(self.path.partition("?")[0])
            body = (page or "a report").encode()
            self.send_response(200)
            self.send_header("content-type", "text/html" if page else "application/octet-stream")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Site(f"http://127.0.0.1:{server.server_address[1]}", asked)
        server.shutdown()
        thread.join()


@dataclass
class Surfer:
    """An agent with a browser."""

    lab: Lab
    process: Any

    @property
    def call(self) -> Any:
        return self.lab.agent_of(self.process)

    @property
    def home(self) -> Path:
        return self.lab.home / "agents" / self.process.agent / "home"

    async def __call__(self, verb: str, **raw: Any) -> Any:
        """Run an operation of the room as the agent."""
        return await self.lab(f"browser.{verb}", self.call, **raw)

    async def number(self, name: str, **raw: Any) -> str:
        """Return the number that a snapshot gives to the first element whose line holds this."""
        text = (await self("snapshot", **raw)).text
        line = next(line for line in text.splitlines() if name in line)
        return str(line.rpartition("[")[2].partition("]")[0])


async def surfer_in(lab: Lab, tier: str = "host") -> Surfer:
    """Start an agent that does nothing, so that a test can browse for it."""
    if not any(shutil.which(program) for program in PROGRAMS):
        pytest.skip("no Chromium: apt-get install chromium")
    return Surfer(lab, await lab.spawn("command", argv=["sleep", "1000"], sandbox={"tier": tier}))


@pytest.fixture
async def surfer(lab: Lab) -> AsyncIterator[Surfer]:
    found = await surfer_in(lab)
    yield found
    with suppress(Conflict):
        await lab("process.kill", pid=found.process.pid)
