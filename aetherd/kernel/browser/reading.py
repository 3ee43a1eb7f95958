"""What the web answered, as text: character sets, content types, HTML."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import Final

from aetherd.core.errors import Conflict
from aetherd.kernel.browser.markup import Text, readable
from aetherd.kernel.browser.ports import Fetched

# By name: Python knows more codecs than there are character sets, and some of them take for ever.
_CHARSETS: Final = re.compile(
    r"utf-?8|utf-16(le|be)?|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-125\d|cp125\d|koi8-[ru]|shift[_-]jis|"
    r"euc-(jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5|macintosh"
)
_META: Final = re.compile(rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([a-zA-Z0-9_-]{1,40})""", re.IGNORECASE)
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD: Final = 2048


@dataclass(frozen=True, slots=True)
class Answer:
    """A page as text."""

    content_type: str
    page: Text


def read(answer: Fetched) -> Answer:
    """Return what an answer says; raises `Conflict` for what is no text. Blocking, up to a second per megabyte."""
    kind, _, parameters = answer.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    source = _decoded(answer.body, parameters)
    if kind in ("text/html", "application/xhtml+xml") or (not kind and "<html" in source[:_HEAD].lower()):
        return Answer(kind or "text/html", readable(source, answer.url))
    if kind.endswith(("/json", "+json")):
        return Answer(kind, Text(text=_pretty(source)))
    if kind.startswith("text/") or kind.endswith(("/xml", "+xml", "/javascript", "/yaml", "/x-yaml", "/toml")):
        return Answer(kind, Text(text=source))
    if not kind and "\0" not in source[:_HEAD]:
        return Answer("text/plain", Text(text=source))
    what = "a PDF" if kind == "application/pdf" else f"{kind or 'something that says not what it is'}"
    raise Conflict(
        f"{answer.url} is {what}, not a page of text; download it in a browser (browser.open) or a terminal",
        content_type=kind,
    )


def _decoded(body: bytes, parameters: str) -> str:
    named = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9_-]{1,40})", parameters)
    meta = _META.search(body[:_HEAD])
    names = [
        next((name for bom, name in _BOMS if body.startswith(bom)), None),
        named[1].lower() if named else None,
        meta[1].decode().lower() if meta else None,
    ]
    for name in names:
        if name is not None and (name == "utf-8-sig" or _CHARSETS.fullmatch(name)):
            try:
                return body.decode(name, "replace")
            except LookupError:
                continue
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as exc:  # the last character of what was cut may be half of one
        return body.decode("utf-8" if exc.reason == "unexpected end of data" else "windows-1252", "replace")


def _pretty(source: str) -> str:
    try:
        return json.dumps(json.loads(source), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):
        return source
