"""Pages of the web as text, whatever they are made of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from aetherd.core.errors import Conflict, Invalid
from aetherd.kernel.browser.markup import readable
from fakes import Lab

pytestmark = pytest.mark.anyio

PAGE = """<html><head><title>Tea &amp; co</title><script>alert("<p>no")</script></head><body>
<nav><a href=/x>menu</a></nav>
<h1>Tea</h1><p>Some <b>green</b>\n tea, <a href="how?a=1&amp;b=2">how  to</a>.<ul><li>boil<li>wait</ul>
<pre>  5 < 6\n\tyes</pre><img alt="a cup" src=c> <a href="javascript:no()">no</a></body>"""


class Web:
    """Stands for the network room: pages by address, and who asked."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.asked: list[tuple[str | None, str]] = []

    async def fetch(self, agent: str | None, url: str, **options: Any) -> Any:
        self.asked.append((agent, url))
        kind, body = self.pages[url]
        headers = {"content-type": kind}
        return SimpleNamespace(status=200, url=url, headers=headers, body=body, truncated=len(body) > 10_000)


@pytest.fixture
def web(lab: Lab) -> Iterator[Web]:
    found, way = Web(), lab.kernel.rooms["browser"].egress
    way.insert(0, found)
    yield found
    way.remove(found)


async def test_a_page_is_read_as_text_with_its_title_and_links(lab: Lab, web: Web) -> None:
    web.pages["http://tea.test/"] = "text/html; charset=utf-8", PAGE.encode()
    process = await lab.spawn("command", argv=["sleep", "1000"])
    page = await lab("browser.fetch", lab.agent_of(process), url="http://tea.test/")
    assert (page.title, page.status) == ("Tea & co", 200)
    assert page.text == (
        "# Tea\n\nSome **green** tea, [how to](http://tea.test/how?a=1&b=2).\n\n- boil\n- wait\n\n"
        "```\n  5 < 6\n\tyes\n```\n\n[a cup] no"
    )
    assert [(link.text, link.url) for link in page.links] == [("how to", "http://tea.test/how?a=1&b=2")]
    assert web.asked == [(process.agent, "http://tea.test/")]


async def test_only_the_main_part_is_read_and_in_pieces(lab: Lab, web: Web) -> None:
    story = "".join(f"<p>line {number}" for number in range(1000))
    web.pages["http://a.test/"] = "text/html", f"<title>T</title><div>around</div><main>{story}</main>".encode()
    text, offset = "", 0
    while offset is not None:
        part = await lab("browser.fetch", url="http://a.test/", max_chars=5000, offset=offset)
        text, offset = text + part.text, part.next_offset
        assert part.truncated
    assert text.split() == [word for number in range(1000) for word in ("line", str(number))]


async def test_character_sets_and_content_types_are_understood(lab: Lab, web: Web) -> None:
    for kind, body, text in (
        ("text/plain; charset=iso-8859-1", "grün".encode("latin-1"), "grün"),
        ("text/html", '<meta charset="shift_jis"><p>緑茶'.encode("shift_jis"), "緑茶"),
        ("text/html", b"<p>gr\xfcn", "grün"),
        ("text/html; charset=zip", "<p>grün".encode(), "grün"),
        ("text/plain", "grün".encode("utf-16"), "grün"),
        ("application/json", b'{"a":[1]}', '{\n "a": [\n  1\n ]\n}'),
        ("application/json", b"[" * 5000, "[" * 5000),
        ("", b"plain", "plain"),
    ):
        web.pages["http://b.test/"] = kind, body
        assert (await lab("browser.fetch", url="http://b.test/")).text == text, kind
    for kind, said in (("application/pdf", "a PDF"), ("image/png", "image/png")):
        web.pages["http://b.test/"] = kind, b"\x89"
        with pytest.raises(Conflict, match=f"is {said}, not a page of text"):
            await lab("browser.fetch", url="http://b.test/")
    with pytest.raises(Invalid, match="http and https"):
        await lab("browser.fetch", url="file:///etc/passwd")


@pytest.mark.parametrize(
    "evil",
    [
        "<!--",
        "<",
        "<a ",
        '<a ="',
        "<a href='",
        "<p>",
        "<ul>",
        "<a href=x>",
        "<script>",
        "&#",
        "</p",
        "<nav>",
        "\n ",
        "<pre> ",
    ],
)
def test_no_page_takes_more_time_than_its_length_does(evil: str) -> None:
    begun = time.thread_time()
    readable(evil * (500_000 // len(evil)), "http://evil.test/")
    assert time.thread_time() - begun < 3
