"""Measure money: what it takes to reserve and settle a call, and whether a runaway agent is stopped in time, always.

    python benchmarks/budget.py [--rounds 50] [--pairs 2000] [--kept 100000]

A pair is `reserve` and `settle` of the ledger, each durable before it returns, with a budget of the run, its agent, its
user and its org in force and so many calls kept already. Beside it in the same run: two commits of one bare row by
sqlite3 with the same file settings, which is the least that two durable writes take; and the plain form, which sums the
calls up by the ORM, under a lock.

A round is a real daemon's agent of eight threads that calls a scripted model through the gateway and never gives up,
with a budget of 0.50 USD. It is stopped in time when its calls cost no more, one more could have cost too much, and the
ledger is to the nanodollar what the script's answers cost. In --kills more rounds the daemon is killed with -9 on the
way: calls that were in flight are then counted as the most they could cost, so the ledger has no less than was served.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread
from lab import ROOT, Row, arguments, median, p99, report
from sqlalchemy import create_engine, event, func
from sqlmodel import Session, col, select

from aetherd.core.clock import SystemClock, stamp
from aetherd.core.config import load
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.kernel.quota.tables import CallRow
from aetherd.operations.spending import NANO, ModelCall, Spent
from aetherd.store.engine import prepare

sys.path.append(str(ROOT))

from tests.e2e.daemon_lab import Daemon, until
from tests.e2e.runaway import costly_model, keys, ledger, runaway

AT_ONCE = 8
MANY = 1_000_000.0  # USD: a budget that is looked at and not reached
CALL, PAID = ModelCall(1, "anthropic", "m", 2000, 30_000_000), Spent("done", "m", 10, 500, nano_usd=7_530_000)
Pair = Callable[[], Awaitable[None]]


def fill(path: Path, kept: int) -> None:
    """Write a run, budgets of all kinds and so many calls straight into a migrated file."""
    prepare(path)
    now = stamp(SystemClock().now())
    file = sqlite3.connect(path)
    with file:
        file.execute(
            "INSERT INTO quota_run (pid, agent, name, user, org, budget_nano, tokens, calls, unpriced, estimated, "
            "nano, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens) "
            "VALUES (1, 'a', 'a', 'owner', 'home', ?, 1000000000000, 0, 0, 0, 0, 0, 0, 0, 0)",
            (int(MANY * NANO),),
        )
        limits = f'{{"day_usd": {MANY}, "month_usd": {MANY}, "day_tokens": 1000000000000}}'
        for user, agent in (("owner", "a"), ("owner", ""), ("owner", "@together"), ("", "@together")):
            file.execute("INSERT INTO quota VALUES (?, 'home', ?, ?, '', '')", (user, agent, limits))
        file.executemany(
            "INSERT INTO quota_call (pid, agent, user, org, provider, model, at, most_nano, most_tokens, outcome, "
            "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, nano, estimated) "
            "VALUES (?, 'a', 'owner', 'home', 'anthropic', 'm', ?, 1, 1, 'done', 10, 500, 0, 0, 7530000, 0)",
            ((2 + number % 50, now) for number in range(kept)),
        )
    file.close()


async def timed(pair: Pair, pairs: int, at_once: int) -> list[float]:
    """Return what each of so many pairs took, in ms."""
    took: list[float] = []

    async def work(count: int) -> None:
        for _ in range(count):
            begun = time.perf_counter()
            await pair()
            took.append((time.perf_counter() - begun) * 1000)

    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(work, pairs // at_once)
    return took


async def ours(place: Path, pairs: int, kept: int) -> tuple[list[float], list[float]]:
    """Time the ledger, one after the other and eight at once."""
    settings = load(home=place / "home", port=0)
    settings.home.mkdir(mode=0o700)
    await anyio.to_thread.run_sync(fill, settings.database, kept)
    kernel = Kernel(settings, ROOMS, {})
    async with kernel.running():
        money = kernel.rooms["quota"].money

        async def pair() -> None:
            await money.settle(await money.reserve(CALL), PAID)

        await timed(pair, 100, 1)
        return await timed(pair, pairs, 1), await timed(pair, pairs, AT_ONCE)


def bare(place: Path, pairs: int) -> list[float]:
    """Time two commits of a row each."""
    file = sqlite3.connect(place / "bare.db", isolation_level=None)
    for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t (a, b)"):
        file.execute(line)
    took = []
    for number in range(pairs):
        begun = time.perf_counter()
        for _ in range(2):
            file.execute("BEGIN IMMEDIATE")
            file.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 200))
            file.execute("COMMIT")
        took.append((time.perf_counter() - begun) * 1000)
    file.close()
    return took


def plain(place: Path, pairs: int, kept: int) -> list[float]:
    """Time the plain form: sum up what was spent today by the ORM, insert, commit; update, commit; under a lock."""
    path = place / "plain.db"
    fill(path, kept)
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    lock, took = threading.Lock(), []
    for _ in range(pairs):
        begun = time.perf_counter()
        now = stamp(SystemClock().now())
        with lock, Session(engine) as session:
            today = select(func.sum(col(CallRow.nano))).where(CallRow.user == "owner", col(CallRow.at) >= now[:10])
            assert int(session.exec(today).one() or 0) + 30_000_000 <= MANY * NANO
            row = CallRow(pid=1, agent="a", user="owner", org="home", provider="p", model="m", at=now, most_tokens=1)
            session.add(row)
            session.commit()
            row.nano, row.outcome, row.output_tokens = PAID.nano_usd, PAID.outcome, PAID.output_tokens
            session.add(row)
            session.commit()
        took.append((time.perf_counter() - begun) * 1000)
    engine.dispose()
    return took


def runaways(rounds: int) -> tuple[int, int, list[float]]:
    """Run agents that never give up; returns how many were stopped in time, their calls, and what was left in USD."""
    stopped, left = 0, list[float]()
    with costly_model(answers=rounds * 200) as (api, script), Daemon(env=keys(api)) as daemon:
        total = 0
        for _ in range(rounds):
            pid = runaway(daemon, budget=0.5)["pid"]
            daemon.ended(pid)
            spent, most = ledger(daemon, pid)
            total += spent
            exact = total == script.sum(len(api.requests))
            stopped += exact and NANO // 2 - most < spent <= NANO // 2
            left.append(0.5 - spent / NANO)
        return stopped, len(api.requests), left


def killed(rounds: int) -> int:
    """Kill the daemon with -9 while eight calls are in flight; returns how often the ledger has all, and no more."""
    held = 0
    with costly_model(seed=1, answers=rounds * 200, delay_ms=30) as (api, script), Daemon(env=keys(api)) as daemon:
        for _ in range(rounds):
            before = len(api.requests)
            pid = runaway(daemon, budget=0.5)["pid"]
            until(lambda before=before: len(api.requests) >= before + 20, 60, "calls in flight")
            daemon.restart()
            daemon.ended(pid)
            spent, _ = ledger(daemon, pid)
            served = script.sum(len(api.requests)) - script.sum(before)
            held += served <= spent <= NANO // 2
    return held


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 50, 5)
    parser.add_argument("--kills", type=int, default=5, help="rounds in which the daemon is killed")
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--kept", type=int, default=100_000)
    options = read()
    with tempfile.TemporaryDirectory(prefix="aether-bench-") as directory:
        place = Path(directory)
        floor = bare(place, options.pairs)
        alone, crowd = anyio.run(ours, place, options.pairs, options.kept)
        floor += bare_again(place, options.pairs)
        loop = plain(place, max(20, options.pairs // 50), options.kept)
    stopped, calls, left = runaways(options.rounds)
    unharmed = killed(options.kills)
    rows = [
        Row(
            "reserve + settle, p50",
            median(alone),
            "ms",
            median(floor),
            "two bare commits",
            1.0,
            note=f"p99 {p99(alone):.2f} ms",
        ),
        Row("the same, beside the plain form", median(alone), "ms", median(loop), "a sum by the ORM"),
        Row(f"reserve + settle, {AT_ONCE} at once, p50", median(crowd), "ms", note=f"p99 {p99(crowd):.2f} ms"),
        Row(
            f"runaway agents stopped in time, of {options.rounds}",
            stopped,
            "runs",
            target=options.rounds,
            at_least=True,
            note=f"{calls:,} calls, {AT_ONCE} in flight; at most {max(left):.4f} USD of 0.50 left",
        ),
        Row(
            f"the same with kill -9 of the daemon, of {options.kills}",
            unharmed,
            "runs",
            target=options.kills,
            at_least=True,
            note="nothing served is missing in the ledger, and no budget passed",
        ),
    ]
    report(
        "Money: reserve, settle, and stop in time",
        rows,
        options,
        f"{options.kept:,} calls kept already; budgets of run, agent, user and org in force; synchronous=FULL.",
        f"One bare commit, which waits for the disk: p50 {median(floor) / 2:.3f} ms.",
        packages=("sqlmodel",),
    )


def bare_again(place: Path, pairs: int) -> list[float]:
    """Time the floor once more, after ours, so that a disk that slows down is seen by both."""
    (place / "bare.db").unlink()
    return bare(place, pairs)


if __name__ == "__main__":
    main()
