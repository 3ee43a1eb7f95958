"""The connections to providers: kept open, bounded, one answer each. The only code that sends a key anywhere.

Imported only once the house is up: aiohttp takes 80 ms, in which agents are looked after.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import aiohttp
from yarl import URL

from aetherd.kernel.model.reply import Lost, Reply
from aetherd.operations.gateway import Headers

CONNECT_S = 10.0
SILENCE_S = 900.0  # a model may think for so long before the next byte
IDLE_S = 30.0  # a connection that nobody uses is kept this long
BUFFER = 256 * 1024
HEAD = 64 * 1024

# Of the connection, not of the message; or ours to say.
HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade host content-length".split()
)
NOT_SENT = HOP | frozenset(
    b"authorization x-api-key x-goog-api-key api-key cookie accept-encoding expect forwarded x-forwarded-for"
    b" x-forwarded-host x-forwarded-proto origin referer".split()
)
KEYS = ("authorization", "x-api-key", "x-goog-api-key")
HIDDEN = b"[redacted]"
NOT_BACK = HOP | frozenset(b"set-cookie date server strict-transport-security alt-svc nel report-to".split())


class Upstream:
    """One pool of connections for all providers."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1024, keepalive_timeout=IDLE_S, ttl_dns_cache=60),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=HEAD,
                max_field_size=HEAD,
                read_bufsize=BUFFER,
                trust_env=True,
            )
        return self._session

    @asynccontextmanager
    async def open(
        self, method: str, url: str, headers: Headers, more: dict[str, str], body: bytes
    ) -> AsyncIterator[Reply]:
        """Send a request and wait for the head of its answer; raises `Lost`."""
        taken = {name.encode() for name in more}
        sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers if name not in taken]
        given = [*((name, value) for name, value in sent if name.encode() not in NOT_SENT), *more.items()]
        try:
            answer = await self._pool().request(
                method,
                URL(url, encoded=True),
                headers=[*given, ("accept-encoding", "identity")],
                data=body or None,
                allow_redirects=False,  # the key is for this address alone
                skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            host = URL(url).host
            unsent = isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | ValueError)
            raise Lost(f"{host} gave no answer: {_said(exc)}", sent=not unsent) from exc
        async with answer:
            hidden = [value.rpartition(" ")[2].encode() for name, value in more.items() if name in KEYS]
            back = tuple(
                (name.lower(), value)
                for name, value in answer.raw_headers
                if name.lower() not in NOT_BACK and not any(one in value for one in hidden)
            )
            chunks = _chunks(answer)
            if answer.status >= 400:  # some say in an error what they were sent
                for one in hidden:
                    chunks = without(one, chunks)
            yield Reply(answer.status, back, answer.content_type, chunks)


async def without(secret: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the bytes without a key that is in them, however they are cut."""
    rest = b""
    async with aclosing(chunks):
        async for data in chunks:
            rest = (rest + data).replace(secret, HIDDEN)
            sure = max(0, len(rest) - len(secret) + 1)
            if sure:
                yield rest[:sure]
            rest = rest[sure:]
    if rest:
        yield rest


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield bytes as they come, all that are there at once."""
    content = answer.content
    try:
        while data := await content.readany():
            yield data
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise Lost(f"{answer.url.host} cut its answer: {_said(exc)}", sent=True) from exc


def _said(exc: BaseException) -> str:
    """Say what happened, in one line."""
    text: Sequence[str] = str(exc).splitlines()
    return text[0][:200] if text else type(exc).__name__
