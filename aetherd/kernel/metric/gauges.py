"""What is looked at when somebody asks, not counted as it happens."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily
from sqlmodel import Session

from aetherd.events import Hub
from aetherd.kernel.metric.ports import Approvals, Processes
from aetherd.store import Store

GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "aetherd_processes": ("processes that have not ended", ("state",)),
    "aetherd_processes_limited": ("processes that wait for a usage limit to lift", ()),
    "aetherd_approvals_waiting": ("questions that wait for a person", ()),
    "aetherd_event_subscribers": ("open streams of events", ()),
    "aetherd_writes_waiting": ("writes that wait for the one writer", ()),
    "aetherd_write_lag_seconds": ("how long the oldest of them waits", ()),
    "aetherd_sandboxes": ("places in which processes stand", ("tier",)),
    "aetherd_sandbox_memory_bytes": ("memory of all programs in them, without what can go", ("tier",)),
    "aetherd_sandbox_programs": ("programs in them", ("tier",)),
    "aetherd_sandbox_cpu_seconds": ("time of processors of those that live", ("tier",)),
}
ENDED = ("exited", "lost")
WAITING = ("created", "queued")  # without a place yet, or just now
NAME = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)")

Values = dict[tuple[str, ...], float]


class Gauges:
    """Reads what stands in the database, in the kernel and in rooms."""

    def __init__(
        self, store: Store, hub: Hub, process: Processes, approval: Approvals, rooms: Callable[[], dict[str, float]]
    ) -> None:
        self._store, self._hub, self._process, self._approval, self._rooms = store, hub, process, approval, rooms

    async def families(self) -> list[GaugeMetricFamily]:
        """Return every gauge as it stands."""
        found: dict[str, Values] = defaultdict(dict)

        def read(session: Session) -> tuple[dict[str, int], int, int]:
            return (
                self._process.counts(session),
                self._process.limited(session),
                sum(self._approval.pending(session).values()),
            )

        counts, limited, waiting = await self._store.read(read)
        found["aetherd_processes"] = {(state,): count for state, count in counts.items() if state not in ENDED}
        found["aetherd_processes_limited"][()] = limited
        found["aetherd_approvals_waiting"][()] = waiting
        found["aetherd_event_subscribers"][()] = self._hub.subscribers
        depth, lag = self._store.waiting
        found["aetherd_writes_waiting"][()], found["aetherd_write_lag_seconds"][()] = depth, lag
        await self._used(found)
        return [*_declared(found), *_of_rooms(self._rooms())]

    async def _used(self, found: dict[str, Values]) -> None:
        """Add up what processes use, where control groups measure it: anything else costs a walk through /proc."""
        bounds = self._process.bounds
        for one in await bounds.living():
            tier = (one.tier,)
            _add(found["aetherd_sandboxes"], tier, one.state not in WAITING)
            if (usage := await bounds.measured(one.pid)) is not None:
                _add(found["aetherd_sandbox_memory_bytes"], tier, usage.memory_bytes or 0)
                _add(found["aetherd_sandbox_programs"], tier, usage.processes or 0)
                _add(found["aetherd_sandbox_cpu_seconds"], tier, usage.cpu_s or 0)


def _add(values: Values, labels: tuple[str, ...], value: float) -> None:
    values[labels] = values.get(labels, 0) + value


def _declared(found: Mapping[str, Values]) -> Iterable[GaugeMetricFamily]:
    for name, (doc, labels) in GAUGES.items():
        family = GaugeMetricFamily(name, doc, labels=labels)
        for key, value in found.get(name, {}).items():
            family.add_metric(key, value)
        yield family


def _of_rooms(values: Mapping[str, float]) -> Iterable[GaugeMetricFamily]:
    """Return what rooms tell of themselves, without labels."""
    for name, value in sorted(values.items()):
        if NAME.fullmatch(name):
            yield GaugeMetricFamily(name, "as the room tells", value=value)
