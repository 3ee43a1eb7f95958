"""What a shim leaves on disk, read without the shim. Everything here blocks: call it in a thread."""

import errno
import json
import os
from pathlib import Path
from typing import Any

from aetherd.shim.records import Exit, Hello, exit_from, hello_from


def read_json(directory: Path, name: str) -> dict[str, Any] | None:
    """Return a JSON object of the directory, or None when it is not there or not whole."""
    try:
        value = json.loads((directory / name).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def claim(directory: Path) -> bool:
    """Take the place of a shim that has not come; False when one was here first.

    A zygote may still hold the request of a daemon that was killed: its shim finds the place taken, or no
    directory at all, and starts nothing.
    """
    try:
        os.close(os.open(directory / "out.log", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    except FileNotFoundError:  # the directory is made before a shim is asked for
        return True
    return True


def read_exit(directory: Path) -> Exit | None:
    """Return the recorded exit, or None when none was recorded."""
    fields = read_json(directory, "exit.json")
    return None if fields is None else exit_from(fields)


def read_hello(directory: Path) -> Hello | None:
    """Return what an ended shim would say, from its two records; None when either is missing."""
    started, ended = read_json(directory, "shim.json"), read_json(directory, "exit.json")
    if started is None or ended is None:
        return None
    _, _, first, _ = read_output(directory, 0, 0)
    return hello_from({**started, **ended, "first_offset": first, "stdin_open": False, "exit": ended})


def _first_offset(descriptor: int, end: int) -> int:
    """Return the offset of the oldest byte kept: what was dropped is a hole at the front of the file."""
    try:
        return min(os.lseek(descriptor, 0, os.SEEK_DATA), end)
    except OSError as error:
        # ENXIO: nothing but hole. Anything else: the file system knows no holes, so none was made.
        return end if error.errno == errno.ENXIO else 0


def read_output(directory: Path, offset: int, limit: int) -> tuple[int, bytes, int, int]:
    """Return (actual offset, data, first offset, end offset), with at most `limit` bytes of data.

    The actual offset is `offset` moved into what is kept. Works while the shim runs and after it ended.
    Raises FileNotFoundError when there was never a shim in the directory.
    """
    descriptor = os.open(directory / "out.log", os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            end = os.fstat(descriptor).st_size
            first = _first_offset(descriptor, end)
            actual = min(max(offset, first), end)
            data = os.pread(descriptor, max(0, min(limit, end - actual)), actual)
            # The shim may have dropped these very bytes while they were read: then they read as zeros.
            if not data or _first_offset(descriptor, end) <= actual:
                return actual, data, first, end
    finally:
        os.close(descriptor)


def read_stderr(directory: Path, limit: int) -> bytes:
    """Return the last bytes of standard error (pipes only); empty when there are none."""
    try:
        descriptor = os.open(directory / "err.log", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        end = os.fstat(descriptor).st_size
        start = max(end - limit, _first_offset(descriptor, end))
        return os.pread(descriptor, max(0, end - start), start)
    finally:
        os.close(descriptor)
