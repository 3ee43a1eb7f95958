"""Sandboxes that keepers hold, found again and ended. Everything here blocks: call it in a thread."""

import os
import select
import signal
import time
from pathlib import Path

from aetherd.shim.disk import read_json
from aetherd.shim.proc import alive, start_time_of
from aetherd.shim.records import Held


def find_held(directory: Path) -> Held | None:
    """Return the sandbox that is held in a directory, or None when its keeper or its first process is gone."""
    held = _recorded(directory)
    if held is None or not alive(held.keeper_pid, held.keeper_start_time, held.boot_id):
        return None
    return held if alive(held.init_pid, held.init_start_time, held.boot_id) else None


def release(directory: Path, *, deadline: float = 5.0) -> bool:
    """Kill the keeper of a directory, and with it a sandbox it made; True when both are gone in time.

    A sandbox that was adopted stays, without its keeper.
    """
    held = _recorded(directory)
    if held is None:
        return True
    give_up = time.monotonic() + deadline
    gone = _end(held.keeper_pid, held.keeper_start_time, held.boot_id, signal.SIGKILL, give_up)
    fields = read_json(directory, "holder.json") or {}
    if fields.get("adopted"):
        return gone
    return _end(held.init_pid, held.init_start_time, held.boot_id, signal.SIGKILL, give_up) and gone


def _recorded(directory: Path) -> Held | None:
    fields = read_json(directory, "holder.json")
    if fields is None or any(name not in fields for name in Held.__dataclass_fields__):
        return None
    return Held(**{name: fields[name] for name in Held.__dataclass_fields__})


def _end(os_pid: int, start_time: int, boot: str, number: signal.Signals, give_up: float) -> bool:
    """Signal exactly this process and wait for its end."""
    try:
        handle = os.pidfd_open(os_pid)
    except OSError:
        return True
    try:
        if start_time_of(os_pid) != start_time or not alive(os_pid, start_time, boot):
            return True
        signal.pidfd_send_signal(handle, number)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(max(0.0, give_up - time.monotonic()) * 1000))
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)
