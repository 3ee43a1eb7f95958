"""Asks the seeker, for as long as it may take."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from aetherd.core.errors import Invalid, Unavailable
from aetherd.kernel.fs.models import FsMatch, FsMatches, FsSearch
from aetherd.kernel.fs.ports import Place

PROGRAM = Path(__file__).with_name("seeker.py")
SECONDS = 5.0
GRACE = 2.0  # beyond this it hangs in a regular expression
LINE = 65_536


def check(input: FsSearch) -> None:
    """Raise Invalid for a question without an answer."""
    if input.name is None and input.content is None:
        raise Invalid("say what to look for: `name`, `content` or both")
    if input.regex and input.content is not None:
        try:
            re.compile(input.content)
        except (re.error, RecursionError, OverflowError) as exc:
            raise Invalid(f"content is not a regular expression: {exc}") from None


async def search(input: FsSearch, path: str, descriptor: int, place: Place) -> FsMatches:
    """Search below an open directory (or one file) and return what was found in time."""
    group = os.fstat(descriptor).st_gid if place.uid is None or place.shared is not None else place.uid
    question = input.model_dump(exclude={"agent", "workspace"}) | {
        "path": path,
        "descriptor": descriptor,
        "uid": place.uid,
        "gid": group,
        "seconds": SECONDS,
    }
    command = [sys.executable, "-I", "-S", "-E", str(PROGRAM)]
    async with await anyio.open_process(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/", pass_fds=(descriptor,)
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        matches: list[FsMatch] = []
        end = None
        try:
            with anyio.move_on_after(SECONDS + GRACE) as scope:
                await process.stdin.send(json.dumps(question).encode() + b"\n")
                async for line in _lines(BufferedByteReceiveStream(process.stdout)):
                    found = json.loads(line)
                    if "files" in found:
                        end = found
                        break
                    matches.append(FsMatch(**found))
        finally:
            if process.returncode is None:
                process.kill()
    if end is None:
        if not scope.cancelled_caught:
            raise Unavailable("the search ended before it was done; try again with a narrower path")
        return FsMatches(matches=matches, files=0, complete=False)
    return FsMatches(matches=matches, files=end["files"], complete=end["complete"])


async def _lines(stream: BufferedByteReceiveStream) -> AsyncIterator[bytes]:
    while True:
        try:
            yield await stream.receive_until(b"\n", LINE)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.DelimiterNotFound, anyio.BrokenResourceError):
            return
