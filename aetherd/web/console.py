"""The built console: static files, precompressed, hashed ones cached for ever, else its one page."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from aetherd.core.errors import NotFound
from aetherd.web.answers import NO_STORE
from aetherd.web.auth import only, page

BUILT = Path(__file__).parent / "static"
HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}
NOT_PAGES = ("v1", "mcp", "llm", "hooks", ".well-known")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    etag: str
    gzip: bool


class Console:
    """Serves the folder the console was built into."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = (folder or BUILT).resolve()

    async def file(self, request: Request) -> Response:
        """Answer any path that is nothing else."""
        path = request.url.path.lstrip("/")
        if path.partition("/")[0] in NOT_PAGES or "\0" in path:
            raise NotFound("there is nothing at this path", kind="path", id=path[:200])
        only(request, "GET", "HEAD")
        compressed = "gzip" in request.headers.get("accept-encoding", "")
        asset = await to_thread.run_sync(self._load, path, compressed) if path else None
        name = path
        if asset is None:
            if path.startswith("assets/"):
                raise NotFound("there is nothing at this path", kind="path", id=path[:200])
            name = "index.html"
            asset = await to_thread.run_sync(self._load, name, compressed)
        if asset is None:
            text = "The daemon runs, but its console has not been built yet."
            return HTMLResponse(page("No console here", text, "make ui"), 200 if not path else 404, NO_STORE)
        return self._answer(request, name, asset)

    def _answer(self, request: Request, name: str, asset: Asset) -> Response:
        lasting = name.startswith("assets/") and HASHED.search(name) is not None
        headers = {
            "etag": asset.etag,
            "vary": "accept-encoding",
            "cache-control": "public, max-age=31536000, immutable" if lasting else "no-cache",
        }
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if asset.gzip:
            headers["content-encoding"] = "gzip"
        suffix = Path(name).suffix
        kind = TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(asset.body, 200, headers, kind)

    def _load(self, name: str, compressed: bool) -> Asset | None:
        """Read a file of the folder, or its compressed twin; nothing outside, not even by a link."""
        try:
            path = (self._folder / name).resolve()
        except (OSError, ValueError):
            return None
        if not path.is_relative_to(self._folder):
            return None
        twin = path.with_name(path.name + ".gz")
        for candidate, gzip in ((twin, True), (path, False)):
            if gzip and (not compressed or twin.is_symlink()):
                continue
            try:
                body, stat = candidate.read_bytes(), candidate.stat()
            except OSError:
                continue
            return Asset(body, f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"', gzip)
        return None
