"""File bodies: ranges, caching, uploads, and that no browser runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from web_lab import Served, error_of, serve, served

from aetherd.core.errors import Forbidden, NotFound
from aetherd.operations.operation import Call

pytestmark = pytest.mark.anyio

__all__ = ["served"]


class Body:
    def __init__(self, data: bytes, media_type: str) -> None:
        self.data, self.size, self.modified, self.media_type = data, len(data), 1e9, media_type
        self.closed = 0

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        for at in range(start, end, 7):
            yield self.data[at : min(at + 7, end)]

    async def aclose(self) -> None:
        self.closed += 1


class Bodies:
    """Files in memory."""

    def __init__(self) -> None:
        self.bodies = {
            "notes.txt": Body(bytes(range(100)), "text/plain"),
            "evil.html": Body(b"<script>alert(1)</script>", "text/html"),
            "evil.svg": Body(b"<svg/>", "image/svg+xml"),
            "empty": Body(b"", "application/octet-stream"),
            'a "name"; x=y ü.bin': Body(b"x", "application/octet-stream"),
        }
        self.failed = anyio.Event()

    async def open_file(self, call: Call, agent: str, path: str) -> Body:
        if agent != "mine":
            raise Forbidden("not yours")
        if path not in self.bodies:
            raise NotFound(f"no file {path}")
        return self.bodies[path]

    async def put_file(self, call: Call, agent: str, path: str, body: AsyncIterator[bytes]) -> dict[str, Any]:
        data = b""
        try:
            async for part in body:
                data += part
        except Exception:
            self.failed.set()
            raise
        self.bodies[path] = Body(data, "application/octet-stream")
        return {"path": path, "size": len(data)}


@pytest.fixture
async def filed(house: Any) -> AsyncIterator[tuple[Served, Bodies]]:
    files = Bodies()
    house.house.files = files
    async with serve(house) as served:
        yield served, files


async def test_a_file_is_served_whole_and_in_parts(filed: tuple[Served, Bodies]) -> None:
    served, files = filed
    path, data = "/v1/files/mine/notes.txt", bytes(range(100))
    answer = await served.client.get(path)
    assert (answer.status_code, answer.content, answer.headers["accept-ranges"]) == (200, data, "bytes")
    for wanted, status, part, span in (
        ("bytes=0-9", 206, data[:10], "bytes 0-9/100"),
        ("bytes=90-", 206, data[90:], "bytes 90-99/100"),
        ("bytes=-5", 206, data[95:], "bytes 95-99/100"),
        ("bytes=-500", 206, data, "bytes 0-99/100"),
        ("bytes=50-999", 206, data[50:], "bytes 50-99/100"),
        ("bytes=100-", 416, b"", "bytes */100"),
        ("bytes=-0", 416, b"", "bytes */100"),
        ("bytes=5-2", 200, data, None),
        ("bytes=0-1,5-6", 200, data, None),
        ("lines=1-2", 200, data, None),
        ("bytes=" + "9" * 30 + "-", 200, data, None),
    ):
        answer = await served.client.get(path, headers={"range": wanted})
        assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, part, span)
    assert files.bodies["notes.txt"].closed == 12


async def test_an_unchanged_file_is_not_sent_again(filed: tuple[Served, Bodies]) -> None:
    served, _ = filed
    path = "/v1/files/mine/notes.txt"
    answer = await served.client.head(path)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "100")
    etag = answer.headers["etag"]
    assert (await served.client.get(path, headers={"if-none-match": etag})).status_code == 304
    assert (await served.client.get(path, headers={"range": "bytes=0-1", "if-range": etag})).status_code == 206
    assert (await served.client.get(path, headers={"range": "bytes=0-1", "if-range": '"old"'})).status_code == 200


async def test_no_file_can_run_in_a_browser(filed: tuple[Served, Bodies]) -> None:
    served, files = filed
    for name in files.bodies:
        answer = await served.client.get(f"/v1/files/mine/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "\n" not in answer.headers["content-disposition"]
        shown = answer.headers["content-disposition"].partition(";")[0]
        assert shown == ("inline" if name == "notes.txt" else "attachment")


async def test_an_upload_is_streamed_past_the_bound_of_json(filed: tuple[Served, Bodies]) -> None:
    served, files = filed
    answer = await served.client.put("/v1/files/mine/new/big.bin", content=b"x" * (6 * 1024 * 1024))
    assert answer.json() == {"path": "new/big.bin", "size": 6 * 1024 * 1024}
    assert files.bodies["new/big.bin"].size == 6 * 1024 * 1024


async def test_an_upload_that_breaks_off_leaves_nothing(filed: tuple[Served, Bodies]) -> None:
    served, files = filed
    async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
        request = (
            f"PUT /v1/files/mine/half HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\n"
            "Content-Length: 100\r\n\r\nhalf"
        )
        await stream.send(request.encode())
    with anyio.fail_after(5):
        await files.failed.wait()
    assert "half" not in files.bodies


async def test_errors_of_files_have_the_one_shape(filed: tuple[Served, Bodies]) -> None:
    served, _ = filed
    assert error_of(await served.client.get("/v1/files/other/notes.txt")) == (403, "forbidden")
    assert error_of(await served.client.get("/v1/files/mine/none")) == (404, "not_found")
    assert error_of(await served.client.get("/v1/files/mine/a%00b")) == (422, "invalid")
    assert error_of(await served.client.get("/v1/files/mine/a%0D%0AX:b")) == (404, "not_found")
    assert error_of(await served.client.post("/v1/files/mine/notes.txt")) == (405, "invalid")


async def test_without_a_file_room_files_are_unavailable(served: Served) -> None:
    served.house.files = None
    assert error_of(await served.client.get("/v1/files/mine/notes.txt")) == (503, "unavailable")
