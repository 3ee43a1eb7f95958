"""The hub: from any id without a gap or a double, and nobody slows anybody."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

import aetherd.events.hub as hub_module
from aetherd.core.context import Origin, origin
from aetherd.core.errors import Unavailable
from aetherd.events import Batch, Event, EventLog, Filter, Frame, Hub, Resync, Subscriber
from aetherd.operations.operation import Call, Owner
from aetherd.store import Store

pytestmark = pytest.mark.anyio


class Ticked(Event):
    """A tick."""

    type: Literal["test.ticked"] = "test.ticked"
    n: int


class Tocked(Event):
    """A tock."""

    type: Literal["test.tocked"] = "test.tocked"


ALL = Filter("user:owner", lambda agent, user, org: True)


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Store]:
    made = Store(tmp_path / "aether.db", EventLog())
    async with made.running():
        yield made


@pytest.fixture
async def hub(store: Store) -> Hub:
    made = Hub(store)
    store.on_commit(made.publish)
    await made.start()
    return made


async def tick(store: Store, n: int = 0, **fields: Any) -> int:
    return await store.write(lambda tx: tx.emit(Ticked(n=n, **fields)))


async def ticks(store: Store, count: int) -> None:
    await store.write(lambda tx: [tx.emit(Ticked(n=n)) for n in range(count)])


async def read(
    subscriber: Subscriber, until: int, pause: Callable[[], Any] | None = None
) -> tuple[list[int], list[Resync]]:
    """Read up to an id; returns the ids in order of arrival, and the markers."""
    ids: list[int] = []
    marks: list[Resync] = []
    with anyio.fail_after(10):
        async with aclosing(subscriber.stream()) as items:  # type: ignore[type-var]
            async for item in items:
                if isinstance(item, Resync):
                    marks.append(item)
                elif isinstance(item, Batch):
                    ids += [event.id for event in item.events]
                    if pause is not None:
                        await pause()
                if subscriber.cursor >= until:
                    return ids, marks
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("seed", range(5))
async def test_replay_and_live_join_without_gap_or_double_while_many_write(store: Store, hub: Hub, seed: int) -> None:
    dice = random.Random(seed)
    total, got = 400, {}

    async def write(count: int) -> None:
        for n in range(count):
            await tick(store, n)

    async def follow(name: int) -> None:
        for _ in range(dice.randrange(20)):
            await anyio.lowlevel.checkpoint()
        since = dice.randrange(hub.newest + 1)
        with hub.subscribe(ALL, since) as subscriber:
            got[name] = (since, *await read(subscriber, total, anyio.lowlevel.checkpoint))

    await ticks(store, 100)
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(write, 30)
        for name in range(12):
            group.start_soon(follow, name)
    for since, ids, marks in got.values():
        assert ids == list(range(since + 1, total + 1))
        assert marks == []


@pytest.mark.parametrize("seed", range(10))
async def test_a_slow_subscriber_is_cut_once_told_and_then_complete(
    store: Store, hub: Hub, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "QUEUE_EVENTS", 20)
    dice = random.Random(seed)
    sizes = [dice.randrange(1, 15) for _ in range(30)]

    async def slow() -> None:
        for _ in range(dice.randrange(1, 6)):  # the writer runs ahead while the reader is busy
            if sizes:
                await ticks(store, sizes.pop())

    total = sum(sizes)
    with hub.subscribe(ALL) as subscriber:
        await slow()
        ids, marks = await read(subscriber, total, slow)
    assert ids == list(range(1, total + 1))
    assert all(not mark.lost for mark in marks)


async def test_a_cut_in_the_middle_of_delivery_leaves_no_hole(
    store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "QUEUE_EVENTS", 4)
    with hub.subscribe(ALL) as subscriber:
        async with aclosing(subscriber.stream()) as items:  # type: ignore[type-var]
            waiting = anyio.Event()

            async def first() -> None:
                waiting.set()
                item = await anext(items)
                assert isinstance(item, Batch)
                seen.extend(event.id for event in item.events)

            seen: list[int] = []
            async with anyio.create_task_group() as group:
                group.start_soon(first)
                await waiting.wait()
                await anyio.wait_all_tasks_blocked()
                await tick(store)
                await tick(store)  # 1 is delivered, 2 is queued, the reader sleeps
            for _ in range(4):
                await tick(store)  # the queue is cut here...
            await tick(store)  # ...and begins anew after the hole
            with anyio.fail_after(5):
                while seen[-1] < 7:
                    item = await anext(items)
                    if isinstance(item, Batch):
                        seen.extend(event.id for event in item.events)
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_a_frozen_subscriber_costs_the_others_nothing(
    store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "QUEUE_EVENTS", 50)
    with hub.subscribe(ALL) as frozen, hub.subscribe(ALL) as quick:
        got: list[tuple[list[int], list[Resync]]] = []

        async def follow() -> None:
            got.append(await read(quick, 300))

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            for n in range(300):
                await tick(store, n)
        assert got == [(list(range(1, 301)), [])]
        assert frozen._events <= 50  # what waits is bounded
        ids, marks = await read(frozen, 300)
    assert ids == list(range(1, 301))
    assert len(marks) <= 1


async def test_a_queue_is_bounded_in_bytes_too(store: Store, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "QUEUE_BYTES", 500)
    with hub.subscribe(ALL) as subscriber:
        for n in range(20):
            await tick(store, n)
        assert subscriber._bytes <= 500
        ids, _ = await read(subscriber, 20)
    assert ids == list(range(1, 21))


@pytest.mark.parametrize("since", [1_000_000, 2**62])
async def test_a_cursor_from_the_future_is_told_and_goes_on_from_now(store: Store, hub: Hub, since: int) -> None:
    await ticks(store, 5)
    with hub.subscribe(ALL, since) as subscriber:
        async with aclosing(subscriber.stream()) as items:  # type: ignore[type-var]
            assert await anext(items) == Resync(5, lost=True)
            await tick(store)
            with anyio.fail_after(5):
                batch = await anext(items)
    assert isinstance(batch, Batch)
    assert batch.first == 6


@pytest.mark.parametrize("since", [0, -7, 3])
async def test_a_cursor_older_than_the_log_is_told_what_is_lost(store: Store, hub: Hub, since: int) -> None:
    await ticks(store, 10)
    await store.write(lambda tx: tx.execute("DELETE FROM event WHERE id <= 5"))
    with hub.subscribe(ALL, since) as subscriber:
        ids, marks = await read(subscriber, 10)
    assert marks == [Resync(5, lost=True)]
    assert ids == [6, 7, 8, 9, 10]


async def test_a_cursor_at_the_edge_of_the_log_loses_nothing(store: Store, hub: Hub) -> None:
    await ticks(store, 10)
    await store.write(lambda tx: tx.execute("DELETE FROM event WHERE id <= 5"))
    with hub.subscribe(ALL, 5) as subscriber:
        assert await read(subscriber, 10) == ([6, 7, 8, 9, 10], [])


async def test_a_replay_longer_than_a_page_is_whole(store: Store, hub: Hub) -> None:
    await ticks(store, 1203)
    with hub.subscribe(ALL, 0) as subscriber:
        ids, marks = await read(subscriber, 1203)
    assert ids == list(range(1, 1204))
    assert marks == []


async def test_a_filter_that_wants_little_still_moves_past_the_rest(store: Store, hub: Hub) -> None:
    await ticks(store, 700)
    key = await store.write(lambda tx: tx.emit(Tocked()))
    only = Filter("user:owner", lambda *_: True, types=("test.tocked",))
    with hub.subscribe(only, 0) as subscriber:
        assert await read(subscriber, key) == ([key], [])


async def test_subscribers_of_one_filter_share_the_batch_and_its_bytes(store: Store, hub: Hub) -> None:
    evaluated = []

    def sees(agent: str | None, user: str, org: str) -> bool:
        evaluated.append(1)
        return True

    with hub.subscribe(Filter("v", sees)) as one, hub.subscribe(Filter("v", sees)) as two:
        await tick(store)
        assert one._queue[0] is two._queue[0]
        assert one._queue[0].sse is two._queue[0].sse
        assert len(evaluated) == 1
    assert hub._groups == {}


async def test_the_bytes_carry_the_id_to_resume_from(store: Store, hub: Hub) -> None:
    with hub.subscribe(ALL) as subscriber:
        await ticks(store, 2)
        batch = subscriber._queue[0]
    blocks = batch.sse.decode().strip().split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == ["id: 1", "id: 2"]
    assert batch.ws.startswith('{"type":"events","events":[{"id":1,')


@pytest.mark.parametrize("live", [True, False])
async def test_an_agent_gets_its_own_and_its_children_s_events_and_no_others(
    store: Store, hub: Hub, live: bool
) -> None:
    parents = {"agent_child": "agent_a"}
    call = Call("c", "agent:agent_a", frozenset(), "mcp", agent="agent_a")

    def sees(agent: str | None, user: str, org: str) -> bool:
        return call.owns(Owner(agent, user, org, parents.get(agent or "")))

    async def write() -> None:
        for agent, user in (
            ("agent_a", "owner"),
            ("agent_b", "owner"),
            ("agent_child", "owner"),
            (None, "owner"),
            ("agent_a", "stranger"),
        ):
            reset = origin.set(Origin(user=user))
            try:
                await tick(store, agent=agent)
            finally:
                origin.reset(reset)

    if not live:
        await write()
    with hub.subscribe(Filter("agent:agent_a", sees), 0 if not live else None) as subscriber:
        if live:
            await write()
        with anyio.fail_after(5):
            async with aclosing(subscriber.stream()) as items:  # type: ignore[type-var]
                ids: list[int] = []
                while len(ids) < 2:
                    item = await anext(items)
                    assert isinstance(item, Batch)
                    ids += [event.id for event in item.events]
    assert ids == [1, 3]


async def test_frames_reach_who_watches_are_bounded_and_never_logged(store: Store, hub: Hub) -> None:
    mine = Filter("v", lambda agent, user, org: agent == "agent_a")
    with hub.subscribe(mine, frames=True) as watching, hub.subscribe(mine) as quiet:
        for n in range(hub_module.FRAMES + 10):
            hub.publish_frame(Frame(kind="delta", agent="agent_a", data={"n": n}))
        hub.publish_frame(Frame(kind="delta", agent="agent_b", data={}))
        assert len(watching._frames) == hub_module.FRAMES
        assert watching._frames[0].data == {"n": 10}
        assert not quiet._frames
    assert await hub.bounds() == (1, 0)


async def test_too_many_subscribers_are_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "SUBSCRIBERS", 1)
    with hub.subscribe(ALL), pytest.raises(Unavailable, match="too many"), hub.subscribe(ALL):
        pass
    with hub.subscribe(ALL):
        pass
