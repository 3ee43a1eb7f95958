"""What is counted and timed, declared once: `/metrics`, metric.query and the dashboard show these series.

No label is what an agent may choose freely (a pid, the name of a tool of its own): series must stay few. The one that
comes near, the name of a model, is cut at `MODELS` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram

from aetherd.operations.spending import Spent

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

MODELS = 50
OTHER = "other"
FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)  # seconds: what the house does itself
LONG = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # tools and models


ModelCalled = Callable[[int, str, str, Spent], None]  # (pid, provider, model, what became of it), for traces


@dataclass(frozen=True, slots=True)
class Series:
    """One family: with `buckets` (seconds) a histogram, else a counter."""

    doc: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None


SERIES: Mapping[str, Series] = {
    "aetherd_events": Series("events written", ("type",)),
    "aetherd_spawns": Series("processes accepted", ("runtime",)),
    "aetherd_runs_ended": Series("processes that ended", ("runtime", "outcome")),
    "aetherd_usage_limits": Series("usage limits that agents have hit", ("runtime",)),
    "aetherd_calls": Series("operations called, through any face", ("operation", "face", "outcome")),
    "aetherd_call_seconds": Series("time of a call; streams and waits are left out", ("face", "effect"), FAST),
    "aetherd_tool_calls": Series("tools of their own that agents called", ("runtime",)),
    "aetherd_tool_call_seconds": Series("time from such a call to its result", ("runtime",), LONG),
    "aetherd_tokens": Series("tokens, as the gateway counts or the runtime tells", ("model", "kind", "source")),
    "aetherd_cost_usd": Series("money spent on models", ("model", "source")),
    "aetherd_model_calls": Series("calls through the model gateway", ("provider", "status")),
    "aetherd_model_first_byte_seconds": Series("from a call to the provider's first byte", ("provider",), LONG),
    "aetherd_model_seconds": Series("time of a whole call to a model", ("provider",), LONG),
    "aetherd_gateway_seconds": Series("time the gateway adds before a provider is called", ("provider",), FAST),
    "aetherd_write_seconds": Series("from a write of the event log to its commit", (), FAST),
}


class Metrics:
    """The counters and histograms of one house; its rooms count, the room `metric` shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._models: set[str] = set()
        self.on_model: ModelCalled | None = None
        for name, one in SERIES.items():
            if one.buckets is None:
                self._counters[name] = Counter(name, one.doc, one.labels, registry=self.registry)
            else:
                found = Histogram(name, one.doc, one.labels, buckets=one.buckets, registry=self.registry)
                self._histograms[name] = found

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter; labels in their order."""
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc(by)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Time something; labels in their order."""
        histogram = self._histograms[name]
        (histogram.labels(*labels) if labels else histogram).observe(seconds)

    def model_called(self, pid: int, provider: str, model: str, spent: Spent, added_s: float) -> None:
        """Count and time a call through the gateway, which took `added_s` before the provider was called."""
        self.count("aetherd_model_calls", provider, str(spent.status or spent.outcome))
        self.observe("aetherd_gateway_seconds", added_s, provider)
        if spent.first_byte_ms is not None:
            self.observe("aetherd_model_first_byte_seconds", spent.first_byte_ms / 1000, provider)
        if spent.took_ms is not None:
            self.observe("aetherd_model_seconds", spent.took_ms / 1000, provider)
        if self.on_model is not None:
            self.on_model(pid, provider, model, spent)

    def model(self, name: str | None) -> str:
        """Return a model's name as a label."""
        if name is None:
            return "unknown"
        if name not in self._models and len(self._models) >= MODELS:
            return OTHER
        self._models.add(name)
        return name[:100]
