"""Traces go to the collector that is named: one trace for each process, its tools and model calls below it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest

from aetherd.operations.spending import Spent
from fakes import PATIENCE_S, Estate

pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra `otel`")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = pytest.mark.anyio


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Serve a collector on loopback; yields its address and the spans it gets."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            spans.extend(span for one in request.resource_spans for each in one.scope_spans for span in each.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans
        server.shutdown()
        thread.join()


def told(span: Any) -> dict[str, Any]:
    """Return a span's attributes."""
    return {one.key: one.value.string_value or one.value.int_value or one.value.double_value for one in span.attributes}


async def test_a_process_is_a_trace_with_its_tools_and_model_calls_and_without_contents(estate: Estate) -> None:
    called = json.dumps({"type": "called", "id": "t1", "tool": "Bash", "input": {"command": "cat the-secret-plan"}})
    returned = json.dumps({"type": "returned", "id": "t1", "text": "the-secret-plan", "is_error": True})
    with collector() as (endpoint, spans):
        async with estate.open(otel_endpoint=endpoint) as lab:
            made = await lab.spawn(goal=f"print {called} ;; print {returned} ;; say done")
            await lab.result(made.pid)
            await lab("process.whoami", lab.agent_of(made))
            metric: Any = lab.kernel.rooms["metric"]
            metric._metrics.model_called(made.pid, "anthropic", "m-1", Spent("done", input_tokens=7, took_ms=5), 0.001)
            await lab("process.kill", pid=made.pid)
            await lab.event("process.exited", pid=made.pid)
            text, call = lab.running.house.metrics, lab.running.call()
            with anyio.fail_after(PATIENCE_S):
                while text is not None and b"aetherd_runs_ended_total{" not in await text(call, {}):
                    await anyio.sleep(0.02)
        names = {span.name: span for span in spans}
        assert {"execute_tool Bash", "execute_tool process.whoami", "chat m-1"} <= set(names)
        root = names[f"invoke_agent {made.name}"]
        assert {span.trace_id for span in spans} == {root.trace_id}
        assert all(span.parent_span_id == root.span_id for span in spans if span is not root)
        assert told(root)["gen_ai.agent.id"] == made.agent
        assert told(names["chat m-1"])["gen_ai.usage.input_tokens"] == 7
        assert names["execute_tool Bash"].status.code == 2  # error
        assert b"secret-plan" not in b"".join(span.SerializeToString() for span in spans)
