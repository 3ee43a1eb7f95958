"""Traces for a collector, by the conventions for generative AI: one trace for each process, its calls below it.

Off unless the setting `otel_endpoint` names a collector; the only module that imports OpenTelemetry's SDK (extra
`otel`). No contents are sent: no goal, text, argument or result, only names, times and counts.
"""

from __future__ import annotations

import hashlib
import importlib
import time
from datetime import datetime
from typing import Any

import anyio
import anyio.to_thread

from aetherd import __version__
from aetherd.core.errors import Unavailable
from aetherd.operations.spending import NANO, Spent

CLOSE_S = 5.0
NANOSECONDS = 1_000_000_000
MISSING = "otel_endpoint is set and the extra `otel` is missing: pip install 'aetherd[otel]', or unset it"


class Tracing:
    """Makes spans of what has happened, with the times at which it did."""

    def __init__(self, endpoint: str, home: str) -> None:
        try:
            sdk = importlib.import_module("opentelemetry.sdk.trace")
            export = importlib.import_module("opentelemetry.sdk.trace.export")
            exporter = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
            resources = importlib.import_module("opentelemetry.sdk.resources")
            generator = importlib.import_module("opentelemetry.sdk.trace.id_generator")
            self._api = importlib.import_module("opentelemetry.trace")
        except ImportError as exc:
            raise Unavailable(MISSING) from exc

        class Ids(generator.RandomIdGenerator):  # type: ignore[misc, name-defined]
            """Random, but for the span of a process, which its calls name before it has ended."""

            root: tuple[int, int] | None = None

            def generate_trace_id(self) -> int:
                return self.root[0] if self.root else int(super().generate_trace_id())

            def generate_span_id(self) -> int:
                return self.root[1] if self.root else int(super().generate_span_id())

        self._ids, self._home = Ids(), home
        resource = resources.Resource.create({"service.name": "aetherd", "service.version": __version__})
        self._provider = sdk.TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter.OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("aetherd", __version__)

    async def aclose(self) -> None:
        """Send what is left, for a few seconds at most."""
        with anyio.move_on_after(CLOSE_S, shield=True):
            await anyio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)

    def tool(self, pid: int, name: str, begun: float, ended: float, wrong: bool) -> None:
        """Show a tool of a process, an operation of ours or one of its own; Unix times."""
        told = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        self._span(f"execute_tool {name}", self._below(pid), begun, ended, told, wrong)

    def model(self, pid: int, provider: str, model: str, spent: Spent) -> None:
        """Show a call to a model that was just settled."""
        now = time.time()
        told: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.response.model": spent.model or model,
            "gen_ai.usage.input_tokens": spent.input_tokens,
            "gen_ai.usage.output_tokens": spent.output_tokens,
        }
        if spent.nano_usd is not None:
            told["aetherd.cost_usd"] = spent.nano_usd / NANO
        if spent.status is not None:
            told["http.response.status_code"] = spent.status
        begun = now - (spent.took_ms or 0) / 1000
        self._span(f"chat {model}", self._below(pid), begun, now, told, spent.outcome != "done")

    def process(self, row: Any, ended: float) -> None:
        """Show a process that has ended."""
        told = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.id": row.agent,
            "gen_ai.agent.name": row.name,
            "gen_ai.usage.input_tokens": row.input_tokens,
            "gen_ai.usage.output_tokens": row.output_tokens,
            "aetherd.runtime": row.runtime,
            "aetherd.outcome": row.outcome,
            "aetherd.cost_usd": row.cost_usd,
        }
        if row.session:
            told["gen_ai.conversation.id"] = row.session
        begun = datetime.fromisoformat(row.created_at).timestamp()
        self._ids.root = self._root(row.pid)
        try:
            wrong = row.outcome == "failed"
            self._span(f"invoke_agent {row.name}", None, begun, ended, told, wrong)
        finally:
            self._ids.root = None

    def _span(self, name: str, context: Any, begun: float, ended: float, told: dict[str, Any], wrong: bool) -> None:
        span = self._tracer.start_span(
            name,
            context=context,
            start_time=int(begun * NANOSECONDS),
            attributes=told,
            kind=self._api.SpanKind.INTERNAL,
        )
        if wrong:
            span.set_status(self._api.StatusCode.ERROR)
        span.end(int(ended * NANOSECONDS))

    def _below(self, pid: int) -> Any:
        trace, span = self._root(pid)
        flags = self._api.TraceFlags(self._api.TraceFlags.SAMPLED)
        parent = self._api.SpanContext(trace, span, is_remote=False, trace_flags=flags)
        return self._api.set_span_in_context(self._api.NonRecordingSpan(parent))

    def _root(self, pid: int) -> tuple[int, int]:
        """Return the ids of a process's trace and span: the same after a restart of the daemon."""
        digest = hashlib.sha256(f"{self._home}/{pid}".encode()).digest()
        return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1
