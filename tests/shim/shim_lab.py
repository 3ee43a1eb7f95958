"""What the shim tests share: start real processes under real shims, and read what they say."""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from aetherd.shim.client import (
    Exit,
    Output,
    Remains,
    Shim,
    Spawned,
    SpawnRequest,
    Zygote,
    open_shim,
)


@dataclass
class Lab:
    """Start processes under one zygote and read what they say."""

    root: Path
    zygote: Zygote
    numbers: Iterator[int] = field(default_factory=itertools.count)
    started: list[Spawned] = field(default_factory=list)
    opened: list[Shim | Remains] = field(default_factory=list)

    def directory(self) -> Path:
        place = self.root / f"p{next(self.numbers)}"
        place.mkdir(mode=0o700)
        return place

    def request(self, argv: list[str], **options: Any) -> SpawnRequest:
        options.setdefault("env", {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
        options.setdefault("cwd", "/")
        options.setdefault("directory", str(self.directory()))
        return SpawnRequest(argv=argv, **options)

    async def start(self, argv: list[str], **options: Any) -> tuple[Path, Spawned]:
        request = self.request(argv, **options)
        spawned = await self.zygote.spawn(request)
        self.started.append(spawned)
        return Path(request.directory), spawned

    async def open(self, argv: list[str], *, offset: int = 0, **options: Any) -> tuple[Path, Shim | Remains]:
        """Start, connect and attach."""
        place, _ = await self.start(argv, **options)
        return place, await self.attach(place, offset)

    async def attach(self, place: Path, offset: int | None = 0) -> Shim | Remains:
        """Connect to a shim, and attach unless `offset` is None; closed with the lab."""
        shim = await open_shim(place)
        self.opened.append(shim)
        if offset is not None:
            await shim.attach(offset)
        return shim

    async def python(self, code: str, *, offset: int = 0, **options: Any) -> tuple[Path, Shim | Remains]:
        """Start a small Python program, connect and attach."""
        return await self.open([sys.executable, "-I", "-S", "-c", code], offset=offset, **options)


async def output_until(shim: Shim | Remains, text: bytes) -> bytes:
    """Read until the output holds a text, and check that the offsets have no gap."""
    said, expected = b"", None
    with anyio.fail_after(20):
        while text not in said:
            item = await shim.read()
            if isinstance(item, Output):
                assert expected is None or item.offset == expected
                expected = item.offset + len(item.data)
                said += item.data
            elif isinstance(item, Exit):
                raise AssertionError(f"exit {item} before {text!r}, after {said[-500:]!r}")
    return said


async def until_exit(shim: Shim | Remains) -> tuple[bytes, Exit]:
    """Read everything up to the exit, and check that the offsets have no gap."""
    said, expected = bytearray(), None
    with anyio.fail_after(60):
        while True:
            item = await shim.read()
            if isinstance(item, Exit):
                return bytes(said), item
            if isinstance(item, Output):
                assert expected is None or item.offset == expected
                expected = item.offset + len(item.data)
                said += item.data


async def eventually(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something holds; the deadline is only a bound, for a starved machine."""
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "did not come true in time"
        await anyio.sleep(0.01)
