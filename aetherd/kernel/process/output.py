"""What a process printed, by absolute byte offset, from the shim's disk."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread

from aetherd.core.errors import NotFound
from aetherd.kernel.process.models import OutputPart, ProcessOutput
from aetherd.shim.client import Exit, Output, ShimGone, open_shim, read_output, read_stderr

STDERR = 1 << 20


async def read_part(directory: Path, input: ProcessOutput, number: int) -> OutputPart:
    """Read one part."""
    if input.stderr:
        data = await anyio.to_thread.run_sync(read_stderr, directory, min(input.limit, STDERR))
        return _part(input.pid, number, 0, data, 0, eof=False)
    try:
        offset, data, first, end = await anyio.to_thread.run_sync(read_output, directory, input.offset, input.limit)
    except FileNotFoundError as exc:
        if not directory.exists():  # noqa: ASYNC240 - one quick system call
            raise NotFound(f"the output of process {input.pid} is no longer kept", kind="output", id=number) from exc
        raise NotFound(f"process {input.pid} has printed nothing yet", kind="output", id=number) from exc
    ended = (directory / "exit.json").exists()
    return _part(input.pid, number, offset, data, first, eof=ended and offset + len(data) >= end)


def last_words(directory: Path, stdio: str) -> bytes:
    """Return the last 4 KB of standard error, or of a terminal's screen; blocking."""
    if stdio == "pipes":
        return read_stderr(directory, 4096)
    try:
        _, _, _, end = read_output(directory, 0, 1)
        return read_output(directory, max(0, end - 4096), 4096)[1]
    except OSError:
        return b""


async def stream_output(directory: Path, input: ProcessOutput, number: int) -> AsyncIterator[OutputPart]:
    """Follow to the end; the reader's pace is the only brake, the process is never slowed."""
    try:
        shim = await open_shim(directory)
    except ShimGone:
        yield await read_part(directory, input, number)
        return
    try:
        await shim.attach(input.offset)
        offset = input.offset
        while True:
            item = await shim.read()
            if isinstance(item, Output):
                offset = item.offset + len(item.data)
                yield _part(input.pid, number, item.offset, item.data, shim.hello.first_offset, eof=False)
            elif isinstance(item, Exit):
                yield _part(input.pid, number, offset, b"", shim.hello.first_offset, eof=True)
                return
    finally:
        await shim.aclose()


def _part(pid: int, number: int, offset: int, data: bytes, first: int, *, eof: bool) -> OutputPart:
    try:
        text, exact = data.decode("utf-8"), None
    except UnicodeDecodeError:
        text, exact = data.decode("utf-8", "replace"), base64.b64encode(data).decode("ascii")
    return OutputPart(
        pid=pid,
        incarnation=number,
        offset=offset,
        next_offset=offset + len(data),
        first_offset=first,
        text=text,
        base64=exact,
        eof=eof,
    )
