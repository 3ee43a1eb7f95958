"""What rooms know of money: a call to a model is reserved before it is made, and settled with what it cost.

Money is in whole nanodollars (1 USD = 1,000,000,000), so that sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call that is about to be made, and the most it can cost."""

    pid: int
    provider: str
    model: str
    most_tokens: int  # input and output together, an upper bound
    most_nano_usd: int | None  # None: the model has no known price


@dataclass(frozen=True, slots=True)
class Spent:
    """What became of a call, by the provider's own usage fields."""

    outcome: Literal["done", "refused", "failed", "cut"]  # refused: the provider took nothing
    model: str | None = None  # as the provider names it
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    nano_usd: int | None = None  # None: no known price
    estimated: bool = False  # the provider told no usage, or the stream was cut: an upper bound
    status: int | None = None  # HTTP, of the provider
    first_byte_ms: float | None = None
    took_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """What calls to models came to, by the provider's usage fields."""

    nano_usd: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


class Money(Protocol):
    """The ledger."""

    async def reserve(self, call: ModelCall) -> int:
        """Set the most aside, durably, and return the reservation; raises `Exhausted` when a budget would be exceeded.

        Its data: `budget` (run, agent, user, org), `period` (run, day, month), `limit_usd`, `spent_usd`,
        `reserved_usd`, or the same in tokens; `resets_at` for day and month.
        """
        ...

    async def settle(self, reservation: int, spent: Spent) -> None:
        """Write what it cost and give the rest back, exactly once."""
        ...
