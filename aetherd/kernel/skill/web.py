"""One request of an `http` step: to public addresses only, bounded in time, bytes and redirects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2

from aetherd.core.errors import Invalid, Unavailable
from aetherd.core.outbound import pinned, resolved

BYTES, REDIRECTS = 1 << 20, 5
OWN = {"host", "content-length", "transfer-encoding", "connection"}  # headers that are not the step's to set


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back."""

    status: int
    out: Any  # JSON when it says so, else text


async def request(
    method: str, url: str, headers: Mapping[str, str], body: Any, *, timeout_s: float, private: bool
) -> Answered:
    """Send a request; raises `Forbidden` for an address that is not public, `Unavailable` when nobody answers."""
    given = {name: value for name, value in headers.items() if name.lower() not in OWN}
    content: bytes | None = None
    if body is not None:
        content = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
        if not isinstance(body, str) and "content-type" not in {name.lower() for name in given}:
            given["content-type"] = "application/json"
    limits = httpx2.Timeout(timeout_s)
    try:
        with anyio.fail_after(timeout_s):
            async with httpx2.AsyncClient(trust_env=False, timeout=limits, follow_redirects=False) as client:
                for _ in range(REDIRECTS + 1):
                    answer, data = await _once(client, method, url, given, content, private)
                    if answer.status_code not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
                        return Answered(answer.status_code, _read(answer, data))
                    before, url = url, urljoin(url, answer.headers["location"])
                    if urlsplit(before)[:2] != urlsplit(url)[:2]:  # another host gets no secrets of the first
                        given = {k: v for k, v in given.items() if k.lower() not in ("authorization", "cookie")}
                    if answer.status_code in (301, 302, 303) and method != "HEAD":
                        method, content = "GET", None
        raise Unavailable(f"{url[:200]} redirects more than {REDIRECTS} times")
    except TimeoutError as exc:
        raise Unavailable(f"{url[:200]} did not answer in {timeout_s:g} s") from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as exc:
        raise Unavailable(f"{url[:200]}: {str(exc) or type(exc).__name__}") from exc


async def _once(
    client: httpx2.AsyncClient, method: str, url: str, headers: Mapping[str, str], content: bytes | None, private: bool
) -> tuple[httpx2.Response, bytes]:
    host, address = await resolved(url, private=private)
    place, named = pinned(url, address)
    async with client.stream(
        method,
        place,
        headers={**headers, "host": named},
        content=content,
        extensions={"sni_hostname": host},
    ) as answer:
        data = b""
        async for chunk in answer.aiter_bytes():
            data += chunk
            if len(data) > BYTES:
                raise Invalid(f"{url[:200]} answers more than {BYTES:,} bytes", limit=BYTES)
        return answer, data


def _read(answer: httpx2.Response, data: bytes) -> Any:
    text = data.decode(answer.charset_encoding or "utf-8", "replace")
    if "json" in answer.headers.get("content-type", ""):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
