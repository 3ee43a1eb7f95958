"""GET and PUT /v1/files/{agent}/{path}: whole files, streamed, with ranges; never run by a browser."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from aetherd.core.errors import Invalid, Unavailable
from aetherd.operations.house import FileBodies, FileBody, House
from aetherd.web.answers import TooSlow, json_answer
from aetherd.web.auth import authenticate, only

CHUNK_S = 60.0  # an upload that sends nothing for this long is given up
ACTIVE = ("html", "xml", "svg", "javascript", "ecmascript")  # kinds a browser could run are only downloaded


class Files:
    """The bodies of agents' files."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def body(self, request: Request) -> ASGIApp:
        """Read or write one file."""
        only(request, "GET", "HEAD", "PUT")
        call, _ = await authenticate(self._house, request.scope)
        agent, path = request.path_params["agent"], request.path_params["path"]
        if self._house.files is None:
            raise Unavailable("file bodies are not served by this daemon")
        if "\0" in agent + path:
            raise Invalid("a path cannot contain NUL")
        if request.method == "PUT":
            return json_answer(await self._house.files.put_file(call, agent, path, upload(request)))
        return await self._read(self._house.files, request, await self._house.files.open_file(call, agent, path), path)

    async def _read(self, files: FileBodies, request: Request, file: FileBody, path: str) -> Response:
        etag = f'"{math.floor(file.modified * 1e6):x}-{file.size:x}"'
        headers = {
            "etag": etag,
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "content-security-policy": "sandbox; default-src 'none'",
            "content-disposition": disposition(file.media_type, path),
        }
        if etag in request.headers.get("if-none-match", ""):
            await file.aclose()
            return Response(status_code=304, headers=headers)
        start, end, status = 0, file.size, 200
        if (wanted := request.headers.get("range")) and request.headers.get("if-range", etag) == etag:
            try:
                span = byte_range(wanted, file.size)
            except ValueError:
                await file.aclose()
                return Response(status_code=416, headers={**headers, "content-range": f"bytes */{file.size}"})
            if span is not None:
                (start, end), status = span, 206
                headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
        headers["content-length"] = str(end - start)
        if request.method == "HEAD":
            await file.aclose()
            return Response(status_code=status, headers=headers, media_type=file.media_type)
        return StreamingResponse(download(file, start, end), status, headers, file.media_type)


async def download(file: FileBody, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield a part of the file, and close it however the transfer ends."""
    try:
        async for data in file.read(start, end):
            yield data
    finally:
        with anyio.CancelScope(shield=True):
            await file.aclose()


async def upload(request: Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes; one that breaks off raises, so that nothing half is kept."""
    chunks = request.stream()
    while True:
        try:
            with anyio.fail_after(CHUNK_S):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise TooSlow("the upload came to a halt") from None
        except ClientDisconnect:
            raise Invalid("the upload broke off") from None
        if chunk is None:
            return
        if chunk:
            yield chunk


def disposition(media_type: str, path: str) -> str:
    """Show plain text and pictures; anything else, and whatever could run, is a download."""
    kind = media_type.partition(";")[0].lower()
    shown = kind.startswith(("text/", "image/")) and not any(word in kind for word in ACTIVE)
    name = path.rstrip("/").rpartition("/")[2]
    return f"{'inline' if shown else 'attachment'}; filename*=utf-8''{quote(name, safe='', errors='replace')}"


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a Range header as start <= i < end; None means the whole file, ValueError that it lies outside."""
    match = re.fullmatch(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", header)
    if match is None or not (match[1] or match[2]):
        return None  # several ranges, another unit, or nonsense: RFC 9110 lets us send everything
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise ValueError(header)
        return size - length, size
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise ValueError(header)
    return start, end
