"""One client of an egress proxy: tunnels by CONNECT, plain HTTP in absolute form, one request judged at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import anyio
import h11

from aetherd.core.errors import AetherError
from aetherd.kernel.network.relay import relay
from aetherd.kernel.network.rules import spelled
from aetherd.kernel.network.way import Refused, Wanted, Way, Who

HEAD = 64 * 1024  # bytes of a request's line and headers
HEAD_S = 30.0  # for all of it, however slowly it drips
IDLE_S = 600.0  # a tunnel in which nothing moves, a connection without a request, an answer that does not come
CHUNK = 256 * 1024
HOP = {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te"}
NO_CLIENT = (OSError, h11.RemoteProtocolError, h11.LocalProtocolError, TimeoutError)


class Client:
    """A connection to a process's proxy."""

    def __init__(self, sock: socket.socket, who: Who, way: Way) -> None:
        self._sock, self._who, self._way = sock, who, way
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)

    async def serve(self) -> None:
        """Serve it to its end."""
        with suppress(*NO_CLIENT):
            while True:
                try:
                    request = await self._request()
                except h11.RemoteProtocolError as exc:
                    await self._answer(exc.error_status_hint, f"this is not HTTP that a proxy understands: {exc}")
                    return
                if not isinstance(request, h11.Request):
                    return
                if request.method == b"CONNECT":
                    await self._tunnel(request)
                    return
                if not await self._forward(request):
                    return
                self._http.start_next_cycle()

    async def _request(self) -> h11.Event | type[h11.PAUSED]:
        """Wait for a request to begin, and not long for its head to end."""
        if not self._http.trailing_data[0]:
            with anyio.fail_after(IDLE_S):
                self._http.receive_data(await asyncio.get_running_loop().sock_recv(self._sock, CHUNK))
        with anyio.fail_after(HEAD_S):
            return await _next(self._http, self._sock)

    async def _tunnel(self, request: h11.Request) -> None:
        place, _, port = request.target.decode().rpartition(":")
        host = spelled(place)
        if host is None or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
            await self._answer(400, "CONNECT wants HOST:PORT")
            return
        async with self._connected(Wanted(host, int(port))) as far:
            if far is None:
                return
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self._sock, b"HTTP/1.1 200 Connection established\r\n\r\n")
            if rest := self._http.trailing_data[0]:
                await loop.sock_sendall(far, rest)
            await relay(self._sock, far, IDLE_S)

    async def _forward(self, request: h11.Request) -> bool:
        """Pass one request on and its answer back; return whether another may follow on the connection."""
        try:
            parts = urlsplit(request.target.decode())
            host, port = spelled(parts.hostname or ""), parts.port or 80
        except ValueError:
            host = None
        if host is None or parts.scheme != "http":
            await self._answer(400, "this is a proxy: http://HOST/PATH, or CONNECT HOST:PORT for everything else")
            return False
        path = parts.path or "/"
        again = False
        async with self._connected(Wanted(host, port, request.method.decode(), path)) as far:
            if far is None:
                return False
            named = f"[{host}]" if ":" in host else host
            head = h11.Request(
                method=request.method,
                target=path + (f"?{parts.query}" if parts.query else ""),
                headers=_passed_on(request, named if port == 80 else f"{named}:{port}"),
            )
            there = h11.Connection(h11.CLIENT)
            try:
                await _send(there, far, head)
                again = await self._exchange(there, far)
            except NO_CLIENT as exc:
                if self._http.our_state is h11.SEND_RESPONSE:
                    await self._answer(502, f"{host} did not answer as HTTP does: {exc or 'not in time'}")
        return again

    async def _exchange(self, there: h11.Connection, far: socket.socket) -> bool:
        switched = False

        async def body() -> None:
            while not isinstance(event := await _next(self._http, self._sock), h11.EndOfMessage):
                if event is h11.PAUSED or not isinstance(event, h11.Data):
                    return
                await _send(there, far, event)
            await _send(there, far, event)

        async def answer() -> None:
            nonlocal switched
            while not switched and not isinstance(event := await _next(there, far), h11.EndOfMessage):
                if isinstance(event, h11.InformationalResponse | h11.Response):
                    switched = event.status_code == 101
                    hop = HOP - {b"connection"} if switched else HOP
                    event = type(event)(
                        status_code=event.status_code,
                        headers=[pair for pair in event.headers if pair[0] not in hop],
                        reason=event.reason,
                    )
                elif not isinstance(event, h11.Data):
                    raise h11.RemoteProtocolError("its answer ended too early")
                await _send(self._http, self._sock, event)

        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(_quietly, body)
            try:
                await answer()
            except NO_CLIENT as exc:  # not through the group, which would wrap it
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if switched:
            loop = asyncio.get_running_loop()
            if rest := there.trailing_data[0]:
                await loop.sock_sendall(self._sock, rest)
            if rest := self._http.trailing_data[0]:
                await loop.sock_sendall(far, rest)
            await relay(self._sock, far, IDLE_S)
            return False
        await _send(self._http, self._sock, h11.EndOfMessage())
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    @asynccontextmanager
    async def _connected(self, wanted: Wanted) -> AsyncIterator[socket.socket | None]:
        """Hold a connection; None: it was answered why there is none."""
        try:
            async with self._way.connected(self._who, wanted) as far:
                yield far
            return
        except Refused as exc:
            status, why = 403, str(exc)
        except AetherError as exc:
            status, why = 502, exc.message
        await self._answer(status, why)
        yield None

    async def _answer(self, status: int, text: str) -> None:
        """Answer for ourselves and end the connection."""
        said = f"aetherd: {text}\n".encode()
        headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(said)))]
        with suppress(*NO_CLIENT):
            answer = h11.Response(status_code=status, headers=[*headers, ("connection", "close")])
            await _send(self._http, self._sock, answer)
            await _send(self._http, self._sock, h11.Data(data=said))
            await _send(self._http, self._sock, h11.EndOfMessage())


def _passed_on(request: h11.Request, named: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request that go on: one Host, which is the one that was judged, and one framing.

    Of the protocols that a connection can become, WebSocket alone stays at the path that was judged.
    """
    headers = request.headers
    chosen = {word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")}
    has = {name for name, _ in headers}
    dropped = HOP | chosen | {b"host", b"upgrade"}
    if b"transfer-encoding" in has:
        dropped |= {b"content-length"}
    socket_wanted = (b"upgrade", b"websocket") in [(name, value.lower()) for name, value in headers]
    kept = [(name, value) for name, value in headers if name not in dropped]
    if socket_wanted and not has & {b"content-length", b"transfer-encoding"}:
        ending = [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
    else:
        ending = [(b"connection", b"close")]
    return [(b"host", named.encode()), *kept, *ending]


async def _quietly(body: Callable[[], Awaitable[None]]) -> None:
    with suppress(*NO_CLIENT):
        await body()


async def _next(http: h11.Connection, sock: socket.socket) -> h11.Event | type[h11.PAUSED]:
    while isinstance(event := http.next_event(), type) and event is not h11.PAUSED:
        if http.they_are_waiting_for_100_continue and http.our_role is h11.SERVER:
            await _send(http, sock, h11.InformationalResponse(status_code=100, headers=[]))
        with anyio.fail_after(IDLE_S):
            http.receive_data(await asyncio.get_running_loop().sock_recv(sock, CHUNK))
    return event


async def _send(http: h11.Connection, sock: socket.socket, event: h11.Event) -> None:
    data = http.send(event)
    if data:
        with anyio.fail_after(IDLE_S):
            await asyncio.get_running_loop().sock_sendall(sock, data)
