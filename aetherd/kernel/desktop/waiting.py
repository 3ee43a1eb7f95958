"""Waiting for something to be on the screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Final

import anyio
import anyio.to_thread

from aetherd.core.clock import Clock
from aetherd.core.errors import Unavailable
from aetherd.kernel.desktop.models import Point, Waited, WaitFor
from aetherd.kernel.desktop.paint import encode
from aetherd.kernel.desktop.screen import Screen, Snapshot

LOOK_S: Final = 0.1
READ_S: Final = 20.0
NOBODY: Final = 65534


async def wait_for(screen: Screen, pid: int, wish: WaitFor, clock: Clock, limiter: anyio.CapacityLimiter) -> Waited:
    """Look until all that is wished holds at once, or the time is up."""
    if wish.text is not None and shutil.which("tesseract") is None:
        raise Unavailable("reading text off a screen needs tesseract: apt install tesseract-ocr")
    began = changed = clock.monotonic()
    version, read = -1, (-1, "")
    while True:
        seen = await screen.look()
        now = clock.monotonic()
        if seen.version != version:
            version, changed = seen.version, now
        missing = []
        if wish.stable_s is not None and now - changed < wish.stable_s:
            missing.append("stable")
        if wish.pixel is not None and not _has(seen, wish.pixel):
            missing.append("pixel")
        if wish.text is not None and not missing:
            if read[0] != version:  # the same picture has the same text
                read = (version, await _text(seen, limiter))
            if _plain(wish.text) not in read[1]:
                missing.append("text")
        waited = now - began
        if not missing or waited >= wish.timeout_s:
            return Waited(pid=pid, met=not missing, waited_s=round(waited, 3), missing=missing)
        await clock.sleep(min(LOOK_S, wish.timeout_s - waited))


def _has(seen: Snapshot, point: Point) -> bool:
    wanted = bytes.fromhex(point.colour[1:])
    found = seen.colour(point.x, point.y)
    return all(abs(a - b) <= point.tolerance for a, b in zip(wanted, found, strict=True))


async def _text(seen: Snapshot, limiter: anyio.CapacityLimiter) -> str:
    """Read the screen, twice as large: letters of a screen are small for a reader of scanned pages."""
    return await anyio.to_thread.run_sync(_read, seen, limiter=limiter)


def _read(seen: Snapshot) -> str:
    picture, _ = encode(seen.pixels, seen.size, seen.size, "png")
    try:
        done = subprocess.run(
            ["tesseract", "-", "-", "--psm", "11", "-c", "user_defined_dpi=96"],
            input=picture,
            capture_output=True,
            timeout=READ_S,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "OMP_THREAD_LIMIT": "1"},
            cwd="/",
            user=NOBODY if os.geteuid() == 0 else None,  # what is on the screen is the agent's
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return _plain(done.stdout.decode("utf-8", "replace"))


def _plain(text: str) -> str:
    """Return a text as it is compared: small letters, one space between words."""
    return re.sub(r"\s+", " ", text).strip().casefold()
