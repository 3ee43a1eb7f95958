"""Measure memory: recall of mixed queries, a labelled query set against a peer, remembering with 20 producers.

    python benchmarks/memory.py [--full] [--rounds N] [--memories 100000]

Memories are 30 words long, the words Zipf distributed over 50,000; ten agents, one memory in ten private. Recall and
remember go through the Dispatcher with every guard. The labelled set is made with the corpus, from one seed: each
query is some telling words of one memory and a common one, in another order and some in another form, and that
memory is what it looks for; a hit is to find it among the first ten. Both kinds are counted apart: where all words
are as they were written a peer may find as much, its lack is that it knows no other forms. The peer gets the same
corpus and the same queries: an SQLAlchemy ORM search by LIKE, most words matched first, newest first. Another is
`rank-bm25`, the ranking of many memory libraries, when it is installed. With --full also 1,000,000 memories.
Each memory also gets a vector of 384 random numbers, among which those nearest to another are found: with sqlite-vec
where it can be loaded, and with numpy.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from struct import pack
from typing import Any

import anyio
import anyio.to_thread
from lab import Row, arguments, median, p99, report
from sqlalchemy import case, create_engine, or_
from sqlmodel import Session, col, select

from aetherd.core.clock import stamp
from aetherd.core.config import Settings, load
from aetherd.daemon.kernel import Kernel
from aetherd.kernel.agent import AgentService
from aetherd.kernel.audit import AuditService
from aetherd.kernel.memory import MemoryService, nearest
from aetherd.kernel.memory.search import Filter
from aetherd.kernel.memory.tables import MemoryRow
from aetherd.kernel.token import TokenService
from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd.store.engine import prepare

ROOMS = (AuditService, TokenService, AgentService, MemoryService)
VOCABULARY, WORDS = 50_000, 30
COLUMNS = "seq, id, content, layer, namespace, tags, scope, importance, agent, user, org, created_at, created_by"
KINDS: dict[str, tuple[tuple[int, int], ...]] = {  # the ranks of the words asked for
    "rare word": ((5_000, 50_000),),
    "mid word": ((100, 1_000),),
    "common word": ((10, 50),),
    "one of the top ten": ((0, 10),),
    "2 mid words": ((100, 1_000),) * 2,
    "rare + mid + common": ((5_000, 50_000), (100, 1_000), (0, 20)),
    "a sentence (8 words)": ((0, 20),) * 3 + ((20, 1_000),) * 3 + ((1_000, 50_000),) * 2,
    "a page (200 words)": ((0, 50_000),) * 200,
}
OPTIONS: dict[str, dict[str, Any]] = {"private only": {"namespace": "agent"}, "one layer": {"layer": "social"}}
LABELLED, PRODUCERS = 200, 20
DIMENSIONS = 384
PRODUCED_S = 3.0
ME = Call("call", "agent:agent_3", frozenset({"memory:read", "memory:write"}), "mcp", agent="agent_3", pid=1)


def word(rank: int) -> str:
    """Return a made-up word of three syllables, never a stop word."""
    return "".join("bdfgklmnprstvz"[part % 14] + "aeiou"[part // 14 % 5] for part in (rank, rank // 70, rank // 4900))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A query and the id of the memory it looks for."""

    query: str
    answer: str
    bent: bool  # some of its words are asked for in another form than they were written in


def corpus(size: int) -> Iterator[tuple[Any, ...]]:
    """Give the memories, the same for every run."""
    dice = random.Random(1)
    weights = list(accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
    ranks, begun = range(VOCABULARY), datetime.now(UTC) - timedelta(days=365)
    names = [word(rank) for rank in ranks]
    for key in range(1, size + 1):
        agent, private = f"agent_{dice.randrange(10)}", dice.random() < 0.1
        yield (
            key,
            f"memory_{key:010}",
            " ".join(names[rank] for rank in dice.choices(ranks, cum_weights=weights, k=WORDS)),
            dice.choice(("semantic", "semantic", "episodic", "procedural", "social")),
            "agent" if private else "global",
            "[]",
            agent.replace("_", "") if private else "",
            dice.random(),
            agent,
            "owner",
            "home",
            stamp(begun + timedelta(days=365) * (key / size)),
            f"agent:{agent}",
        )


def fill(path: Path, size: int) -> list[Labelled]:
    """Write the memories straight into a migrated file; return the labelled set."""
    prepare(path)
    known = {word(rank): rank for rank in range(VOCABULARY)}
    dice, labelled, step = random.Random(2), list[Labelled](), size // LABELLED

    def rows() -> Iterator[tuple[Any, ...]]:
        for row in corpus(size):
            if row[0] % step == 0 and (row[4] == "global" or row[8] == ME.agent):
                found = dict.fromkeys(row[2].split())
                telling = [one for one in found if 200 <= known[one] < 20_000]
                common = [one for one in found if known[one] < 50]
                if len(telling) >= 3 and common:
                    chosen = [*dice.sample(telling, 3), dice.choice(common)]
                    bent = [one + dice.choice(("", "", "s")) for one in chosen]
                    changed = bent != chosen
                    dice.shuffle(bent)
                    labelled.append(Labelled(" ".join(bent), row[1], changed))
            yield row

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        marks = ",".join("?" * len(COLUMNS.split()))
        connection.executemany(f"INSERT INTO memory ({COLUMNS}) VALUES ({marks})", rows())
    connection.close()
    return labelled


Times = list[float]  # ms


async def mixed(house: House, rounds: int) -> tuple[dict[str, Times], Times]:
    """Ask each kind of query in turn; return the times of each, and the processor's of all."""
    cases = [(kind, kind, {}) for kind in KINDS] + [
        (f"sentence, {title}", "a sentence (8 words)", more) for title, more in OPTIONS.items()
    ]
    found: dict[str, Times] = {title: [] for title, *_ in cases}
    dice, computed = random.Random(3), list[float]()
    for _ in range(rounds):
        for title, kind, more in cases:
            query = " ".join(word(dice.randrange(*ranks)) for ranks in KINDS[kind])
            begun, busy = time.perf_counter(), time.process_time()
            await house.dispatcher.invoke("memory.recall", {"query": query, **more}, ME)
            found[title].append((time.perf_counter() - begun) * 1000)
            computed.append((time.process_time() - busy) * 1000)
    return found, computed


Search = Callable[[str], Awaitable[list[str]]]  # query -> ids, best first


@dataclass(slots=True)
class Verdict:
    """What a search made of the labelled set; hits in percent, among the first ten."""

    times: Times
    hits: float
    written: float  # of queries whose words are as they were written
    bent: float  # of the others: who knows no other forms of a word cannot find these


async def judge(search: Search, labelled: list[Labelled]) -> Verdict:
    """Ask the whole set."""
    times, hits = list[float](), list[bool]()
    for one in labelled:
        begun = time.perf_counter()
        found = await search(one.query)
        times.append((time.perf_counter() - begun) * 1000)
        hits.append(one.answer in found[:10])

    def share(wanted: Callable[[Labelled], bool]) -> float:
        chosen = [hit for one, hit in zip(labelled, hits, strict=True) if wanted(one)]
        return 100 * sum(chosen) / max(len(chosen), 1)

    return Verdict(times, share(lambda _: True), share(lambda one: not one.bent), share(lambda one: one.bent))


def plain(path: Path) -> Search:
    """Search by LIKE over the ORM: most words matched first, then the newest."""
    engine = create_engine(f"sqlite:///{path}")

    def run(query: str) -> list[str]:
        matched = [col(MemoryRow.content).like(f"%{one}%") for one in query.split()]
        count: Any = sum((case((one, 1), else_=0) for one in matched), start=0)
        mine = or_(col(MemoryRow.namespace) == "global", col(MemoryRow.agent) == ME.agent)
        rows = select(MemoryRow).where(MemoryRow.user == "owner", MemoryRow.org == "home", mine, or_(*matched))
        with Session(engine) as session:
            return [row.id for row in session.exec(rows.order_by(count.desc(), col(MemoryRow.seq).desc()).limit(10))]

    return lambda query: anyio.to_thread.run_sync(run, query)


def bm25(path: Path) -> Search:
    """Search with rank-bm25 over all in memory."""
    from rank_bm25 import BM25Okapi

    with sqlite3.connect(path) as connection:
        visible = "SELECT id, content FROM memory WHERE namespace = 'global' OR agent = ? ORDER BY seq"
        rows = connection.execute(visible, (ME.agent,)).fetchall()
    connection.close()
    ids, index = [key for key, _ in rows], BM25Okapi([content.split() for _, content in rows])

    def run(query: str) -> list[str]:
        return list(index.get_top_n(query.split(), ids, n=10))

    return lambda query: anyio.to_thread.run_sync(run, query)


async def produce(house: House) -> tuple[float, Times, float]:
    """Remember with many producers for a while, each waiting until it is durable: rate, times, CPU us of each."""
    times: Times = []
    begun, busy = time.perf_counter(), time.process_time()

    async def work(number: int) -> None:
        agent = f"agent_{number}"
        call = Call("call", f"agent:{agent}", frozenset({"memory:write"}), "mcp", agent=agent, pid=number + 1)
        while (asked := time.perf_counter()) < begun + PRODUCED_S:
            content = f"service {number} on host {len(times)} restarts every monday at nine: ask before you change it"
            await house.dispatcher.invoke("memory.remember", {"content": content}, call)
            times.append((time.perf_counter() - asked) * 1000)

    async with anyio.create_task_group() as group:
        for number in range(PRODUCERS):
            group.start_soon(work, number)
    return len(times) / (time.perf_counter() - begun), times, (time.process_time() - busy) / len(times) * 1e6


@dataclass(slots=True)
class Figures:
    """What one corpus gave."""

    size: int
    mixed: tuple[dict[str, Times], Times]
    ours: Verdict
    plain: Verdict | None = None
    bm25: Verdict | None = None
    rate: tuple[float, Times, float] | None = None


async def measure(place: Path, size: int, rounds: int, peers: bool) -> Figures:
    """Fill a house with memories and ask."""
    settings: Settings = load(home=place / str(size), port=0)
    settings.home.mkdir(mode=0o700)
    labelled = await anyio.to_thread.run_sync(fill, settings.database, size)
    kernel = Kernel(settings, ROOMS, {})
    async with kernel.running() as house:

        async def ours(query: str) -> list[str]:
            found: Any = await house.dispatcher.invoke("memory.recall", {"query": query}, ME)
            return [one.id for one in found.memories]

        await judge(ours, labelled[:5])  # the first ones read the file
        figures = Figures(size, await mixed(house, rounds), await judge(ours, labelled))
        if peers:
            figures.plain = await judge(plain(settings.database), labelled)
            if find_spec("rank_bm25"):
                figures.bm25 = await judge(bm25(settings.database), labelled)
            figures.rate = await produce(house)
    return figures


def compared(path: Path, size: int, rounds: int) -> list[Row]:
    """Give the memories vectors, and find the nearest to others: among the newest, as it is served, and among all."""
    dice, found, ways = random.Random(4), list[Row](), [way for way in nearest.WAYS if not way.missing()]
    mine = Filter("m.journal IS NULL AND m.user = ? AND m.org = ?", ("owner", "home"))

    def vector() -> bytes:
        return pack(f"<{DIMENSIONS}f", *(one - 127.5 for one in dice.randbytes(DIMENSIONS)))

    with closing(sqlite3.connect(path)) as connection, connection:
        keys = connection.execute("SELECT seq FROM memory ORDER BY seq LIMIT ?", (size,)).fetchall()
        connection.executemany("INSERT INTO memory_vector VALUES (?, 'm', ?)", ((key, vector()) for (key,) in keys))
    with closing(sqlite3.connect(path)) as connection:
        for way in ways:
            way.prepare(connection)
        for newest in (nearest.NEWEST, size):
            nearest.NEWEST = newest
            times: dict[str, Times] = {way.name: [] for way in ways}
            for _ in range(rounds):
                wanted = vector()
                for way in ways:
                    begun = time.perf_counter()
                    sorted(way.near(connection.cursor(), "m", wanted, mine), key=lambda one: -one[1])
                    times[way.name].append((time.perf_counter() - begun) * 1000)
            what = f"nearest of {newest:,} vectors of {DIMENSIONS}, p50, by "
            found += [Row(what + name, median(took), "ms") for name, took in times.items()]
    return found


def rows(figures: Figures) -> list[Row]:
    """Say what was measured."""
    title = f"{figures.size:,} memories"
    kinds, computed = figures.mixed
    everything = [one for times in kinds.values() for one in times]
    middle, tail = (5, 50) if figures.size <= 100_000 else (10, 100)
    ours = figures.ours
    found = [
        Row(f"memory.recall among {title}, mixed queries, p50", median(everything), "ms", target=middle),
        Row("  the same, p99", p99(everything), "ms", target=tail),
        Row("  CPU of one, p50: what other load does not change much", median(computed), "ms"),
        *(Row(f"  {kind}, p50", median(times), "ms") for kind, times in kinds.items()),
        Row(f"labelled queries among {title}: hits in the first ten", ours.hits, "%"),
    ]
    for name, peer in (("ORM search by LIKE", figures.plain), ("rank-bm25 in memory", figures.bm25)):
        if peer is None:
            if figures.rate is not None:
                found.append(Row(f"against {name}: not installed, so not in this run", 0, ""))
            continue
        found += [
            Row(f"labelled query, p50, against {name}", median(ours.times), "ms", median(peer.times), name),
            Row("  times faster", median(peer.times) / median(ours.times), "x", target=5, at_least=True),
            Row("  hits in the first ten, not fewer", ours.hits, "%", peer.hits, name, peer.hits, at_least=True),
            Row("    of queries with words as they were written", ours.written, "%", peer.written, name),
            Row("    of queries with a word in another form", ours.bent, "%", peer.bent, name),
        ]
    if figures.rate is not None:
        rate, took, cpu = figures.rate
        what = f"memory.remember, {PRODUCERS} producers, each durable and audited"
        found += [
            Row(what, rate, "/s", target=3_000, at_least=True),
            Row("  acknowledged, p50", median(took), "ms"),
            Row("  acknowledged, p99", p99(took), "ms"),
            Row("  CPU of one", cpu, "us"),
        ]
    return found


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 40, 30)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--full", action="store_true", help="also 1,000,000 memories")
    options = read()
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="aether-bench-") as name:
        for size in (options.memories, 1_000_000) if options.full else (options.memories,):
            peers = size == options.memories
            found += rows(anyio.run(measure, Path(name), size, options.rounds, peers))
            if peers:
                found += compared(load(home=Path(name) / str(size)).database, size, options.rounds)
    report("Memory", found, options, packages=("sqlmodel", "sqlalchemy", "rank-bm25", "numpy", "sqlite-vec"))


if __name__ == "__main__":
    main()
