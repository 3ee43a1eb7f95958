"""The log: wire form, pages, bounds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from aetherd.core.context import Origin, origin
from aetherd.events import Event, EventLog
from aetherd.store import Store

pytestmark = pytest.mark.anyio


class Noted(Event):
    """Something with awkward text."""

    type: Literal["test.noted"] = "test.noted"
    text: str


class At:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the log never waits")


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Store]:
    made = Store(tmp_path / "aether.db", EventLog(At()))
    async with made.running():
        yield made


@pytest.mark.parametrize(
    "text", ["plain", 'quo"te', "new\nline", "\x00\x1b[31m", "日本 🔥", "</script>", "data: x\n\n"]
)
async def test_an_event_read_back_is_the_very_text_that_was_published(store: Store, text: str) -> None:
    published: list[str] = []
    store.on_commit(lambda logged: published.extend(one.json for one in logged))
    reset = origin.set(Origin("agent:a", "call_1"))
    try:
        key = await store.write(lambda tx: tx.emit(Noted(text=text, pid=7, agent="agent_a")))
    finally:
        origin.reset(reset)
    (read,) = await store.read(lambda session: EventLog.page(session, after=0, until=key))
    assert published == [read.json]
    assert "\n" not in read.json  # or it would break the frame it travels in
    assert json.loads(read.json) == {
        "id": key,
        "type": "test.noted",
        "at": "2026-01-02T00:00:00.000000Z",
        "actor": "agent:a",
        "call": "call_1",
        "pid": 7,
        "agent": "agent_a",
        "data": {"text": text},
    }


async def test_pages_follow_one_another_and_keep_to_what_is_asked(store: Store) -> None:
    for n in range(10):
        agent = f"agent_{n % 2}"
        await store.write(lambda tx, n=n, agent=agent: tx.emit(Noted(text=str(n), pid=n % 3, agent=agent)))

    async def page(**options: object) -> list[int]:
        options = {"after": 0, "until": 100, **options}
        return [one.id for one in await store.read(lambda session: EventLog.page(session, **options))]  # type: ignore[arg-type]

    assert await page(limit=4) == [1, 2, 3, 4]
    assert await page(after=4, limit=4) == [5, 6, 7, 8]
    assert await page(after=4, until=6) == [5, 6]
    assert await page(agent="agent_1") == [2, 4, 6, 8, 10]
    assert await page(agent="agent_1", pid=0) == [4, 10]
    assert await page(types=["test.noted", "x"], pid=0) == [1, 4, 7, 10]
    assert await page(types=["test.other"]) == []


async def test_an_id_is_never_given_twice_even_when_old_events_are_gone(store: Store) -> None:
    assert await store.read(EventLog.bounds) == (1, 0)
    for n in range(3):
        await store.write(lambda tx, n=n: tx.emit(Noted(text=str(n))))
    assert await store.read(EventLog.bounds) == (1, 3)
    await store.write(lambda tx: tx.execute("DELETE FROM event WHERE id < 3"))
    assert await store.read(EventLog.bounds) == (3, 3)
    await store.write(lambda tx: tx.execute("DELETE FROM event"))
    assert await store.read(EventLog.bounds) == (4, 3)
    assert await store.write(lambda tx: tx.emit(Noted(text="new"))) == 4
