"""The one writer: groups, savepoints, order, foreign locks."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from sqlmodel import select

import aetherd.store.writer as writer_module
from aetherd.core.context import Origin, origin
from aetherd.core.errors import Conflict, Exhausted, Unavailable
from aetherd.events import Event, EventLog
from aetherd.events.log import EventRow
from aetherd.kernel.token.tables import TokenRow
from aetherd.store import RiderSlot, Store, Tx, rider

pytestmark = pytest.mark.anyio


class Happened(Event):
    """Something."""

    type: Literal["test.happened"] = "test.happened"
    n: int


def token(key: str) -> TokenRow:
    return TokenRow(
        id=key,
        kind="api",
        name=key,
        digest=key,
        scopes="",
        toolset="all",
        user="owner",
        org="home",
        created_at="",
        created_by="",
    )


async def ids(store: Store) -> list[str]:
    return await store.read(lambda session: list(session.exec(select(TokenRow.id).order_by(TokenRow.id))))


async def held(store: Store) -> tuple[Callable[[], None], anyio.Event]:
    """Stop the writer inside a work of its own; what is written meanwhile forms one group."""
    inside, release, loop = anyio.Event(), threading.Event(), store._writer._loop
    assert loop is not None

    def block(tx: Tx) -> None:
        loop.call_soon_threadsafe(inside.set)
        assert release.wait(10)

    store._writer.submit(block, origin.get(), None)
    with anyio.fail_after(5):
        await inside.wait()
    return release.set, inside


async def test_a_write_that_returned_is_seen_by_another_connection(store: Store) -> None:
    await store.write(lambda tx: tx.session.add(token("a")))
    other = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)
    try:
        assert other.execute("SELECT id FROM token").fetchall() == [("a",)]
    finally:
        other.close()


async def test_the_answer_comes_after_the_commit_and_many_writes_share_one(store: Store) -> None:
    statements: list[str] = []
    done: list[str] = []

    def spy(tx: Tx) -> None:
        tx._cursor.connection.set_trace_callback(statements.append)

    await store.write(spy)
    release, _ = await held(store)

    async def write(key: str) -> None:
        await store.write(lambda tx: tx.session.add(token(key)))
        done.append(key)
        assert statements[-1] == "COMMIT"

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(write, f"{n:02}")
            await anyio.wait_all_tasks_blocked()
            assert done == []
            statements.clear()
            release()
    assert done == [f"{n:02}" for n in range(50)]
    assert statements.count("COMMIT") == 2  # the work that held the writer, and one for all fifty


async def test_the_writer_asks_sqlite_for_a_full_fsync_in_wal_mode(store: Store) -> None:
    def ask(tx: Tx) -> tuple[Any, Any, Any]:
        return tuple(
            tx.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode", "foreign_keys")
        )  # type: ignore[return-value]

    assert await store.write(ask) == (2, "wal", 1)


async def test_a_failing_work_is_rolled_back_alone(store: Store) -> None:
    release, _ = await held(store)
    outcomes: dict[str, str] = {}

    async def write(key: str, fail: bool) -> None:
        def work(tx: Tx) -> None:
            tx.session.add(token(key))
            tx.emit(Happened(n=int(key)))
            tx.execute("UPDATE token SET name = 'x' WHERE id = ?", (key,))
            if fail:
                raise ValueError(key)

        try:
            await store.write(work)
            outcomes[key] = "ok"
        except ValueError:
            outcomes[key] = "failed"

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for n in range(6):
                group.start_soon(write, str(n), n % 2 == 1)
            await anyio.wait_all_tasks_blocked()
            release()
    assert outcomes == {"0": "ok", "1": "failed", "2": "ok", "3": "failed", "4": "ok", "5": "failed"}
    assert await ids(store) == ["0", "2", "4"]
    assert len(await store.read(lambda session: session.exec(select(EventRow)).all())) == 3


async def test_a_broken_constraint_in_the_session_fails_only_its_own_work(store: Store) -> None:
    await store.write(lambda tx: tx.session.add(token("a")))
    with pytest.raises(Exception, match="UNIQUE"):
        await store.write(lambda tx: tx.session.add(token("a")))
    await store.write(lambda tx: tx.session.add(token("b")))
    assert await ids(store) == ["a", "b"]


async def test_the_session_and_plain_sql_see_one_another_inside_a_work(store: Store) -> None:
    def work(tx: Tx) -> tuple[int, str]:
        tx.session.add(token("a"))
        count = tx.execute("SELECT count(*) FROM token").fetchone()[0]  # sees what the session holds
        tx.execute("UPDATE token SET name = 'plain'")
        tx.session.expire_all()
        return count, tx.session.get_one(TokenRow, "a").name

    assert await store.write(work) == (1, "plain")


async def test_events_are_published_once_in_id_order_after_the_commit(store: Store) -> None:
    published: list[tuple[int, int]] = []

    def publish(logged: list[Any]) -> None:
        for one in logged:
            committed = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)
            try:
                row = committed.execute("SELECT id FROM event WHERE id = ?", (one.id,)).fetchone()
            finally:
                committed.close()
            assert row is not None
            published.append((one.id, one.event.n))

    store.on_commit(publish)
    answers: dict[int, int] = {}

    async def write(n: int) -> None:
        if n % 7 == 3:
            with pytest.raises(ValueError, match="no"):
                await store.write(lambda tx: (tx.emit(Happened(n=n)), int("no")))
        else:
            answers[n] = await store.write(lambda tx: tx.emit(Happened(n=n)))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for n in range(200):
                group.start_soon(write, n)
    assert [key for key, _ in published] == sorted(answers.values())
    assert {n: key for key, n in published} == answers
    assert [key for key, _ in published] == list(range(1, len(answers) + 1))  # no gap where a work failed


async def test_what_follows_from_a_write_is_done_after_its_commit_and_only_then(store: Store) -> None:
    done: list[str] = []

    def first(tx: Tx) -> None:
        tx.after(lambda: 1 / 0)  # its fault is nobody else's
        tx.after(lambda: done.append("first"))
        assert done == []

    def refused(tx: Tx) -> None:
        tx.after(lambda: done.append("refused"))
        raise Conflict("no")

    await store.write(first)
    with pytest.raises(Conflict):
        await store.write(refused)
    assert done == ["first"]


async def test_who_acts_is_taken_from_the_caller_not_from_the_writer_thread(store: Store) -> None:
    reset = origin.set(Origin("agent:a", "call_1", "u", "o"))
    try:
        await store.write(lambda tx: tx.emit(Happened(n=1)))
    finally:
        origin.reset(reset)
    row = await store.read(lambda session: session.exec(select(EventRow)).one())
    assert (row.user, row.org) == ("u", "o")
    assert '"actor":"agent:a","call":"call_1"' in row.body


async def test_the_rider_is_written_with_the_first_write_that_succeeds(store: Store) -> None:
    slot = RiderSlot(lambda tx: tx.session.add(token("rider")))
    reset = rider.set(slot)
    try:
        with pytest.raises(ValueError, match="no"):
            await store.write(lambda tx: int("no"))
        assert await ids(store) == []
        await store.write(lambda tx: tx.session.add(token("a")))
        await store.write(lambda tx: tx.session.add(token("b")))
    finally:
        rider.reset(reset)
    assert await ids(store) == ["a", "b", "rider"]


async def test_two_writes_of_one_call_in_one_group_carry_one_rider(store: Store) -> None:
    rides: list[int] = []
    slot = RiderSlot(lambda tx: rides.append(1))
    release, _ = await held(store)
    reset = rider.set(slot)
    try:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for key in "ab":
                    group.start_soon(store.write, lambda tx, key=key: tx.session.add(token(key)))
                await anyio.wait_all_tasks_blocked()
                release()
    finally:
        rider.reset(reset)
    assert rides == [1]
    assert await ids(store) == ["a", "b"]


async def test_a_caller_that_left_does_not_undo_its_write_nor_hold_up_others(store: Store) -> None:
    release, _ = await held(store)
    async with anyio.create_task_group() as group:
        group.start_soon(store.write, lambda tx: tx.session.add(token("a")))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        release()
    await store.write(lambda tx: tx.session.add(token("b")))
    assert await ids(store) == ["a", "b"]


async def test_a_foreign_lock_is_waited_out_and_the_store_says_so_meanwhile(store: Store) -> None:
    await store.write(lambda tx: tx.session.add(token("a")))
    foreign = sqlite3.connect(store.path, isolation_level=None)
    foreign.execute("BEGIN EXCLUSIVE")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(store.write, lambda tx: tx.session.add(token("b")))
            while not store.trouble:
                await anyio.sleep(0.01)
            assert store._writer.waiting_since is not None
            foreign.execute("COMMIT")
    foreign.close()
    assert not store.trouble
    assert await ids(store) == ["a", "b"]


async def test_a_lock_that_never_goes_is_an_answer_and_nothing_of_the_write_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer_module, "BUSY_S", 0.0)
    foreign = sqlite3.connect(store.path, isolation_level=None)
    foreign.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="locked"):
        await store.write(lambda tx: tx.session.add(token("a")))
    foreign.execute("COMMIT")
    foreign.close()
    await store.write(lambda tx: tx.session.add(token("b")))
    assert await ids(store) == ["b"]


async def test_too_many_waiting_writes_are_refused_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "PENDING", 3)
    release, _ = await held(store)
    futures = [store._writer.submit(lambda tx: None, origin.get(), None) for _ in range(3)]
    with pytest.raises(Exhausted, match="too many"):
        await store.write(lambda tx: None)
    release()
    for future in futures:
        await future


async def test_what_is_queued_at_shutdown_is_written_and_later_writes_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "aether.db", EventLog())
    async with store.running():
        release, _ = await held(store)
        futures = [
            store._writer.submit(lambda tx, n=n: tx.session.add(token(f"{n}")), origin.get(), None) for n in range(5)
        ]
        release()
    with pytest.raises(Unavailable, match="shutting down"):
        await store.write(lambda tx: None)
    assert len(futures) == 5
    async with store.running():
        assert await ids(store) == ["0", "1", "2", "3", "4"]


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match="readonly"):
        await store.read(lambda session: session.connection().exec_driver_sql("DELETE FROM token"))


async def test_a_caller_who_is_cancelled_while_it_writes_still_does_what_follows_at_once(store: Store) -> None:
    release, _ = await held(store)
    followed: list[str] = []

    async def change() -> None:
        await store.write(lambda tx: tx.session.add(token("a")))
        followed.append("known in memory too")
        await anyio.sleep(10)
        followed.append("never")

    async with anyio.create_task_group() as group:
        group.start_soon(change)
        await anyio.sleep(0.01)
        group.cancel_scope.cancel()
        release()
    assert (followed, await ids(store)) == (["known in memory too"], ["a"])
