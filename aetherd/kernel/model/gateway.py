"""The gateway's work: one request of a process, routed, reserved, passed on and settled."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import anyio.to_thread

from aetherd.core.errors import AetherError, Forbidden, Unavailable
from aetherd.kernel.model import dialects, prices
from aetherd.kernel.model.bill import Bill
from aetherd.kernel.model.dialects import Wanted
from aetherd.kernel.model.limits import parking, resets
from aetherd.kernel.model.models import Price
from aetherd.kernel.model.ports import Processes, Quotas
from aetherd.kernel.model.providers import Place
from aetherd.kernel.model.reply import Lost, Reply
from aetherd.kernel.model.routing import Asking, Choice, chosen
from aetherd.kernel.model.settings import Settled
from aetherd.kernel.model.trace import Traces
from aetherd.operations.gateway import Answered, Asked, Headers
from aetherd.operations.metrics import Metrics
from aetherd.operations.operation import Call
from aetherd.operations.spending import NANO, ModelCall

if TYPE_CHECKING:
    from aetherd.kernel.model.upstream import Upstream

AT_ONCE = 32  # calls of one process that are under way
AT_ONCE_BYTES = 1 << 20  # a longer request is read beside the event loop
BUSY = frozenset({429, 500, 502, 503, 504, 529})  # another place may answer


class Gateway:
    """Passes calls of processes on to providers; see `operations.gateway.ModelGateway`."""

    def __init__(self, settled: Settled, process: Processes, quota: Quotas, traces: Traces, metrics: Metrics) -> None:
        self._settled, self._process, self._quota, self._traces = settled, process, quota, traces
        self._upstream: Upstream | None = None
        self._under_way: Counter[int] = Counter()
        self._metrics = metrics

    @property
    def upstream(self) -> Upstream:
        """The connections to providers."""
        if self._upstream is None:
            from aetherd.kernel.model.upstream import Upstream

            self._upstream = Upstream()
        return self._upstream

    async def aclose(self) -> None:
        """Close the connections to providers."""
        if self._upstream is not None:
            await self._upstream.aclose()

    def refusal(self, asked: Asked, error: AetherError) -> tuple[int, Headers, bytes]:
        """Say an error in the words of the provider that was asked."""
        dialect = self._settled.book.dialect(asked.provider) or dialects.dialect_of(asked.path)
        if asked.provider == "ollama" and not asked.path.startswith("api/"):  # it speaks others' dialects, too
            dialect = dialects.dialect_of(asked.path)
        return dialects.refusal(dialect, error)

    @asynccontextmanager
    async def ask(self, asked: Asked, call: Call) -> AsyncIterator[Answered]:
        """Pass a request on; raises any `AetherError` before there is an answer."""
        if call.pid is None or call.agent is None:
            raise Forbidden("models are for processes: use the AETHER_TOKEN of one")
        place = self._settled.book.usable(asked.provider, call.user, call.org)
        with self._seat(call.pid):
            long = len(asked.body) > AT_ONCE_BYTES
            want = await anyio.to_thread.run_sync(dialects.wanted, asked) if long else dialects.wanted(asked)
            if want.wire == "free":
                async with self._sent(place, asked, asked.path, asked.body) as reply, aclosing(reply.chunks) as chunks:
                    yield Answered(reply.status, reply.headers, chunks)
                return
            stops = (await self._choice(asked, want, call)).stops
            for number, stop in enumerate(stops):
                last = number == len(stops) - 1
                async with AsyncExitStack() as stack:
                    try:
                        answer = await stack.enter_async_context(self._attempt(asked, want, stop, call))
                    except (Lost, Forbidden):
                        if last:
                            raise
                        continue
                    if last or answer.status not in BUSY:
                        if answer.status in (429, 529) and (at := resets(answer.headers)) is not None:
                            await self._process.limit_seen(call.pid, at)
                            answer = replace(answer, headers=parking(answer.headers, at))
                        elif answer.status == 200:
                            await self._process.limit_seen(call.pid, None)
                        yield answer
                        return

    async def _choice(self, asked: Asked, want: Wanted, call: Call) -> Choice:
        rules = self._settled.rules(call.user, call.org)
        if not rules:
            return Choice([(asked.provider, want.model)])
        assert call.pid is not None
        run = await self._process.row_of(call.pid)
        price = self._settled.price(asked.provider, want.model, call.user, call.org)
        asking = Asking(
            provider=asked.provider,
            model=want.model,
            agent=call.agent or "",
            name=run.name,
            role=run.role or "",
            runtime=run.runtime,
            phase=run.phase or "",
            tools=want.tools,
            tokens=want.tokens,
            most_usd=None if price is None else prices.most(price, want) / NANO,
        )
        return chosen(rules, asking, self._settled.dialects(call.user, call.org))

    @asynccontextmanager
    async def _attempt(self, asked: Asked, want: Wanted, stop: tuple[str, str], call: Call) -> AsyncIterator[Answered]:
        """Ask one place; what it costs is settled when this is left, or before the answer's end is passed on."""
        assert call.pid is not None
        begun = time.monotonic()
        provider, model = stop
        place = self._settled.book.usable(provider, call.user, call.org)
        path, body = (asked.path, asked.body) if model == want.model else dialects.renamed(asked, want, model)
        price = self._settled.price(provider, model, call.user, call.org)
        bill = Bill(self._quota.money, want, price)
        await bill.reserve(model_call(call.pid, provider, model, want, price))
        try:
            async with self._sent(place, asked, path, body) as reply:
                bill.begun(reply)
                passed = self._traces.seen(call, stop, body, reply.status, bill.passed(reply))
                async with aclosing(passed) as chunks:
                    yield Answered(reply.status, reply.headers, chunks)
        except Lost as exc:
            bill.lost(exc)
            raise
        finally:
            await bill.settle()
            if bill.spent is not None:
                self._metrics.model_called(call.pid, provider, model, bill.spent, bill.begun_at - begun)

    def _sent(self, place: Place, asked: Asked, path: str, body: bytes) -> AbstractAsyncContextManager[Reply]:
        url = dialects.address(place.base_url, place.dialect, path)
        query = "&".join(part for part in asked.query.split("&") if part and _named(part) != "key")
        betas = next((value.decode("latin-1") for name, value in asked.headers if name == b"anthropic-beta"), None)
        key = place.key
        more = {} if key is None else dialects.key_headers(place.dialect, key.kind, key.value, betas)
        return self.upstream.open(asked.method, f"{url}?{query}" if query else url, asked.headers, more, body)

    @contextmanager
    def _seat(self, pid: int) -> Iterator[None]:
        if self._under_way[pid] >= AT_ONCE:
            raise Unavailable(f"process {pid} has {AT_ONCE} calls to models under way; wait for one", most=AT_ONCE)
        self._under_way[pid] += 1
        try:
            yield
        finally:
            self._under_way[pid] -= 1
            if not self._under_way[pid]:
                del self._under_way[pid]


def _named(part: str) -> str:
    """Return the name in a part of a query, as whoever looks for the token in it reads it."""
    return unquote_plus(part.partition("=")[0])


def model_call(pid: int, provider: str, model: str, want: Wanted, price: Price | None) -> ModelCall:
    """Return the most that a call can use."""
    sent = want.input_bound(price.context if price else None)
    got = want.output_bound(price.most_output if price else None)
    return ModelCall(pid, provider, model, sent + got, None if price is None else prices.most(price, want))
