"""Counts what is in the event log, as it is written."""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import anyio

from aetherd.core.errors import AetherError
from aetherd.events import Hub
from aetherd.events.hub import Batch, Filter
from aetherd.events.log import Logged
from aetherd.kernel.metric.ports import Processes
from aetherd.operations.metrics import Metrics

logger = logging.getLogger(__name__)

AGAIN_S = 5.0
KEPT = 4096  # runtimes of processes, and tools under way, that are remembered
TOLD = frozenset(
    {
        "process.spawned",
        "process.exited",
        "agent.tool_call",
        "agent.tool_result",
        "agent.usage",
        "agent.limit_reached",
    }
)
KINDS = ("input", "output", "cache_read", "cache_write")

AT = re.compile(r'"at":"([^"]+)"')
HEAD = 500  # characters in which it stands

Spanned = Callable[[int, str, float, float, bool], None]  # (pid, tool, begun, ended in Unix time, went wrong)
Ended = Callable[[Any, float], None]  # (the process's row, when it ended)


class Hearing:
    """One subscription to everything."""

    def __init__(self, hub: Hub, metrics: Metrics, process: Processes) -> None:
        self._hub, self._metrics, self._process = hub, metrics, process
        self._runtimes: OrderedDict[int, str] = OrderedDict()
        self._tools: OrderedDict[tuple[int, str], tuple[str, float]] = OrderedDict()
        self.spanned: Spanned | None = None
        self.ended: Ended | None = None

    async def serve(self) -> None:
        """Listen, for ever."""
        everything = Filter("metric", lambda _agent, _user, _org: True)
        since: int | None = None
        while True:
            try:
                with self._hub.subscribe(everything, since) as subscriber:
                    async for item in subscriber.stream():
                        if isinstance(item, Batch):
                            for event in item.events:
                                since = event.id
                                await self._heard(event)
            except AetherError as exc:
                logger.warning("events are counted late: %s", exc.message)
                await anyio.sleep(AGAIN_S)

    async def _heard(self, event: Logged) -> None:
        self._metrics.count("aetherd_events", event.type)
        if event.type not in TOLD or event.pid is None:
            return
        pid, at = event.pid, _at(event)
        # A live event is at hand as it is: a tool's result may be long, and to parse it would hold everybody up.
        data = dict(event.event) if event.event is not None else json.loads(event.json)["data"]
        if event.type == "process.spawned":
            _keep(self._runtimes, pid, str(data["runtime"]))
            self._metrics.count("aetherd_spawns", str(data["runtime"]))
            return
        if event.type == "agent.usage":
            self._used(data)
            return
        runtime = await self._runtime(pid)
        if event.type == "agent.tool_call":
            self._metrics.count("aetherd_tool_calls", runtime)
            _keep(self._tools, (pid, str(data["tool_call"])), (str(data["tool"]), at))
        elif event.type == "agent.tool_result":
            tool, begun = self._tools.pop((pid, str(data["tool_call"])), ("", None))
            if begun is not None:
                self._metrics.observe("aetherd_tool_call_seconds", max(0.0, at - begun), runtime)
                if self.spanned is not None:
                    self.spanned(pid, tool, begun, at, bool(data.get("is_error")))
        elif event.type == "agent.limit_reached":
            self._metrics.count("aetherd_usage_limits", runtime)
        else:
            self._metrics.count("aetherd_runs_ended", runtime, str(data["outcome"]))
            if self.ended is not None:
                self.ended(await self._process.row_of(pid), at)

    def _used(self, data: dict[str, Any]) -> None:
        model, source = self._metrics.model(data.get("model")), str(data.get("source", "runtime"))
        for kind in KINDS:
            if count := data.get(f"{kind}_tokens"):
                self._metrics.count("aetherd_tokens", model, kind, source, by=count)
        if cost := data.get("cost_usd"):
            self._metrics.count("aetherd_cost_usd", model, source, by=max(0.0, cost))

    async def _runtime(self, pid: int) -> str:
        if pid not in self._runtimes:
            _keep(self._runtimes, pid, str((await self._process.row_of(pid)).runtime))
        return self._runtimes[pid]


def _at(event: Logged) -> float:
    found = AT.search(event.body, 0, HEAD)
    assert found is not None
    return datetime.fromisoformat(found[1]).timestamp()


def _keep(where: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    where[key] = value
    while len(where) > KEPT:
        where.popitem(last=False)
