"""Measure claims: 16 workers take 10,000 tasks from one queue, each claim durable before the worker has it.

    python benchmarks/tasks.py [--rounds 3] [--workers 16] [--tasks 10000]

Ours is `task.claim` through the Dispatcher, with every guard, its event and its audit row. The plain form, in the
same run, does less: a SELECT of the next task and an UPDATE over the ORM, one commit each, under a lock, with the
same file settings; no event, no audit. Neither may give a task to two.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path

import anyio
import anyio.to_thread
from lab import Row, arguments, median, p99, report
from sqlalchemy import create_engine, event
from sqlmodel import Session, col, select

from aetherd.core.clock import SystemClock, stamp
from aetherd.core.config import load
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.kernel.task.tables import TaskRow
from aetherd.operations.operation import Call
from aetherd.store.engine import prepare

SLICE_S = 3.0  # how long the plain form is watched: all of its tasks would take minutes
# Task ids as they were given out, what each took in ms, claims/s, CPU us of each.
Claims = tuple[list[str], list[float], float, float]


def fill(path: Path, tasks: int) -> None:
    """Write the tasks straight into a migrated file, of five priorities."""
    prepare(path)
    now = stamp(SystemClock().now())
    connection = sqlite3.connect(path)
    columns = (
        "id, title, text, queue, rank, state, blocked, attempt, max_attempts, backoff_s, assignee, assignee_name, "
        "delegator, delegator_name, holder, lease, user, org, created_at, created_by"
    )
    with connection:
        connection.executemany(
            f"INSERT INTO task ({columns}) VALUES (?, 'index a file', '', 'default', ?, 'queued', 0, 0, 3, 30.0, "
            "'', '', '', '', '', '', 'owner', 'home', ?, 'user:owner')",
            ((f"task_{number:06}", -(number % 5), now) for number in range(tasks)),
        )
    connection.close()


async def ours(place: Path, workers: int, tasks: int) -> Claims:
    """Claim through the Dispatcher until the queue is empty."""
    settings = load(home=place / "home", port=0)
    settings.home.mkdir(mode=0o700)
    await anyio.to_thread.run_sync(fill, settings.database, tasks)
    kernel = Kernel(settings, ROOMS, {})
    got: list[str] = []
    times: list[float] = []
    async with kernel.running() as house:

        async def work(number: int) -> None:
            agent = f"agent_{number}"
            call = Call("call", f"agent:{agent}", frozenset({"task:write"}), "mcp", agent=agent, pid=number + 1)
            while True:
                begun = time.perf_counter()
                claimed = await house.dispatcher.invoke("task.claim", {}, call)
                if claimed.task is None:  # type: ignore[union-attr]
                    return
                times.append((time.perf_counter() - begun) * 1000)
                got.append(claimed.task.id)  # type: ignore[union-attr]

        begun, computed = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as group:
            for number in range(workers):
                group.start_soon(work, number)
        took, computed = time.perf_counter() - begun, time.process_time() - computed
    return got, times, len(got) / took, computed / len(got) * 1e6


async def plain(place: Path, workers: int, tasks: int) -> Claims:
    """Select and update over the ORM, one commit each, in worker threads, for a while."""
    path = place / "plain.db"
    await anyio.to_thread.run_sync(fill, path, tasks)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    lock, clock, got, times = anyio.Lock(), SystemClock(), list[str](), list[float]()

    def claim(number: int) -> str | None:
        with Session(engine) as session:
            query = select(TaskRow).where(
                TaskRow.state == "queued",
                TaskRow.user == "owner",
                TaskRow.org == "home",
                TaskRow.queue == "default",
                TaskRow.assignee == "",
            )
            row = session.exec(query.order_by(col(TaskRow.rank), col(TaskRow.seq)).limit(1)).first()
            if row is None:
                return None
            row.state, row.holder, row.attempt = "claimed", f"agent:agent_{number}", row.attempt + 1
            row.claimed_at = row.due = stamp(clock.now())
            session.add(row)
            session.commit()
            return row.id

    begun, computed = time.perf_counter(), time.process_time()

    async def work(number: int) -> None:
        while (asked := time.perf_counter()) < begun + SLICE_S:
            async with lock:
                key = await anyio.to_thread.run_sync(claim, number)
            if key is None:
                return
            times.append((time.perf_counter() - asked) * 1000)
            got.append(key)

    async with anyio.create_task_group() as group:
        for number in range(workers):
            group.start_soon(work, number)
    took, computed = time.perf_counter() - begun, time.process_time() - computed
    engine.dispose()
    return got, times, len(got) / took, computed / len(got) * 1e6


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 3, 2)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--tasks", type=int, default=10_000)
    options = read()
    found: dict[str, list[Claims]] = {"ours": [], "plain": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="aether-bench-") as name:
            for form, run in (("ours", ours), ("plain", plain)):
                found[form].append(anyio.run(run, Path(name), options.workers, options.tasks))
    rate, middle, tail, cpu = (
        {form: median([figure(one) for one in rounds]) for form, rounds in found.items()}
        for figure in (lambda one: one[2], lambda one: median(one[1]), lambda one: p99(one[1]), lambda one: one[3])
    )
    doubles = sum(len(got) - len(set(got)) for got, *_ in found["ours"])
    missed = sum(options.tasks - len(set(got)) for got, *_ in found["ours"])
    other = "SELECT, then UPDATE over the ORM, under a lock"
    rows = [
        Row(
            f"task.claim, {options.workers} workers on {options.tasks:,} tasks, through every guard",
            *(rate["ours"], "/s", rate["plain"], other),
            target=2000,
            at_least=True,
        ),
        Row("CPU of a claim", cpu["ours"], "us", cpu["plain"], "the same"),
        Row("claim p50", middle["ours"], "ms", middle["plain"], "the same"),
        Row("claim p99", tail["ours"], "ms", tail["plain"], "the same"),
        Row("tasks given out twice", doubles, "", target=0),
        Row("tasks not given out", missed, "", target=0),
    ]
    report("Task claims", rows, options, packages=("sqlmodel", "sqlalchemy"))


if __name__ == "__main__":
    main()
