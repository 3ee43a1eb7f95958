"""Recall at 100 thousand and 1 million memories: `python benchmarks/memory.py [sizes…]`.

Memories are 30 words long, the words Zipf distributed over 50,000; ten agents, one note in ten private.
Each line is one kind of query, asked with different words through `MemoryService.recall`: the time on the
wall, and the time of the processor, which other work on the machine does not change much.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio

from aetherd.core.clock import SystemClock, stamp
from aetherd.events import EventLog
from aetherd.kernel.memory import MemoryService
from aetherd.kernel.memory.models import Recall
from aetherd.operations.operation import Call
from aetherd.store import Store
from aetherd.store.engine import prepare

VOCABULARY = 50_000
ROUNDS = 60
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


def fill(path: Path, size: int) -> None:
    """Write the memories straight into a migrated file."""
    prepare(path)
    dice = random.Random(1)
    weights = list(accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
    names = [f"w{rank}" for rank in range(VOCABULARY)]
    begun = datetime.now(UTC) - timedelta(days=365)

    def rows() -> Any:
        for key in range(1, size + 1):
            agent, private = f"agent_{dice.randrange(10)}", dice.random() < 0.1
            yield (
                key,
                f"memory_{key:010}",
                " ".join(dice.choices(names, cum_weights=weights, k=30)),
                dice.choice(("semantic", "semantic", "episodic", "procedural", "social")),
                "agent" if private else "global",
                '["rare"]' if dice.random() < 0.001 else "[]",
                agent.replace("_", "") if private else "",
                dice.random(),
                agent,
                "owner",
                "home",
                stamp(begun + timedelta(days=365) * (key / size)),
                f"agent:{agent}",
            )

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        connection.executemany(f"INSERT INTO memory VALUES ({','.join('?' * 13)})", rows())
    connection.close()


async def measure(path: Path) -> dict[str, tuple[float, float, float]]:
    """Return p50 and p99 of the wall and p50 of the processor, in milliseconds, for each kind of query."""
    found = {}
    store = Store(path, EventLog())
    async with store.running():
        service = MemoryService(store, SystemClock(), SimpleNamespace())  # type: ignore[arg-type]
        person = Call("call", "user:owner", frozenset("*"), "http")
        agent = Call("call", "agent:agent_3", frozenset("*"), "mcp", agent="agent_3")
        cases: list[tuple[str, str, Call, dict[str, Any]]] = [(kind, kind, agent, {}) for kind in KINDS]
        cases += [
            ("sentence, as a person", "a sentence (8 words)", person, {}),
            ("sentence, private only", "a sentence (8 words)", agent, {"namespace": "agent"}),
            ("common word + layer", "common word", agent, {"layer": "social"}),
            ("common word + rare tag", "common word", agent, {"tags": ["rare"]}),
        ]
        for title, kind, call, options in cases:
            dice, times, worked = random.Random(kind), [], []
            for _ in range(ROUNDS):
                query = " ".join(f"w{dice.randrange(*ranks)}" for ranks in KINDS[kind])
                begun, busy = time.perf_counter(), time.process_time()
                await service.recall(Recall(query=query, **options), call)
                times.append((time.perf_counter() - begun) * 1000)
                worked.append((time.process_time() - busy) * 1000)
            found[title] = (statistics.median(times), sorted(times)[int(ROUNDS * 0.99)], statistics.median(worked))
    return found


def main() -> None:
    """Print one table."""
    sizes = [int(word) for word in sys.argv[1:]] or [100_000, 1_000_000]
    columns = []
    with tempfile.TemporaryDirectory() as place:
        for size in sizes:
            path = Path(place) / f"{size}.db"
            fill(path, size)
            columns.append(anyio.run(measure, path))
    print("recall, ms: p50 / p99 cpu".ljust(26) + "".join(f"{size:>24,}" for size in sizes))
    for title in columns[0]:
        cells = (f"{p50:>10.1f} / {p99:<6.1f}{cpu:>5.1f}" for p50, p99, cpu in (column[title] for column in columns))
        print(title.ljust(26) + "".join(cells))


if __name__ == "__main__":
    main()
