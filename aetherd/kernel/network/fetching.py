"""One page fetched for an agent: each hop judged by its policy, the address that was judged connected to."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2

from aetherd.core.errors import Forbidden, Invalid, Unavailable
from aetherd.core.outbound import pinned, web_address
from aetherd.kernel.network.rules import spelled
from aetherd.kernel.network.way import Refused, Wanted, Way, Who

REDIRECTS = 10
MOVED = (301, 302, 303, 307, 308)
SECRET = ("authorization", "cookie", "proxy-authorization")
OURS = ("host", "accept-encoding", "connection", "content-length", "transfer-encoding", "upgrade")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back; `body` is unpacked and at most `max_bytes` long, names of `headers` are in lower case."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes
    truncated: bool


async def fetched(
    way: Way, who: Who, url: str, method: str, headers: Mapping[str, str], *, max_bytes: int, deadline_s: float
) -> Fetched:
    """Fetch a page and follow where it leads."""
    given = {name: value for name, value in headers.items() if name.lower() not in OURS}
    timeout = httpx2.Timeout(deadline_s)
    try:
        with anyio.fail_after(deadline_s):
            async with httpx2.AsyncClient(trust_env=False, timeout=timeout, follow_redirects=False) as client:
                for _ in range(REDIRECTS + 1):
                    found = await _once(client, way, who, method, url, given, max_bytes)
                    if found.status not in MOVED or "location" not in found.headers:
                        return found
                    before, url = url, urljoin(url, found.headers["location"])
                    if urlsplit(before)[:2] != urlsplit(url)[:2]:  # another host gets no secrets of the first
                        given = {name: value for name, value in given.items() if name.lower() not in SECRET}
                    if found.status < 307 and method != "HEAD":
                        method = "GET"
        raise Unavailable(f"{url[:200]} redirects more than {REDIRECTS} times")
    except TimeoutError as exc:
        raise Unavailable(f"{url[:200]} did not answer in {deadline_s:g} s") from exc
    except Refused as exc:
        raise Forbidden(str(exc), url=url[:500]) from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, zlib.error) as exc:
        raise Unavailable(f"{url[:200]}: {str(exc) or type(exc).__name__}") from exc


async def _once(
    client: httpx2.AsyncClient,
    way: Way,
    who: Who,
    method: str,
    url: str,
    headers: Mapping[str, str],
    max_bytes: int,
) -> Fetched:
    parts, name, port = web_address(url)
    if (host := spelled(name)) is None:
        raise Invalid(f"{name[:200]!r} is no host", field="url")
    wanted = Wanted(host, port or (443 if parts.scheme == "https" else 80), method, parts.path or "/")
    address = (await way.judged(who, wanted))[0]
    place, _ = pinned(url, str(address))
    named = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    extensions = {"sni_hostname": host}
    asked = {**headers, "host": named, "accept-encoding": "gzip"}
    async with client.stream(method, place, headers=asked, extensions=extensions) as answer:
        body = bytearray()
        unpacked = _unpacked(answer.headers.get("content-encoding", ""))
        async for chunk in answer.aiter_raw():
            body += unpacked(chunk, max_bytes + 1 - len(body))
            if len(body) > max_bytes:
                break
        whole = bytes(body[:max_bytes])
        return Fetched(answer.status_code, url, dict(answer.headers), whole, len(body) > max_bytes)


def _unpacked(coding: str) -> Callable[[bytes, int], bytes]:
    """Return what unpacks chunks, never into more bytes than are wanted: some KB can hold some GB."""
    if coding.lower() in ("", "identity"):
        return lambda chunk, most: chunk[:most]
    if coding.lower() not in ("gzip", "x-gzip"):
        raise Unavailable(f"it came packed as {coding[:50]!r}, which was not asked for")
    packed = zlib.decompressobj(wbits=31)
    return lambda chunk, most: packed.decompress(packed.unconsumed_tail + chunk, most)
