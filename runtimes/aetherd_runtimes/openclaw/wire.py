"""The connection to a gateway: frames of its protocol, version 4, over a WebSocket on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

PROTOCOL = 4
FRAME_LIMIT = 32 << 20  # bytes; the gateway's own limit is 25 MB
ANSWER_S = 60.0
HELLO_S = 20.0
RETRY_S = 0.25
SCOPES = ("operator.admin", "operator.read", "operator.write", "operator.approvals")
# Without these a command that wants approval is denied at once: "headless runs cannot wait".
CAPABILITIES = ("tool-events", "approvals", "exec-approvals")

Hear = Callable[[str, Mapping[str, Any]], None]


class Gone(Exception):
    """Raised when the connection is lost or cannot be made."""


class Refused(Exception):
    """Raised when the gateway answers with an error."""

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(f"{message} ({code})" if code else message)
        self.retry = retry


class Wire:
    """One connection; `run` must be running while requests are made."""

    def __init__(self, socket: ClientConnection, version: str) -> None:
        self._socket = socket
        self.version = version
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._last = 0
        self._lost = False

    @classmethod
    async def open(cls, url: str, token: str, version: str) -> Wire:
        """Connect and shake hands; waits while the gateway says it is starting. Raises `Gone` or `Refused`."""
        while True:
            try:
                # no proxy: HTTP_PROXY is set in a sandbox; no compression: it is loopback
                socket = await connect(url, proxy=None, max_size=FRAME_LIMIT, compression=None, open_timeout=HELLO_S)
            except (OSError, WebSocketException, TimeoutError) as exc:
                raise Gone(str(exc)) from exc
            try:
                async with asyncio.timeout(HELLO_S):
                    hello = await _shake_hands(socket, token, version)
                return cls(socket, str((hello.get("server") or {}).get("version") or ""))
            except Refused as exc:
                await socket.close()
                if not exc.retry:
                    raise
                await asyncio.sleep(RETRY_S)
            except (OSError, WebSocketException, TimeoutError, ValueError) as exc:
                await socket.close()
                raise Gone(str(exc) or type(exc).__name__) from exc
            except BaseException:
                await socket.close()
                raise

    async def run(self, hear: Hear) -> None:
        """Read until the connection is lost; events go to `hear`, which must not wait."""
        try:
            async for frame in self._socket:
                try:
                    message = json.loads(frame)
                    kind = message["type"]
                except (ValueError, KeyError, TypeError):
                    continue
                if kind == "res":
                    waiting = self._waiting.pop(str(message.get("id")), None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                elif kind == "event" and isinstance(payload := message.get("payload"), dict):
                    hear(str(message.get("event")), payload)
        except (OSError, WebSocketException):
            pass
        finally:
            self._lost = True
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(Gone("the connection to the gateway was lost"))

    async def request(self, method: str, **params: Any) -> Mapping[str, Any]:
        """Return the answer's payload; raises `Refused` or `Gone`."""
        if self._lost:
            raise Gone("the connection to the gateway was lost")
        self._last += 1
        identity = f"a{self._last}"
        future = self._waiting[identity] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._socket.send(_request(identity, method, params))
                message = await future
        except TimeoutError as exc:
            raise Gone(f"the gateway has not answered {method} in {ANSWER_S:g} s") from exc
        except (OSError, WebSocketException) as exc:
            raise Gone(str(exc)) from exc
        finally:
            self._waiting.pop(identity, None)
        return _payload(message)

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()


async def _shake_hands(socket: ClientConnection, token: str, version: str) -> Mapping[str, Any]:
    client = {"id": "gateway-client", "version": version, "platform": "linux", "mode": "backend"}
    while json.loads(await socket.recv()).get("event") != "connect.challenge":
        pass
    params = {
        "minProtocol": PROTOCOL,
        "maxProtocol": PROTOCOL,
        "client": client,
        "role": "operator",
        "scopes": SCOPES,
        "caps": CAPABILITIES,
        "auth": {"token": token},
    }
    await socket.send(_request("hello", "connect", params))
    while (message := json.loads(await socket.recv())).get("id") != "hello":
        pass
    return _payload(message)


def _request(identity: str, method: str, params: Mapping[str, Any]) -> str:
    return json.dumps({"type": "req", "id": identity, "method": method, "params": params}, separators=(",", ":"))


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if message.get("ok") is True:
        payload = message.get("payload")
        return payload if isinstance(payload, dict) else {}
    error = message.get("error")
    error = error if isinstance(error, dict) else {}
    retry = error.get("retryable") is True
    raise Refused(str(error.get("code") or ""), str(error.get("message") or "no reason given"), retry=retry)
