"""Results too large for a model's context: the call gets a head, the whole is kept for a while behind a URI."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.shared.uri_template import UriTemplate
from pydantic import BaseModel, ValidationError

from aetherd.core.clock import Clock
from aetherd.core.errors import NotFound
from aetherd.core.ids import new_id
from aetherd.operations.operation import Call, Operation
from aetherd_mcp import pictures

BOUND = 64 * 1024  # bytes of JSON a result may have
HEAD = 16 * 1024  # bytes of JSON of its head, about
PAGE = 48 * 1024  # characters of one page
KEPT, KEPT_BYTES, KEPT_S = 200, 64 * 1024 * 1024, 3600.0
TEMPLATE = UriTemplate.parse("aether://result/{id}")
PAGES = UriTemplate.parse("aether://result/{id}/{page}")


@dataclass(frozen=True, slots=True)
class _Kept:
    owner: tuple[str, str, str]
    text: str
    until: float


class Plain(dict[str, Any]):
    """What a tool call answers, as it goes over the wire in 2026; 2025 has no `resultType`."""


class LargeResults:
    """The whole of what was cut, each for whom it was answered; the oldest give way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0

    def result(self, op: Operation, value: BaseModel, call: Call) -> types.CallToolResult | dict[str, Any]:
        """Return what a tool call answers: all of it, written out already, or its head and where the rest is."""
        if pictures.may_hold(op) and (seen := pictures.shown(value)) is not None:
            return seen
        text = value.model_dump_json()
        whole = value.model_dump(mode="json")
        if len(text) <= BOUND:
            content = [{"type": "text", "text": text}]
            return Plain(content=content, structuredContent=whole, isError=False, resultType="complete")
        uri = TEMPLATE.expand({"id": self._keep(text, call)})
        head = shorten(whole, uri)
        try:
            op.output.model_validate(head)
        except ValidationError:  # a shape that cannot be shorter
            head = whole
        pages = -(-len(text) // PAGE)
        more = f"The result has {len(text)} characters and is cut. All of it: {uri}, in pages {uri}/1 to {uri}/{pages}."
        if (fields := op.input.model_fields).keys() & {"limit", "offset", "cursor"}:
            names = " and ".join(f"`{name}`" for name in ("limit", "cursor", "offset") if name in fields)
            more += f" Or ask for less with {names}."
        return types.CallToolResult(
            content=[
                types.TextContent(text=json.dumps(head, ensure_ascii=False)),
                types.TextContent(text=more),
                types.ResourceLink(
                    uri=uri,
                    name=f"{op.name} result",
                    title="The whole result",
                    description=f"{more} It is kept for an hour, for you alone.",
                    mime_type="application/json",
                    size=len(text.encode()),
                ),
            ],
            structured_content=head,
        )

    def read(self, uri: str, call: Call) -> types.ReadResourceResult | None:
        """Return a kept result or a page of it; None when the URI is of another kind."""
        page = None
        if (found := TEMPLATE.match(uri)) is None:
            if (found := PAGES.match(uri)) is None:
                return None
            page = str(found["page"])
        self._expire()
        kept = self._kept.get(str(found["id"]))
        if kept is None or kept.owner != _owner(call) or kept.until <= self._clock.monotonic():
            raise NotFound("no such result; it is kept for an hour, call again", kind="result", id=str(found["id"]))
        if page is None:
            return _contents(uri, kept.text, "application/json", {})
        count = -(-len(kept.text) // PAGE)
        if not (page.isascii() and page.isdigit() and 1 <= int(page) <= count):
            raise NotFound(f"no page {page[:20]!r}; there are pages 1 to {count}", kind="page", id=page[:20])
        at = (int(page) - 1) * PAGE
        return _contents(uri, kept.text[at : at + PAGE], "text/plain", {"page": int(page), "pages": count})

    def _keep(self, text: str, call: Call) -> str:
        key = new_id("result")
        self._kept[key] = _Kept(_owner(call), text, self._clock.monotonic() + KEPT_S)
        self._bytes += len(text)
        self._expire()
        return key

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= KEPT and self._bytes <= KEPT_BYTES and oldest.until > now:
                return
            self._kept.popitem(last=False)
            self._bytes -= len(oldest.text)


def shorten(value: Any, uri: str) -> Any:
    """Cut long texts and lists, the same everywhere, until the whole is short; objects keep their fields."""
    text, items = 8192, 256
    while True:
        head = _cut(value, text, items, uri)
        if text <= 128 or len(json.dumps(head)) <= HEAD:
            return head
        text, items = text // 2, max(1, items // 2)


def _cut(value: Any, text: int, items: int, uri: str, key: str = "") -> Any:
    if isinstance(value, str) and len(value) > text:
        if key == "base64":  # whole groups, so that it decodes
            return value[:text]
        return f"{value[:text]}… [{len(value) - text} more characters in {uri}]"
    if isinstance(value, list):
        return [_cut(item, text, items, uri) for item in value[:items]]
    if isinstance(value, dict):
        return {name: _cut(item, text, items, uri, name) for name, item in value.items()}
    return value


def _owner(call: Call) -> tuple[str, str, str]:
    return call.actor, call.user, call.org


def _contents(uri: str, text: str, mime: str, meta: dict[str, Any]) -> types.ReadResourceResult:
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=uri, text=text, mime_type=mime, _meta=meta or None)]
    )
