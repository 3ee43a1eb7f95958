"""One call's bill: what was set aside is settled once, with what the answer tells or the most it can have cost."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from typing import Literal

import anyio

from aetherd.core.errors import AetherError
from aetherd.kernel.model.dialects import Wanted
from aetherd.kernel.model.meter import MOST, Meter, Usage
from aetherd.kernel.model.models import Price
from aetherd.kernel.model.prices import bound, cost
from aetherd.kernel.model.reply import Lost, Reply
from aetherd.operations.spending import ModelCall, Money, Spent

logger = logging.getLogger(__name__)

SETTLE_S = 10.0
SPEED = 1_000  # tokens a second: no model thinks faster unseen; what it writes is counted by its bytes


class Bill:
    """Opened by `reserve`; `settle` closes it whatever happened."""

    def __init__(self, money: Money, want: Wanted, price: Price | None) -> None:
        self._money, self._want, self._price = money, want, price
        self.begun_at = time.monotonic()
        self._reservation: int | None = None
        self._meter: Meter | None = None
        self._status: int | None = None
        self._first: float | None = None
        self._unsent = self._complete = False
        self.spent: Spent | None = None  # once it is settled

    async def reserve(self, call: ModelCall) -> None:
        """Set the most aside; raises `Exhausted`."""
        self._reservation = await self._money.reserve(call)
        self.begun_at = time.monotonic()

    def begun(self, reply: Reply) -> None:
        """Note the head of the answer."""
        self._first, self._status = (time.monotonic() - self.begun_at) * 1000, reply.status
        lines = reply.kind in ("text/event-stream", "application/x-ndjson")
        self._meter = Meter(self._want.wire, lines=lines)

    def lost(self, error: Lost) -> None:
        """Note that the provider could not be reached."""
        self._unsent = not error.sent

    async def passed(self, reply: Reply) -> AsyncGenerator[bytes, None]:
        """Pass the answer on and look at it; who reads its end finds the bill settled."""
        meter = self._meter
        assert meter is not None
        whole: list[bytes] | None = [] if reply.kind == "application/json" else None
        async for data in reply.chunks:
            meter.feed(data)
            if whole is not None:
                whole.append(data)
                if meter.bytes <= MOST:
                    continue
                data, whole = b"".join(whole), None  # longer than it can be read: nobody has to keep it either
            if meter.told and self._reservation is not None:
                await self.settle()
            yield data
        self._complete = True
        await self.settle()
        if whole:
            yield b"".join(whole)

    async def settle(self) -> None:
        """Write what it cost, once; what cannot be written is counted as the most when the daemon starts again."""
        if self._reservation is None:
            return
        reservation, self._reservation = self._reservation, None
        with anyio.CancelScope(shield=True):
            try:
                with anyio.fail_after(SETTLE_S):
                    self.spent = self._spent()
                    await self._money.settle(reservation, self.spent)
            except (AetherError, TimeoutError) as exc:
                logger.error(
                    "a call to %s is not settled, it counts as the most it can cost: %s", self._want.model, exc
                )

    def _spent(self) -> Spent:
        took = (time.monotonic() - self.begun_at) * 1000
        if self._unsent or (self._status is not None and self._status >= 400):
            outcome: Literal["failed", "refused"] = "failed" if self._unsent else "refused"
            return Spent(outcome, nano_usd=0, status=self._status, first_byte_ms=self._first, took_ms=took)
        usage = None if self._meter is None else self._meter.usage()
        done = (self._meter is not None and self._meter.told) or (self._complete and not self._half)
        if usage is not None and done:
            return self._told(usage, took)
        return self._guessed(usage, "done" if done else "failed" if self._status is None else "cut", took)

    @property
    def _half(self) -> bool:
        """Whether a stream that ended may not have told all: Anthropic's begins with figures and ends with others."""
        return self._want.wire == "messages" and self._meter is not None and self._meter.lines and not self._meter.told

    def _told(self, usage: Usage, took: float) -> Spent:
        return Spent(
            "done",
            model=usage.model,
            input_tokens=usage.input + usage.audio_input,
            output_tokens=usage.output + usage.image_output + usage.audio_output,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write + usage.cache_write_1h,
            nano_usd=None if self._price is None else cost(self._price, usage, self._want.tier),
            status=self._status,
            first_byte_ms=self._first,
            took_ms=took,
        )

    def _guessed(self, usage: Usage | None, outcome: Literal["done", "failed", "cut"], took: float) -> Spent:
        """Bound what nobody told: by what was sent, what came back, and how long it took."""
        price, want, seen = self._price, self._want, 0 if self._meter is None else self._meter.bytes
        sent = want.input_bound(price.context if price else None)
        if usage is not None and not want.hosted:  # a stream that was cut had told its input
            sent = usage.input + usage.cache_read + usage.cache_write + usage.cache_write_1h + usage.audio_input
        most = want.output_bound(price.most_output if price else None)
        got = most if self._complete and not seen else min(most, max(seen, round(took * SPEED / 1000)))
        return Spent(
            outcome,
            model=usage.model if usage else None,
            input_tokens=sent,
            output_tokens=got,
            nano_usd=None if price is None else bound(price, want, sent, got),
            estimated=True,
            status=self._status,
            first_byte_ms=self._first,
            took_ms=took,
        )
