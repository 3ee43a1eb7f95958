"""HTML as text that reads like Markdown. Hostile pages are the rule, so every step goes forward: time is linear."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

LINKS: Final = 200
_DEPTH: Final = 200
_TEXT: Final = 300
_URL: Final = 2000
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)")
_ATTRIBUTE: Final = re.compile(r"""([a-zA-Z-]{1,40})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_OPEN: Final = re.compile(r"<(?:/?[a-zA-Z]|[!?])")
_QUOTE: Final = re.compile("=[ \t\r\n]{0,9}([\"'])")
_SPACE: Final = re.compile(r"\s+")
_ATTRIBUTES: Final = 4000  # characters of one tag that are looked at
# fmt: off
_RAW: Final = frozenset((
    "script", "style", "textarea", "title", "template", "iframe", "noembed", "noframes", "xmp",
))
_UNSEEN: Final = frozenset((
    "head", "nav", "footer", "aside", "svg", "canvas", "form", "button", "select", "dialog", "menu",
))
_BLOCKS: Final = frozenset((
    "address", "article", "blockquote", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure", "header", "hr",
    "main", "ol", "p", "pre", "section", "table", "tr", "ul",
))
# fmt: on
_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_MARKS: Final = {"strong": "**", "b": "**", "em": "*", "i": "*", "code": "`"}
_ENOUGH: Final = 400  # characters: a `main` or `article` with less is not what the page is about


@dataclass(slots=True)
class Text:
    """What a page says."""

    title: str = ""
    text: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)  # text, address


def readable(source: str, base: str) -> Text:
    """Return the text of a page, without what surrounds it where the page says what its main part is."""
    whole = _Reader(base, None).read(source)
    for part in ("main", "article"):
        if re.search(rf"<{part}[\s>]", source, re.IGNORECASE):
            found = _Reader(base, part).read(source)
            if len(found.text) >= _ENOUGH:
                found.title = whole.title
                return found
    return whole


def _tokens(source: str) -> Iterator[tuple[str, str, str]]:
    """Yield ("text", text, ""), ("start", tag, attributes) and ("end", tag, "")."""
    at, size = 0, len(source)
    while at < size:
        found = _OPEN.search(source, at)
        if found is None:
            yield "text", source[at:], ""
            return
        begin = found.start()
        if begin > at:
            yield "text", source[at:begin], ""
        tag = _TAG.match(source, begin)
        if tag is None:
            mark = {"<!--": "-->", "<!": ">", "<?": ">"}
            close = next(end for start, end in mark.items() if source.startswith(start, begin))
            end = source.find(close, begin + 2)
            at = size if end < 0 else end + len(close)
            continue
        end, name = _end_of_tag(source, tag.end()), tag[2].lower()
        yield ("end" if tag[1] else "start"), name, source[tag.end() : min(end, tag.end() + _ATTRIBUTES)]
        at = end + 1
        if name in _RAW and not tag[1]:
            last = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(source, at)
            end = last.start() if last is not None else size
            yield "text", source[at:end], "raw"
            at = end


def _end_of_tag(source: str, begin: int) -> int:
    """Return where the tag ends; a quote that is not closed in reach is no quote."""
    at, end = begin, source.find(">", begin)
    while end >= 0 and at < begin + _ATTRIBUTES:
        quote = _QUOTE.search(source, at, min(end, at + _ATTRIBUTES))
        if quote is None:
            return end
        close = source.find(quote[1], quote.end(), quote.end() + _ATTRIBUTES)
        if close < 0:
            return end
        at = close + 1
        if at > end:
            end = source.find(">", at)
    return end if end >= 0 else len(source)


class _Reader:
    """Reads one page; `within` is the element that alone is wanted."""

    def __init__(self, base: str, within: str | None) -> None:
        self._base, self._within = base, within
        self._inside = 0  # of `within`
        self._unseen: list[str] = []
        self._lists: list[int | None] = []  # open lists: None, or the number of the last item
        self._link: tuple[str, int] | None = None  # address, and where its text begins
        self._plain = 0  # of pre
        self._out: list[str] = []
        self._found = Text()

    def read(self, source: str) -> Text:
        """Return what it says."""
        raw = ""
        for kind, name, more in _tokens(source):
            if kind == "start":
                raw = name if name in _RAW else ""
                self._start(name, more)
            elif kind == "end":
                self._end(name)
            elif more and raw == "title":
                self._found.title = self._found.title or _line(name)[:_TEXT]
            elif not more:
                self._say(name)
        self._found.text = _tidy("".join(self._out))
        return self._found

    @property
    def _wanted(self) -> bool:
        return not self._unseen and (self._within is None or self._inside > 0)

    def _start(self, name: str, more: str) -> None:
        if name == self._within:
            self._inside += 1
        if name in _UNSEEN and len(self._unseen) < _DEPTH:
            self._unseen.append(name)
        if name == "body":
            self._unseen.clear()
        if not self._wanted:
            return
        if name in _HEADINGS:
            self._out.append("\n\n" + _HEADINGS[name])
        elif name == "br":
            self._out.append("\n")
        elif name == "li":
            self._item()
        elif name in ("td", "th"):
            self._out.append(" | ")
        elif name in _MARKS:
            self._out.append(_MARKS[name])
        elif name in _BLOCKS:
            self._out.append("\n\n" if name != "tr" else "\n")
        if name in ("ul", "ol") and len(self._lists) < _DEPTH:
            self._lists.append(0 if name == "ol" else None)
        elif name == "pre":
            self._plain += 1
            self._out.append("```\n")
        elif name == "a":
            self._link = _attribute(more, "href"), len(self._out)
        elif name == "img" and (alt := _line(_attribute(more, "alt"))):
            self._out.append(f"[{alt[:_TEXT]}]")

    def _end(self, name: str) -> None:
        if name in self._unseen[-8:]:
            while self._unseen.pop() != name:
                pass
        if self._wanted:
            if name in _MARKS:
                self._out.append(_MARKS[name])
            elif name == "pre" and self._plain:
                self._plain -= 1
                self._out.append("\n```\n\n")
            elif name in ("ul", "ol") and self._lists:
                self._lists.pop()
            elif name == "a" and self._link is not None:
                self._close_link(*self._link)
                self._link = None
            if name in _HEADINGS or name in _BLOCKS:
                self._out.append("\n\n" if name != "tr" else "\n")
        if name == self._within and self._inside:
            self._inside -= 1

    def _item(self) -> None:
        indent = "  " * min(len(self._lists) - 1, 10)
        if self._lists and (number := self._lists[-1]) is not None:
            self._lists[-1] = number + 1
            self._out.append(f"\n{indent}{number + 1}. ")
        else:
            self._out.append(f"\n{indent}- ")

    def _close_link(self, address: str, begin: int) -> None:
        text = _line("".join(self._out[begin:]))
        try:
            url = urljoin(self._base, address.strip())
        except ValueError:
            return
        if not text or not url.startswith(("http://", "https://")) or len(url) > _URL:
            return
        if len(self._found.links) < LINKS:
            self._found.links.append((text[:_TEXT], url))
        self._out[begin:] = [f"[{text}]({url})"]

    def _say(self, source: str) -> None:
        if self._wanted:
            text = html.unescape(source)
            self._out.append(text if self._plain else _SPACE.sub(" ", text))


def _tidy(text: str) -> str:
    """Return text with at most one empty line in a row."""
    lines: list[str] = []
    for raw in text.splitlines():
        line = raw.rstrip()
        if line[:1] == " " and line[1:2] != " ":
            line = line[1:]
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")


def _line(text: str) -> str:
    return _SPACE.sub(" ", html.unescape(text)).strip()


def _attribute(source: str, name: str) -> str:
    for found in _ATTRIBUTE.finditer(source):
        if found[1].lower() == name:
            return html.unescape(found[2] or found[3] or found[4] or "")
    return ""
