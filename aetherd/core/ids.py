"""The ids of the house: text ids sort by time, a pid is a counter that is never reused."""

from __future__ import annotations

import secrets
import time
from typing import NewType

Pid = NewType("Pid", int)
AgentId = NewType("AgentId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(value: int, length: int) -> str:
    digits = []
    for _ in range(length):
        digits.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(digits))


def new_id(kind: str) -> str:
    """Return `kind_` plus 10 characters of time (milliseconds) and 8 of randomness: sortable, 40 random bits."""
    return f"{kind}_{_base32(time.time_ns() // 1_000_000, 10)}{_base32(secrets.randbits(40), 8)}"
