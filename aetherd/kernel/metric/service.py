"""Metrics: what is counted and timed in this house, for Prometheus, for people, and as traces."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest

from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Forbidden, Unavailable
from aetherd.events import Hub
from aetherd.kernel.metric.gauges import Gauges
from aetherd.kernel.metric.hearing import Hearing
from aetherd.kernel.metric.models import Family, MetricQuery, Sample
from aetherd.kernel.metric.models import Metrics as Answer
from aetherd.kernel.metric.ports import Approvals, Processes
from aetherd.kernel.metric.tracing import Tracing
from aetherd.operations.dispatch import Invocation, Proceed
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.metrics import Metrics
from aetherd.operations.operation import Call, Effect, Rule, operation
from aetherd.store import Store

logger = logging.getLogger(__name__)

READ = "metric:read"


class MetricService:
    """Counts calls and events, and shows every series."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        settings: Settings,
        lifecycle: Lifecycle,
        metrics: Metrics,
        process: Processes,
        approval: Approvals,
    ) -> None:
        self._metrics, self._settings = metrics, settings
        self._gauges = Gauges(store, hub, process, approval, lambda: lifecycle.gauges())
        self._hearing = Hearing(hub, metrics, process)
        self._tracing: Tracing | None = None
        self._untraced = ""
        store.took = lambda seconds: metrics.observe("aetherd_write_seconds", seconds)

    def offers(self) -> Mapping[str, Any]:
        """Time every call; give the text of /metrics."""
        return {"guards.metric": self.guard, "metrics": self.text}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to the event log."""
        if self._settings.otel_endpoint is not None:
            await self._trace(self._settings.otel_endpoint)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._hearing.serve)
                yield
                group.cancel_scope.cancel()
        finally:
            if self._tracing is not None:
                await self._tracing.aclose()

    def health(self) -> dict[str, Any]:
        """Say whether traces are sent where they shall be."""
        return {"ok": not self._untraced, "detail": self._untraced}

    async def _trace(self, endpoint: str) -> None:
        try:
            tracing = await anyio.to_thread.run_sync(Tracing, endpoint, str(self._settings.home))
        except Unavailable as exc:
            self._untraced = exc.message
            logger.warning("%s", exc.message)
            return
        self._tracing = tracing
        self._hearing.spanned, self._hearing.ended = tracing.tool, tracing.process
        self._metrics.on_model = tracing.model

    @operation("metric.query", effect=Effect.READ, access=Rule.PEOPLE, positional=("prefix",))
    async def query(self, input: MetricQuery, call: Call) -> Answer:
        """Show the series of /metrics: processes, calls, events, tokens, cost, times, limits, sandboxes."""
        families = [one for one in await self._families({}) if one.name.startswith(input.prefix)]
        return Answer(families=[_wire(one) for one in families])

    async def text(self, call: Call, more: Mapping[str, float]) -> bytes:
        """Return all series in Prometheus' text form, with gauges of the face that asks.

        They are of the whole house, so never for agents; a token for a scraper has the scope `metric:read` alone.
        """
        if call.agent is not None or not call.has(READ, "metric.query"):
            raise Forbidden(f"/metrics needs a person's token with the scope {READ}", scope=READ)
        return generate_latest(_Collected(await self._families(more)))

    async def guard(self, invocation: Invocation, proceed: Proceed) -> Any:
        """Count and time a call."""
        op, begun, outcome = invocation.op, time.perf_counter(), "failed"
        try:
            result = await proceed()
            outcome = "ok"
            return result
        except AetherError as exc:
            outcome = exc.code
            raise
        finally:
            took = time.perf_counter() - begun
            call, face = invocation.call, invocation.call.face
            if self._tracing is not None and op is not None and call.pid is not None:
                self._tracing.tool(call.pid, op.name, time.time() - took, time.time(), outcome != "ok")
            self._metrics.count("aetherd_calls", "unknown" if op is None else op.name, face, outcome)
            if op is not None and not op.streams and not op.long:
                self._metrics.observe("aetherd_call_seconds", took, face, str(op.effect))

    async def _families(self, more: Mapping[str, float]) -> list[Metric]:
        faces = [GaugeMetricFamily(name, "as the face tells", value=value) for name, value in sorted(more.items())]
        return [*self._metrics.registry.collect(), *await self._gauges.families(), *faces]


class _Collected:
    """What was collected already, as the writer of the text wants it."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        return self._families


def _wire(family: Metric) -> Family:
    samples = [
        Sample(name=one.name, labels=dict(one.labels), value=float(one.value) if math.isfinite(one.value) else None)
        for one in family.samples
    ]
    return Family(name=family.name, type=family.type, help=family.documentation, samples=samples)
