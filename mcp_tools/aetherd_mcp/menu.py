"""Lists of tools that are written out once, however often they are asked for.

A list of 180 tools is some hundred kilobytes, which the SDK would check and write anew for every client: tens of
milliseconds during which the daemon does nothing else. Our own loop takes a menu's bytes as they are. Over HTTP,
where the SDK writes the answer, it is given a name in the place of the tools, and the bytes go in on the way out.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from functools import cached_property
from typing import Any

from mcp.server.context import HandlerResult, ServerRequestContext
from pydantic_core import to_json
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT = 1000  # menus
BEGIN = b'["aether-menu-'
NAME = re.compile(rb'\["(aether-menu-[0-9a-f]{32})"\]')


class Menu(list[dict[str, Any]]):
    """Tools as they go over the wire; nobody changes it once it is made."""

    name: str  # random, so that nothing a tool says is ever taken for it

    @cached_property
    def json(self) -> bytes:
        """The whole list as JSON."""
        return to_json(list(self), inf_nan_mode="null")


class Menus:
    """The answers to tools/list by whatever decides them; those unused for longest are forgotten."""

    def __init__(self) -> None:
        self._answers: OrderedDict[object, HandlerResult] = OrderedDict()
        self._by_name: OrderedDict[bytes, Menu] = OrderedDict()

    def clear(self) -> None:
        """Forget all answers; what is on its way out still gets its bytes."""
        self._answers.clear()

    def __contains__(self, key: object) -> bool:
        return key in self._answers

    def keep(self, key: object, result: HandlerResult) -> None:
        """Keep an answer."""
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            menu = Menu(result["tools"])
            menu.name = f"aether-menu-{secrets.token_hex(16)}"
            result = {**result, "tools": menu}
            self._by_name[menu.name.encode()] = menu
        self._answers[key] = result
        for kept in (self._answers, self._by_name):
            while len(kept) > KEPT:
                kept.popitem(last=False)

    def answer(self, key: object, ctx: ServerRequestContext[Any]) -> HandlerResult:
        """Return a kept answer, as whoever writes it wants it."""
        self._answers.move_to_end(key)
        result = self._answers[key]
        if not isinstance(result, dict) or not isinstance(menu := result.get("tools"), Menu):
            return result
        if ctx.request is None or ctx.request.scope.get("aether.menus") is not self:
            return result
        self._by_name[menu.name.encode()] = menu
        self._by_name.move_to_end(menu.name.encode())
        return {**result, "tools": [menu.name]}

    def fill(self, body: bytes) -> bytes:
        """Put the tools where their names are."""
        if BEGIN not in body:
            return body
        return NAME.sub(lambda found: self._by_name[found[1]].json if found[1] in self._by_name else found[0], body)


class Filled:
    """ASGI around the SDK that writes menus out."""

    def __init__(self, app: ASGIApp, menus: Menus) -> None:
        self._app, self._menus = app, menus

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        begun: Message | None = None  # held back until the length of its body is known

        async def fill(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                if "content-length" in MutableHeaders(raw=message["headers"]):
                    begun = message
                else:
                    await send(message)
                return
            body = message.get("body", b"")
            filled = self._menus.fill(body)
            if begun is not None:
                if filled is not body:
                    MutableHeaders(raw=begun["headers"])["content-length"] = str(len(filled))
                await send(begun)
                begun = None
            await send(message if filled is body else {**message, "body": filled})

        await self._app({**scope, "aether.menus": self._menus}, receive, fill)
