"""Fan-out of committed events: serialized once, bounded per subscriber, without a gap.

A subscriber starts at an id: it pages the log up to the live tail and goes on live. When it is too slow
its queue is cut, it gets one `Resync` marker and pages the log from the last id it had; nobody else slows.
Subscribers with the same filter share one matched batch and its joined bytes.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import anyio

from aetherd.core.errors import AetherError, Unavailable
from aetherd.events.event import Frame
from aetherd.events.log import CHUNK, EventLog, Logged
from aetherd.store import Store

logger = logging.getLogger(__name__)

QUEUE_EVENTS = 5_000
QUEUE_BYTES = 4 * 1024 * 1024
PAGE = 500
FRAMES = 256  # most frames waiting for one subscriber; the oldest go first
SUBSCRIBERS = 10_000
RETIRE_S = 60.0

Sees = Callable[[str | None, str, str], bool]  # (agent, user, org) -> may the viewer see it


@dataclass(frozen=True, slots=True)
class Filter:
    """What a subscriber wants and may see. Equal filters are evaluated once per batch."""

    viewer: str  # who is looking: filters of one viewer with equal fields are equal
    sees: Sees = field(compare=False, hash=False)
    types: tuple[str, ...] = ()
    pid: int | None = None
    agent: str | None = None

    def matches(self, event: Logged) -> bool:
        """Tell whether the event is wanted and may be seen."""
        return (
            (not self.types or event.type in self.types)
            and (self.pid is None or event.pid == self.pid)
            and (self.agent is None or event.agent == self.agent)
            and self.sees(event.agent, event.user, event.org)
        )

    def matches_frame(self, frame: Frame) -> bool:
        """Tell whether the frame is wanted and may be seen."""
        return (
            (self.pid is None or frame.pid == self.pid)
            and (self.agent is None or frame.agent == self.agent)
            and self.sees(frame.agent, frame.user, frame.org)
        )


class Batch:
    """Matched events of one publish, with their bytes joined once for all subscribers of a filter."""

    def __init__(self, events: Sequence[Logged]) -> None:
        self.events = events
        self.first, self.last = events[0].id, events[-1].id
        self.size = sum(len(event.body) + 40 for event in events)

    @cached_property
    def sse(self) -> bytes:
        """Return the events as server-sent events."""
        return "".join(f"id: {e.id}\nevent: {e.type}\ndata: {e.json}\n\n" for e in self.events).encode()

    @cached_property
    def ws(self) -> str:
        """Return the events as one WebSocket text: a JSON array wrapped as `{"type":"events",…}`."""
        return f'{{"type":"events","events":[{",".join(e.json for e in self.events)}]}}'


@dataclass(frozen=True, slots=True)
class Resync:
    """The stream jumped: events after `since` follow from the log; `lost` when older ones are gone for good."""

    since: int
    lost: bool


Item = Batch | Resync | Frame


class Subscriber:
    """One reader's place in the stream."""

    def __init__(self, hub: Hub, filter: Filter, since: int, frames: bool) -> None:
        self._hub, self.filter, self.wants_frames = hub, filter, frames
        self._queue: deque[Batch] = deque()
        self._frames: deque[Frame] = deque(maxlen=FRAMES)
        self._events = self._bytes = 0
        self._wake = anyio.Event()
        self._overflowed = False
        self.cursor = since  # id of the last event delivered

    def push(self, batch: Batch) -> None:
        """Queue a batch, or cut the queue when it is full."""
        if self._events + len(batch.events) > QUEUE_EVENTS or self._bytes + batch.size > QUEUE_BYTES:
            self._queue.clear()
            self._events = self._bytes = 0
            self._overflowed = True
        else:
            self._queue.append(batch)
            self._events += len(batch.events)
            self._bytes += batch.size
        self._wake.set()

    def push_frame(self, frame: Frame) -> None:
        """Queue a frame; the oldest gives way."""
        self._frames.append(frame)
        self._wake.set()

    async def stream(self) -> AsyncIterator[Item]:
        """Yield batches in id order, without a gap or a double, for ever."""
        oldest, newest = await self._hub.bounds()
        if self.cursor > newest:  # a cursor from the future: of another database, or garbage
            self.cursor = newest
            yield Resync(newest, lost=True)
        elif self.cursor < oldest - 1:
            self.cursor = oldest - 1
            yield Resync(self.cursor, lost=True)
        async for batch in self._replay():
            yield batch
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            if self._overflowed:
                self._overflowed = False
                yield Resync(self.cursor, lost=False)
                async for batch in self._replay():
                    yield batch
            # A cut while this loop was yielding leaves a hole before what is queued now: page the log first.
            while self._queue and not self._overflowed:
                batch = self._queue.popleft()
                self._events -= len(batch.events)
                self._bytes -= batch.size
                if batch.first <= self.cursor:  # partly replayed already
                    rest = [event for event in batch.events if event.id > self.cursor]
                    if not rest:
                        continue
                    batch = Batch(rest)
                self.cursor = batch.last
                yield batch
            while self._frames:
                yield self._frames.popleft()

    async def _replay(self) -> AsyncIterator[Batch]:
        while self.cursor < (until := self._hub.newest):
            page = await self._hub.page(self.filter, self.cursor, until)
            seen = [event for event in page if self.filter.matches(event)]
            self.cursor = page[-1].id if len(page) == PAGE else until
            if seen:
                yield Batch(seen)


class Hub:
    """All subscribers, grouped by filter."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._groups: dict[Filter, set[Subscriber]] = {}
        self._count = 0
        self.newest = 0  # id of the last published event

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return self._count

    async def start(self) -> None:
        """Learn the newest id; call once, before the first publish."""
        _, self.newest = await self.bounds()

    @contextmanager
    def subscribe(self, filter: Filter, since: int | None = None, *, frames: bool = False) -> Iterator[Subscriber]:
        """Subscribe from an id (events after it), or from now."""
        if self._count >= SUBSCRIBERS:
            raise Unavailable("too many event subscribers")
        subscriber = Subscriber(self, filter, self.newest if since is None else since, frames)
        self._groups.setdefault(filter, set()).add(subscriber)
        self._count += 1
        try:
            yield subscriber
        finally:
            self._count -= 1
            members = self._groups[filter]
            members.discard(subscriber)
            if not members:
                del self._groups[filter]

    def publish(self, logged: list[Logged]) -> None:
        """Hand committed events, in id order, to whoever may see them."""
        self.newest = logged[-1].id
        for filter, members in self._groups.items():
            matched = [event for event in logged if filter.matches(event)]
            if matched:
                batch = Batch(matched)
                for subscriber in members:
                    subscriber.push(batch)

    def watched(self, frame: Frame) -> bool:
        """Tell whether anybody would be shown such a frame now, for what costs something to make."""
        return any(
            filter.matches_frame(frame) and any(subscriber.wants_frames for subscriber in members)
            for filter, members in self._groups.items()
        )

    def publish_frame(self, frame: Frame) -> None:
        """Show a frame to whoever watches now."""
        for filter, members in self._groups.items():
            if any(subscriber.wants_frames for subscriber in members) and filter.matches_frame(frame):
                for subscriber in members:
                    if subscriber.wants_frames:
                        subscriber.push_frame(frame)

    async def retire(self, keep: int) -> None:
        """Keep the log at `keep` events, for ever: old ones go in chunks, so that no writer waits long."""
        while True:
            gone = 0
            try:
                gone = await self._store.write(lambda tx: EventLog.forget(tx.cursor, keep))
            except AetherError as exc:  # the disk is full, say: next time, then
                logger.warning("old events stay for now: %s", exc.message)
            if gone < CHUNK:
                await anyio.sleep(RETIRE_S)

    async def bounds(self) -> tuple[int, int]:
        """Return the oldest and the newest id in the log."""
        return await self._store.read(EventLog.bounds)

    async def page(self, filter: Filter, after: int, until: int) -> list[Logged]:
        """Read one page of what the filter wants; rights are checked by the caller."""
        return await self._store.read(
            lambda session: EventLog.page(
                session,
                after=after,
                until=until,
                limit=PAGE,
                types=filter.types,
                pid=filter.pid,
                agent=filter.agent,
            )
        )
