"""The smallest MCP client that does: aetherd's tools over its unix socket, across restarts of the daemon.

The first line is the process token, then JSON-RPC, one message per line (protocol 2025-11-25). When the
daemon goes away the client connects and initializes again, waiting longer each time. A call that was under
way is repeated only when its tool is read-only; of any other the model is told that its outcome is unknown.
"""

from __future__ import annotations

import _socket  # `socket` costs 7 ms of start-up for nothing that is needed here
import json
import os
import select
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from aetherd_runtimes.builtin.inbox import Hurry
from aetherd_runtimes.builtin.model import Image, Tool, Wait

PROTOCOL = "2025-11-25"
HANDSHAKE_S = 10.0
CALL_S = 600.0
SEND_S = 30.0
FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 0.5
REPEATS = 5
CLOSED = "it closed the connection"
LINE_LIMIT = 64 * 1024 * 1024


class Trouble(Protocol):
    """How the client reports an error it works on by itself."""

    def __call__(self, text: str, /) -> None:
        """Take the text."""
        ...


class Lost(Exception):
    """Raised when the connection is gone or cannot be made."""


class Late(Exception):
    """Raised when no answer came in time on a connection that stands."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave."""

    text: str
    data: Mapping[str, Any] | None = None
    is_error: bool = False
    images: tuple[Image, ...] = ()


class Door:
    """One connection to the daemon, made again whenever it is needed and gone."""

    def __init__(self, path: str | None, token: str, wait: Wait, trouble: Trouble, version: str = "0") -> None:
        self._path = path
        self._token = token
        self._wait = wait
        self._trouble = trouble
        self._version = version
        self._socket: _socket.socket | None = None
        self._buffer = bytearray()
        self._answers: dict[int, Mapping[str, Any]] = {}
        self._last_id = 0
        self._stale = True
        self._away_since: float | None = None
        self._tools: dict[str, Tool] = {}

    @property
    def fd(self) -> int | None:
        """Return the descriptor to watch, None while there is no connection."""
        return self._socket.fileno() if self._socket else None

    @property
    def connected(self) -> bool:
        """Whether the handshake is done and nothing has been lost since."""
        return self._socket is not None and not self._stale

    def connect(self) -> bool:
        """Try once to have a working connection and the list of tools."""
        if self._path is None:
            return False
        try:
            self._open()
        except (Lost, Late) as error:
            if self._away_since is None:
                self._away_since = monotonic()
                self._trouble(f"aetherd does not answer ({error}); I try again until it does")
            return False
        if self._away_since is not None:
            self._trouble(f"aetherd is back after {monotonic() - self._away_since:.1f} s")
            self._away_since = None
        return True

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools on offer, after waiting for the daemon if it is away."""
        if self._path is not None:
            self._ready()
        return tuple(self._tools.values())

    def call(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a tool; never raises but for `Hurry`, after which the outcome is unknown."""
        if self._path is None:
            return Answer("there is no aetherd to call: AETHER_SOCKET is not set", is_error=True)
        for _ in range(REPEATS):
            self._ready()
            tool = self._tools.get(name)
            try:
                number = self._request("tools/call", {"name": name, "arguments": dict(arguments)})
            except (Lost, Late):
                self._close()
                continue  # the line never got its end, so the daemon cannot have obeyed it
            try:
                return _answer(self._reply(number, monotonic() + CALL_S))
            except Hurry:
                self.serve()
                if (reply := self._answers.pop(number, None)) is not None:
                    return _answer(reply)  # it was there already; the caller hears of the hurry when it looks again
                self._cancel(number)
                raise
            except Late:
                self._cancel(number)
                return Answer(f"{name} gave no answer in {CALL_S:.0f} s; its outcome is unknown", is_error=True)
            except Lost:
                self._close()
                if tool is None or not tool.read_only:
                    return Answer(
                        f"the connection to aetherd was lost while {name} ran; its outcome is unknown: "
                        "look before you call it again",
                        is_error=True,
                    )
        return Answer(f"the connection to aetherd was lost {REPEATS} times while {name} ran", is_error=True)

    def serve(self) -> int | None:
        """Read what the daemon sent unasked; return the descriptor to watch on."""
        try:
            while self._socket is not None and self._receive():
                pass
        except (Lost, Late):
            self._close()
        return self.fd

    def _ready(self) -> None:
        self.serve()
        delay = FIRST_DELAY_S
        while not (self.connected or self.connect()):
            spread = 1 + os.getpid() % 16 / 32  # a hundred agents do not knock in the same instant
            self._wait(deadline=monotonic() + delay * spread)
            delay = min(2 * delay, LONGEST_DELAY_S)

    def _open(self) -> None:
        """Have a connection, shake hands on it if it is new, and know the tools."""
        try:
            if self._socket is None:
                self._shake_hands()
            if self._stale:
                self._list()
        except BaseException:
            self._close()  # half a handshake is worth nothing
            raise

    def _shake_hands(self) -> None:
        assert self._path is not None
        fresh = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        fresh.setblocking(False)
        try:
            fresh.connect(self._path)
        except OSError as error:
            fresh.close()
            raise _lost(error) from error
        self._socket = fresh
        self._send(self._token.encode() + b"\n")
        self._ask(
            "initialize",
            {
                "protocolVersion": PROTOCOL,
                "capabilities": {},
                "clientInfo": {"name": "aetherd-builtin", "version": self._version},
            },
        )
        self._post({"method": "notifications/initialized"})

    def _list(self) -> None:
        self._stale = False  # before asking, so that a change announced meanwhile is not missed
        tools: dict[str, Tool] = {}
        cursor: str | None = None
        try:
            while True:
                page = self._ask("tools/list", {"cursor": cursor} if cursor else {})
                for raw in page["tools"]:
                    hints = raw.get("annotations") or {}
                    tools[raw["name"]] = Tool(
                        name=raw["name"],
                        description=raw.get("description") or "",
                        input_schema=raw.get("inputSchema") or {},
                        read_only=hints.get("readOnlyHint") is True,
                    )
                cursor = page.get("nextCursor")
                if not cursor:
                    break
        except (KeyError, TypeError, AttributeError) as error:
            raise Lost("its list of tools cannot be read") from error
        self._tools = tools

    def _ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        reply = self._reply(self._request(method, params), monotonic() + HANDSHAKE_S)
        if not isinstance(result := reply.get("result"), dict):
            raise Lost(f"{method} was refused: {_reason(reply)}")
        return result

    def _request(self, method: str, params: Mapping[str, Any]) -> int:
        self._last_id += 1
        self._post({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def _cancel(self, number: int) -> None:
        try:
            self._post({"method": "notifications/cancelled", "params": {"requestId": number}})
        except (Lost, Late, Hurry):
            self._close()

    def _post(self, message: Mapping[str, Any]) -> None:
        self._send(json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n")

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        rest = memoryview(data)
        deadline = monotonic() + SEND_S
        try:
            while rest:
                try:
                    rest = rest[self._socket.send(rest) :]
                except BlockingIOError:
                    if not self._wait(self._socket.fileno(), select.POLLOUT, deadline):
                        raise Late(f"it reads nothing for {SEND_S:.0f} s") from None
        except OSError as error:
            raise _lost(error) from error
        except Hurry:
            if len(rest) < len(data):
                self._close()  # half a line was sent
            raise

    def _reply(self, number: int, deadline: float) -> Mapping[str, Any]:
        while number not in self._answers:
            if self._socket is None:
                raise Lost(CLOSED)
            if not self._wait(self._socket.fileno(), select.POLLIN, deadline):
                raise Late("no answer in time")
            self._receive()
        reply = self._answers.pop(number)
        self._answers.clear()  # what is left are late answers to calls that were given up
        return reply

    def _receive(self) -> bool:
        """Read once without waiting; return whether anything came."""
        assert self._socket is not None
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError as error:
            raise _lost(error) from error
        if not data:
            raise Lost(CLOSED)
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._buffer += line
            complete = bytes(self._buffer)
            self._buffer.clear()
            self._take(complete)
        self._buffer += rest
        if len(self._buffer) > LINE_LIMIT:
            raise Lost(f"it sent a line of more than {LINE_LIMIT} bytes")
        return True

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            method, number = message.get("method"), message.get("id")
        except (ValueError, AttributeError, RecursionError) as error:
            raise Lost("it sent a line that is no JSON-RPC") from error
        if method is None:
            if isinstance(number, int):
                self._answers[number] = message
        elif method == "notifications/tools/list_changed":
            self._stale = True
        elif method == "ping" and number is not None:
            self._post({"id": number, "result": {}})
        elif number is not None:
            self._post({"id": number, "error": {"code": -32601, "message": f"no method {method}"}})

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._stale = True
        self._buffer.clear()
        self._answers.clear()


def _lost(error: OSError) -> Lost:
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return Lost(CLOSED)  # as a wrong token is answered, too
    return Lost(error.strerror or str(error))


def _answer(reply: Mapping[str, Any]) -> Answer:
    result = reply.get("result")
    if not isinstance(result, dict):
        return Answer(_reason(reply), is_error=True)
    data = result.get("structuredContent")
    parts = [part if isinstance(part, dict) else {} for part in result.get("content") or ()]
    images = tuple(image for part in parts if (image := _image(part)) is not None)
    text = "\n".join(readable for part in parts if (readable := _readable(part)))
    if isinstance(data, dict):
        text = json.dumps(data, ensure_ascii=False)
    return Answer(text, data if isinstance(data, dict) else None, result.get("isError") is True, images)


def _image(part: Mapping[str, Any]) -> Image | None:
    kind, data = part.get("mimeType"), part.get("data")
    if part.get("type") == "image" and isinstance(kind, str) and isinstance(data, str):
        return Image(kind, data)
    return None


def _readable(part: Mapping[str, Any]) -> str:
    if isinstance(part.get("text"), str):
        return str(part["text"])
    if _image(part) is not None:
        return "[a picture]"
    return f"[{part.get('type') or 'unreadable'} content, which this agent cannot see]"


def _reason(reply: Mapping[str, Any]) -> str:
    error = reply.get("error")
    return str(error.get("message", error)) if isinstance(error, dict) else "an answer without a result"
