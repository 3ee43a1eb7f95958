"""Whole files, up and down."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aetherd.core.errors import Exhausted, Forbidden, Invalid, NotFound
from aetherd.kernel.fs import quota

pytestmark = pytest.mark.anyio


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_an_upload_is_downloaded_in_ranges(files: Any) -> None:
    data = os.urandom(700_000)
    stat = await files.service.bodies.put_file(files.as_owner(), "ann", "up/x.png", chunks(data[:5], data[5:]))
    assert (stat["path"], stat["size"], stat["created"]) == ("up/x.png", 700_000, True)
    assert files.seen[-1].event.path == "up/x.png"
    body = await files.service.bodies.open_file(files.as_owner(), "ann", "up/x.png")
    assert (body.size, body.media_type) == (700_000, "image/png")
    assert b"".join([part async for part in body.read(100, 600_000)]) == data[100:600_000]
    await body.aclose()


async def test_an_upload_that_breaks_off_leaves_what_was_there(files: Any) -> None:
    await files("write", path="f", content="old")

    async def broken() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await files.service.bodies.put_file(files.as_owner(), "ann", "f", broken())
    assert (files.home / "f").read_text() == "old"
    assert os.listdir(files.home) == ["f"]


async def test_bodies_check_scope_owner_quota_and_kind(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies, reader = files.service.bodies, files.as_owner(scopes=frozenset({"*:read"}))
    with pytest.raises(Forbidden, match="fs:write"):
        await bodies.put_file(reader, "ann", "f", chunks(b""))
    with pytest.raises(Forbidden, match="somebody else"):
        await bodies.open_file(files.as_agent("bob"), "ann", "f")
    with pytest.raises(NotFound):
        await bodies.open_file(reader, "ann", "f")
    os.mkfifo(files.home / "pipe")
    for work in (
        bodies.open_file(reader, "ann", "pipe"),
        bodies.put_file(files.as_owner(), "ann", "pipe", chunks()),
    ):
        with pytest.raises(Invalid, match="pipe"):
            await work
    monkeypatch.setattr(quota, "BYTES", 10)
    with pytest.raises(Exhausted):
        await bodies.put_file(files.as_owner(), "ann", "f", chunks(b"12345", b"678901"))
