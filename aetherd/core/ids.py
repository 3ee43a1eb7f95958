"""The ids of the house: text ids sort by time, a pid is a counter that is never reused."""

from __future__ import annotations

import os
import secrets
import time
from typing import NewType

Pid = NewType("Pid", int)
AgentId = NewType("AgentId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]  # every call has an id: two digits at a time


def _base32(value: int, length: int) -> str:
    """Write an even number of digits."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(5 * length - 10, -1, -10)])


_READY: list[str] = []  # random ends of ids: to ask the system for each costs as much as the rest of an id
os.register_at_fork(after_in_child=_READY.clear)


def new_id(kind: str) -> str:
    """Return `kind_` plus 10 characters of time (milliseconds) and 8 of randomness: sortable, 40 random bits."""
    try:
        random = _READY.pop()
    except IndexError:
        drawn = secrets.token_bytes(5 * 256)
        random, *more = [_base32(int.from_bytes(drawn[at : at + 5]), 8) for at in range(0, len(drawn), 5)]
        _READY.extend(more)
    return f"{kind}_{_base32(time.time_ns() // 1_000_000, 10)}{random}"
