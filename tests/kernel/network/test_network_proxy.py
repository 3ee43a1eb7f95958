"""The proxy against a client that means no good. Every name leads to loopback; nothing leaves this machine."""

from __future__ import annotations

import asyncio
import gzip
import select
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Forbidden, Unavailable
from aetherd.kernel.network import proxy, way
from aetherd.kernel.network.book import Tried
from aetherd.kernel.network.fetching import fetched
from aetherd.kernel.network.rules import Policy, policy
from aetherd.kernel.network.way import Refused, Wanted, Way, Who

pytestmark = pytest.mark.anyio
WHO = Who(7, "agent_a", "owner", "home")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Notes:
    """Stands for the book: keeps what was noted."""

    def __init__(self) -> None:
        self.all: list[Tried] = []

    def note(self, tried: Tried) -> None:
        self.all.append(tried)


class Street:
    """A way out on which every name is this machine, and a service at its end that keeps what it was sent."""

    def __init__(self, port: int) -> None:
        self.port, self.heard, self.answer = port, b"", OK
        self.policy = policy("rules", [f"127.0.0.1:{port}", f"web.test:{port}"])
        self.notes, self.asked = Notes(), list[str]()
        self.way = Way(lambda _: self.policy, self.notes)  # type: ignore[arg-type]
        self.addresses: Callable[[str], Sequence[str]] = lambda host: ["127.0.0.1"]
        self.way.resolve = self._resolve

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.addresses(host)

    def set(self, wanted: Policy) -> None:
        self.policy = wanted
        self.way.changed(WHO.agent)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                self.heard += data
                if b"\r\n\r\n" in self.heard and self.answer:
                    writer.write(self.answer.replace(b"PORT", str(self.port).encode()))
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def street(anyio_backend: str) -> AsyncIterator[Street]:
    found: list[Street] = []
    server = await asyncio.start_server(lambda r, w: found[0].serve(r, w), "127.0.0.1", 0)
    found.append(Street(server.sockets[0].getsockname()[1]))
    yield found[0]
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def client(street: Street) -> AsyncIterator[socket.socket]:
    """A connection to the proxy, which serves it meanwhile."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with anyio.fail_after(20), near:
        async with anyio.create_task_group() as group:

            async def serve() -> None:
                with far:
                    await proxy.Client(far, WHO, street.way).serve()

            group.start_soon(serve)
            yield near
            group.cancel_scope.cancel()


async def heard(sock: socket.socket, until: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """Read until it is enough, or to the end."""
    said, loop = b"", asyncio.get_running_loop()
    while not until(said) and (data := await loop.sock_recv(sock, 65536)):
        said += data
    return said


async def hung_up(sock: socket.socket) -> None:
    """Wait until the other side is gone; reads nothing."""
    ends = select.poll()
    ends.register(sock, 0)
    while not any(mask & select.POLLHUP for _, mask in ends.poll(0)):
        await anyio.sleep(0.01)


async def say(street: Street, text: str | bytes) -> bytes:
    """Say something to the proxy and return all it answers; PORT is the service's."""
    raw = (text.encode() if isinstance(text, str) else text).replace(b"PORT", str(street.port).encode())
    async with client(street) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, raw)
        sock.shutdown(socket.SHUT_WR)
        return await heard(sock)


NONSENSE = {
    "garbage": "\x00\x01\x02\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "origin form": "GET / HTTP/1.1\r\nHost: web.test:PORT\r\n\r\n",
    "https in the open": "GET https://web.test:PORT/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "another scheme": "GET ftp://web.test:PORT/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": "GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n",
    "an open bracket": "GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a zone": "GET http://[fe80::1%25lo]:PORT/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a port too high": "GET http://web.test:99999/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT without a port": "CONNECT web.test HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT to port 0": "CONNECT web.test:0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT to a huge port": f"CONNECT web.test:{'9' * 5000} HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT as somebody": "CONNECT me:secret@web.test:PORT HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT to a URL": "CONNECT http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT to a path": "CONNECT /run/aether/s:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "two hosts": "GET http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a line end in a header": "GET http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "two lengths": "GET http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "odd chunks": "POST http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
    "a head of 70 KB": f"GET http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\nA: {'b' * 70_000}",
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_answered_and_reaches_nobody(street: Street, text: str) -> None:
    street.policy = policy("all", ["127.0.0.0/8"])
    answer = await say(street, text)
    assert answer.split()[1][:1] in (b"4", b"5"), answer
    assert (street.heard, street.asked, street.notes.all) == (b"", [], [])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost",
     "LOCALHOST.", "web.test"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["GET http://{}:PORT/ HTTP/1.1", "CONNECT {}:PORT HTTP/1.1"])
async def test_this_machine_is_refused_in_every_spelling(street: Street, host: str, form: str) -> None:
    street.policy = policy("all", [])
    street.way.resolve = lambda host, port: _fixed(street, host, port)
    answer = await say(street, form.format(host) + "\r\nHost: x\r\n\r\n")
    assert b" 403 " in answer.splitlines()[0], answer
    assert street.heard == b""
    assert [note.allowed for note in street.notes.all] == [False]


async def _fixed(street: Street, host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"] if host.endswith(".test") else await way.looked_up(host, port)


async def test_what_is_judged_is_what_is_asked_for_whatever_the_headers_say(street: Street) -> None:
    head = (
        "GET http://me:secret@WEB.test.:PORT/x?token=secret#y HTTP/1.1\r\nHost: admin.test\r\n"
        "Connection: close, x-mine\r\nX-Mine: 1\r\nProxy-Authorization: Basic x\r\nUpgrade: h2c\r\nX-Other: 2\r\n\r\n"
    )
    assert b" 200 " in await say(street, head)
    lines = street.heard.lower().split(b"\r\n")
    assert lines[0] == b"get /x?token=secret http/1.1"
    assert [line for line in lines if line.startswith(b"host:")] == [f"host: web.test:{street.port}".encode()]
    assert not [line for line in lines if line.startswith((b"x-mine", b"proxy-", b"upgrade"))]
    assert (b"x-other: 2" in lines, b"connection: close" in lines) == (True, True)
    assert "secret" not in repr(street.notes.all)


async def test_a_request_hides_no_second_one_behind_two_framings(street: Street) -> None:
    street.policy = policy("rules", [f"POST http://{host}:{street.port}/in" for host in ("web.test", "127.0.0.1")])
    inner = "GET /admin HTTP/1.1\r\nHost: web.test\r\n\r\n"
    head = "POST http://web.test:PORT/in HTTP/1.1\r\nHost: x\r\n"
    await say(
        street, f"{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{len(inner):x}\r\n{inner}\r\n0\r\n\r\n"
    )
    assert b"content-length" not in street.heard.lower()
    assert street.heard.lower().count(b"transfer-encoding: chunked") == 1
    street.heard = b""
    answer = await say(
        street, f"{head}Content-Length: 2\r\n\r\nok{inner.replace('/admin', 'http://web.test:PORT/admin')}"
    )
    assert (answer.count(b" 200 "), answer.count(b" 403 ")) == (1, 1)  # the second is judged by itself
    assert b"admin" not in street.heard


async def test_an_upgrade_is_a_websocket_or_none(street: Street) -> None:
    street.answer = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello"
    head = "GET http://web.test:PORT/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
    assert (await say(street, head + "\r\n")).endswith(b"\r\n\r\nhello")
    street.heard = b""
    await say(street, head + "Content-Length: 1\r\n\r\nx")
    assert b"upgrade" not in street.heard.lower()


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\r\n\r\n\r\n"]
)
async def test_a_service_that_speaks_no_http_is_told_of(street: Street, answer: bytes) -> None:
    street.answer = answer
    assert b" 502 " in await say(street, "GET http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\n\r\n")


async def test_a_head_that_drips_is_not_waited_for(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "HEAD_S", 0.2)
    async with client(street) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):
            for byte in b"GET http://web.test/" + b"x" * 10_000:
                sock.send(bytes([byte]))
                await anyio.sleep(0.005)
        await hung_up(sock)


async def test_a_tunnel_nobody_reads_ends_and_so_does_one_in_which_nothing_moves(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "IDLE_S", 0.2)
    street.answer = b"x" * 10_000_000
    for text in (b"\r\n\r\n", b"x"):
        async with client(street) as sock:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, f"CONNECT web.test:{street.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert b" 200 " in await heard(sock, lambda said: b"\r\n\r\n" in said)
            await loop.sock_sendall(sock, text)
            await hung_up(sock)


async def test_a_tunnel_that_a_new_policy_refuses_ends_and_others_go_on(street: Street) -> None:
    street.answer = b""
    loop = asyncio.get_running_loop()
    async with client(street) as first, client(street) as second:
        for sock, host in ((first, "web.test"), (second, "127.0.0.1")):
            await loop.sock_sendall(sock, f"CONNECT {host}:{street.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert b" 200 " in await heard(sock, lambda said: b"\r\n\r\n" in said)
        street.set(policy("rules", [f"127.0.0.1:{street.port}"]))
        assert await heard(first) == b""
        await loop.sock_sendall(second, b"still here")
        with anyio.fail_after(5):
            while b"still here" not in street.heard:
                await anyio.sleep(0.01)
        assert await say(street, "CONNECT web.test:PORT HTTP/1.1\r\nHost: x\r\n\r\n") != b""
        assert street.notes.all[-1].allowed is False


async def test_a_name_is_looked_up_once_and_one_bad_address_closes_it(street: Street) -> None:
    turns = iter([["127.0.0.1"], ["10.0.0.5"]])
    street.addresses = lambda host: next(turns)
    assert b" 200 " in await say(street, "GET http://web.test:PORT/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert street.asked == ["web.test"]
    with pytest.raises(Refused, match=r"10\.0\.0\.5 is on this machine"):
        await street.way.judged(WHO, Wanted("web.test", street.port))
    street.addresses = lambda host: ["8.8.8.8", "127.0.0.2"]
    with pytest.raises(Refused, match=r"127\.0\.0\.2"):
        await street.way.judged(WHO, Wanted("web.test", street.port))  # judged only: nothing connects


async def test_a_name_that_no_rule_names_is_not_even_looked_up(street: Street) -> None:
    assert b" 403 " in await say(street, "CONNECT secret-data.evil.test:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert street.asked == []


async def get(street: Street, url: str, **headers: str) -> Any:
    url = url.replace("PORT", str(street.port))
    return await fetched(street.way, WHO, url, "GET", headers, max_bytes=1000, deadline_s=5)


async def test_a_fetch_follows_no_redirect_to_where_it_may_not_go(street: Street) -> None:
    for place in ("http://127.0.0.1:9/", "http://169.254.169.254/latest", "http://2130706433:9/", "//inner.test/"):
        street.heard, street.answer = b"", f"HTTP/1.1 302 X\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
        with pytest.raises(Forbidden):
            await get(street, "http://web.test:PORT/")
    street.answer = b"HTTP/1.1 302 X\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(Unavailable, match="more than 10 times"):
        await get(street, "http://web.test:PORT/")


async def test_a_fetch_names_the_host_that_was_judged_and_unpacks_no_bomb(street: Street) -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    street.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(bomb), bomb)
    found = await get(street, "http://web.test:PORT/", Host="admin.test", Connection="upgrade")
    assert (found.body, found.truncated) == (b"x" * 1000, True)
    lines = street.heard.lower().split(b"\r\n")
    assert [line for line in lines if line.startswith(b"host:")] == [f"host: web.test:{street.port}".encode()]
    street.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx"
    with pytest.raises(Unavailable, match="not asked for"):
        await get(street, "http://web.test:PORT/")
