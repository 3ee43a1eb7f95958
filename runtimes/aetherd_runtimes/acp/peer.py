"""JSON-RPC 2.0 with the agent, one object per line, both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

METHOD_NOT_FOUND, INVALID, INTERNAL, NOT_FOUND, CANCELLED = -32601, -32602, -32603, -32002, -32800
AT_ONCE = 64  # requests of the agent's that are served at once

Params = Mapping[str, Any]


class Refused(Exception):
    """Raised when the other side answers with an error, or to answer with one."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


class Gone(Exception):
    """Raised when the agent has ended."""


class Peer:
    """Matches answers to questions; hands what the agent asks and says to whoever serves it."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        write: Callable[[bytes], Awaitable[None]],
        serve: Callable[[str, Params], Awaitable[Any]],
        note: Callable[[str, Params], None],
        trouble: Callable[[str], None],
    ) -> None:
        self._group, self._write, self._serve, self._note, self._trouble = group, write, serve, note, trouble
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._serving: dict[Any, asyncio.Task[None]] = {}
        self._gone = False

    async def send(self, method: str, params: Params) -> asyncio.Future[Any]:
        """Send a request; the future is its result, or `Refused`, or `Gone`."""
        if self._gone:
            raise Gone
        self._number += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        await self._put(id=self._number, method=method, params=params)
        return future

    async def ask(self, method: str, params: Params, patience: float) -> Any:
        """Send a request and return its result; raises `Refused`, `Gone`, or `TimeoutError`."""
        future = await self.send(method, params)
        async with asyncio.timeout(patience):
            return await future

    async def tell(self, method: str, params: Params) -> None:
        """Send a notification."""
        await self._put(method=method, params=params)

    def hear(self, line: bytes) -> None:
        """Take one line of the agent's; what makes no sense is told as trouble and left out."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"method": str(method), "id": int() | str() as identity}:
                self._begin(identity, method, _params(message))
            case {"method": "$/cancel_request"}:
                wanted = _params(message).get("requestId")
                if isinstance(wanted, int | str) and (task := self._serving.get(wanted)) is not None:
                    task.cancel()
            case {"method": str(method)}:
                self._note(method, _params(message))
            case {"id": int(number)} if (future := self._waiting.pop(number, None)) is not None:
                if not future.done():
                    _settle(future, message)
            case {"id": _}:
                pass  # an answer nobody waits for any more
            case _:
                self._trouble(f"not understood: {line[:500].decode('utf-8', 'replace')}")

    def gone(self) -> None:
        """Fail whatever waits for the agent, which has ended."""
        self._gone = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Gone())
                future.exception()  # also one that nobody looks at
        self._waiting.clear()

    def _begin(self, identity: int | str, method: str, params: Params) -> None:
        if identity in self._serving or len(self._serving) >= AT_ONCE:
            answer = self._put(
                id=identity, error={"code": INTERNAL, "message": f"more than {AT_ONCE} requests at once"}
            )
            self._group.create_task(answer)
            return
        self._serving[identity] = self._group.create_task(self._answer(identity, method, params))

    async def _answer(self, identity: int | str, method: str, params: Params) -> None:
        try:
            result = await self._serve(method, params)
        except Refused as error:
            await self._put(id=identity, error={"code": error.code, "message": error.message})
        except asyncio.CancelledError:
            if self._gone:
                raise
            await self._put(id=identity, error={"code": CANCELLED, "message": "cancelled"})
        except Exception as error:  # the boundary to what the agent asks for: it gets an answer, and we live on
            await self._put(id=identity, error={"code": INTERNAL, "message": f"{type(error).__name__}: {error}"})
        else:
            await self._put(id=identity, result=result)
        finally:
            self._serving.pop(identity, None)

    async def _put(self, **message: Any) -> None:
        await self._write(json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n")


def _params(message: Mapping[str, Any]) -> Params:
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def _settle(future: asyncio.Future[Any], message: Mapping[str, Any]) -> None:
    if (error := message.get("error")) is None:
        future.set_result(message.get("result"))
        return
    error = error if isinstance(error, dict) else {"message": str(error)}
    code = error.get("code")
    text = str(error.get("message") or "no reason given")
    future.set_exception(Refused(code if isinstance(code, int) else INTERNAL, text, error.get("data")))
    future.exception()  # also one that nobody looks at
