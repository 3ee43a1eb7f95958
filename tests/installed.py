"""Real runtimes for tests: `make test-runtimes` installs them once per machine, by the code of runtime.install.

A test that needs one that is not there is skipped and says how to get it.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from aetherd.core.config import load
from aetherd.core.errors import AetherError
from aetherd.daemon.discovery import runtimes
from aetherd.kernel.runtime.installer import Installer, pinned
from aetherd.kernel.runtime.ports import Installable
from aetherd.kernel.runtime.sealed import damage
from aetherd.kernel.runtime.shelf import Shelf

PLACE = Path.home() / ".cache/aetherd-tests/runtimes"


def installed(short: str) -> Path:
    """Return the prefix of a runtime for its adapter; skips the test when it is not installed."""
    if not (PLACE / short / "current" / "install.json").is_file():
        pytest.skip(f"{short} is not installed for tests; run: make test-runtimes")
    return PLACE / short


async def install(names: list[str]) -> bool:
    """Install what is missing, damaged or of another version than its adapter pins; tells whether all are there."""
    shelf = Shelf(PLACE)
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = os.open(PLACE, os.O_RDONLY)  # kept open: one at a time, as a shelf has one owner
    await anyio.to_thread.run_sync(fcntl.flock, lock, fcntl.LOCK_EX)
    await anyio.to_thread.run_sync(shelf.open)
    installer, fine = Installer(shelf, os.environ), True
    for adapter in runtimes(load()).values():
        short = adapter.name.rpartition(":")[2]
        if not isinstance(adapter, Installable) or adapter.package is None or (names and short not in names):
            continue
        version = pinned(adapter.package)[1]
        place = shelf.current(short)
        if place is not None and shelf.version(short) == version and not await anyio.to_thread.run_sync(damage, place):
            print(f"{short} {version} is there")  # noqa: T201
            continue

        async def say(step: str, detail: str, short: str = short) -> None:
            print(f"\r\033[2K{short}: {step}: {detail}", end="", flush=True)  # noqa: T201

        try:
            await installer.install(short, adapter.package, {}, say)
            await anyio.to_thread.run_sync(shelf.prune, short)
        except AetherError as exc:
            fine = False
            print(f"\r\033[2K{short}: {exc.message}")  # noqa: T201
        else:
            print(f"\r\033[2K{short} {version} is installed")  # noqa: T201
    return fine


if __name__ == "__main__":
    sys.exit(0 if anyio.run(install, sys.argv[1:]) else 1)
