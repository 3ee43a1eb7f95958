"""Measure acknowledged events: 50 producers, each waits until its event is on disk (synchronous=FULL).

    python benchmarks/events.py [--rounds 5] [--producers 50] [--seconds 2]

Ours goes through `Store.write` and `tx.emit`, with a subscriber of the hub at work. The naive form, in the
same run: one SQLModel session and one commit per event, from worker threads, same file settings. Beside them
plain sqlite3 with one commit per event: what an fsync costs here.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.to_thread
from lab import Row, arguments, median, p99, report
from sqlalchemy import create_engine, event
from sqlmodel import Session

from aetherd.core.clock import SystemClock, stamp
from aetherd.core.context import Origin, origin
from aetherd.events import EventLog, Hub
from aetherd.events.hub import Batch, Filter
from aetherd.events.log import EventRow
from aetherd.kernel.process.events import AgentText
from aetherd.store import Store
from aetherd.store.engine import prepare

TEXT = "I looked at the three files you named; the second one does not close its handle on the error path. " * 2
Produce = Callable[[int], Awaitable[None]]
Produced = tuple[float, list[float], float]  # events per second, what each waited in ms, CPU us per event


async def produce(one: Produce, producers: int, seconds: float) -> Produced:
    """Run the producers for a while."""
    waits: list[float] = []
    begun, computed = time.perf_counter(), time.process_time()

    async def work(number: int) -> None:
        while (asked := time.perf_counter()) < begun + seconds:
            await one(number)
            waits.append((time.perf_counter() - asked) * 1000)

    async with anyio.create_task_group() as group:
        for number in range(producers):
            group.start_soon(work, number)
    rate = len(waits) / (time.perf_counter() - begun)
    return rate, waits, (time.process_time() - computed) / len(waits) * 1e6


async def ours(place: Path, producers: int, seconds: float) -> Produced:
    """Go through the store, with one subscriber that serializes what it gets."""
    store = Store(place / "ours.db", EventLog(SystemClock()))
    async with store.running():
        hub = Hub(store)
        store.on_commit(hub.publish)
        await hub.start()
        origin.set(Origin("agent:bench", None, "owner", "home"))
        arrived = 0

        async def one(number: int) -> None:
            await store.write(lambda tx: tx.emit(AgentText(pid=number + 1, agent="agent_bench", text=TEXT)))

        async def follow() -> None:
            nonlocal arrived
            with hub.subscribe(Filter("owner", lambda *_: True)) as subscriber:
                async with aclosing(subscriber.stream()) as items:  # type: ignore[type-var]
                    async for item in items:
                        if isinstance(item, Batch):
                            arrived += len(item.events) if item.sse else 0

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await produce(one, producers, 0.3)  # warm up
            before = arrived
            found = await produce(one, producers, seconds)
            with anyio.move_on_after(5):
                while arrived - before < len(found[1]):
                    await anyio.sleep(0.01)
            if arrived - before < len(found[1]):
                print(f"the subscriber got {arrived - before} of {len(found[1])} events")
            group.cancel_scope.cancel()
    return found


async def naive(place: Path, producers: int, seconds: float) -> Produced:
    """One session and one commit per event."""
    path = place / "naive.db"
    prepare(path)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    limiter, lock = anyio.CapacityLimiter(8), anyio.Lock()
    clock = SystemClock()

    def write(number: int) -> None:
        told = AgentText(pid=number + 1, agent="agent_bench", text=TEXT)
        with Session(engine) as session:
            body = f'"type":"{told.type}","at":"{stamp(clock.now())}","data":{told.data()}}}'
            row = EventRow(type=told.type, pid=told.pid, agent=told.agent, user="owner", org="home", body=body)
            session.add(row)
            session.commit()
            assert row.id

    async def one(number: int) -> None:
        async with lock:  # kinder than fifty writers fighting for the file's lock
            await anyio.to_thread.run_sync(write, number, limiter=limiter)

    found = await produce(one, producers, seconds)
    engine.dispose()
    return found


def plain(place: Path, seconds: float) -> float:
    """Return commits per second of plain sqlite3, one event each."""
    path = place / "plain.db"
    prepare(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    count, begun = 0, time.perf_counter()
    while time.perf_counter() < begun + seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO event (type, pid, agent, user, org, body) VALUES ('agent.text', 1, 'a', 'owner', 'home', ?)",
            (TEXT,),
        )
        connection.execute("COMMIT")
        count += 1
    connection.close()
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 5, 3)
    parser.add_argument("--producers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = read()
    rates: dict[str, list[float]] = {"ours": [], "naive": [], "plain": []}
    middles: dict[str, list[float]] = {"ours": [], "naive": []}
    costs: dict[str, list[float]] = {"ours": [], "naive": []}
    tails: dict[str, list[float]] = {"ours": [], "naive": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="aether-bench-") as name:
            for form, run in (("ours", ours), ("naive", naive)):
                rate, waits, computed = anyio.run(run, Path(name), options.producers, options.seconds)
                rates[form].append(rate)
                costs[form].append(computed)
                middles[form].append(median(waits))
                tails[form].append(p99(waits))
            rates["plain"].append(plain(Path(name), options.seconds / 4))
    rows = [
        Row(
            f"acknowledged events, {options.producers} producers, FULL",
            *(median(rates["ours"]), "/s", median(rates["naive"]), "one ORM session and commit per event"),
            target=8000,
            at_least=True,
        ),
        Row("acknowledged events, CPU of each", median(costs["ours"]), "us", median(costs["naive"]), "the same"),
        Row("ack p50", median(middles["ours"]), "ms", median(middles["naive"]), "the same"),
        Row("ack p99", median(tails["ours"]), "ms", median(tails["naive"]), "the same"),
        Row("plain sqlite3, one commit per event", median(rates["plain"]), "/s"),
    ]
    report("Acknowledged events", rows, options, packages=("sqlmodel", "sqlalchemy"))


if __name__ == "__main__":
    main()
