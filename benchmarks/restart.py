"""Kill the daemon with -9 under 50 writing agents, again and again: how long is it gone, is anything lost?

    python benchmarks/restart.py [--rounds 10] [--full] [--agents 50] [--quick]

Then `comeback.py`: how soon tool calls of the real Claude Code and of 10 relays work again after the return.

Each agent is a builtin one that says numbered lines without pause. Measured from the exec of the new daemon:
the first new line committed (seen in the database file), the same delivered to a client that reconnects with
Last-Event-ID, all agents adopted. At the end every agent's numbers and all event ids must be without a gap or
a double. Compared with the time the daemon needs to be ready with no agents.
"""

from __future__ import annotations

import collections
import random
import sqlite3
import time

import comeback
from lab import Daemon, Row, Stream, arguments, median, memory, report, rest, until

PACE_S = 0.25  # between two lines of one agent
FULL = 100


def writer(name: str, lines: int) -> str:
    """Return the script of an agent that says numbered lines."""
    return "demo:\n" + "".join(f"say {number}\nsleep {PACE_S}\n" for number in range(lines)) + f"say {name} has ended"


def texts_after(database: sqlite3.Connection, id: int) -> bool:
    """Look whether a line of an agent newer than this event is committed."""
    found = database.execute("SELECT 1 FROM event WHERE id > ? AND type = 'agent.text' LIMIT 1", (id,)).fetchone()
    return found is not None


class Kills:
    """The measured rounds."""

    def __init__(self, daemon: Daemon, stream: Stream, pids: list[int]) -> None:
        self.daemon, self.stream, self.pids = daemon, stream, pids
        self.database = sqlite3.connect(f"file:{daemon.home / 'aether.db'}?mode=ro", uri=True, timeout=5)
        self.found: dict[str, list[float]] = {}

    def round(self, chance: random.Random) -> None:
        """Kill at a random moment, start, measure."""
        rest(chance.uniform(0.3, 1.3))
        self.daemon.kill()
        newest = int(self.database.execute("SELECT max(id) FROM event").fetchone()[0])
        begin = len(self.stream.received)
        began = self.daemon.begin()
        until(lambda: texts_after(self.database, newest), 60, "a new line in the database", 0.001)
        self.keep("committed", time.perf_counter() - began)
        arrived, _, _ = self.stream.first(lambda one: one["id"] > newest and one["type"] == "agent.text", begin, 60)
        self.keep("delivered", arrived - began)
        adopted: set[int] = set()

        def all_adopted() -> bool:
            rows = self.database.execute(
                "SELECT DISTINCT pid FROM event WHERE id > ? AND type = 'process.adopted'", (newest,)
            )
            adopted.update(pid for (pid,) in rows)
            return len(adopted) >= len(self.pids)

        until(all_adopted, 60, "all agents to be adopted", 0.005)
        self.keep("adopted", time.perf_counter() - began)
        until(self.daemon._ready, 60, "the daemon to be ready")

    def keep(self, name: str, value: float) -> None:
        """Keep a sample."""
        self.found.setdefault(name, []).append(value)

    def faults(self) -> tuple[int, int, int]:
        """Return how many lines came, how many are missing, how many came twice."""
        with self.stream._changed:
            events = [event for _, _, event in self.stream.received]
        said: dict[int, list[str]] = collections.defaultdict(list)
        for event in events:
            if event["type"] == "agent.text":
                said[event["pid"]].append(event["data"]["text"])
        lost = doubled = lines = 0
        for pid in self.pids:
            numbers = [int(text) for text in said[pid] if text.isdecimal()]
            lines += len(numbers)
            lost += len(set(range(max(numbers, default=-1) + 1)) - set(numbers))
            doubled += len(numbers) - len(set(numbers))
        ids = [event["id"] for event in events]
        lost += len(set(range(1, max(ids) + 1)) - set(ids))
        doubled += len(ids) - len(set(ids))
        return lines, lost, doubled


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 10, 5)
    parser.add_argument("--full", action="store_true", help=f"{FULL} kills")
    parser.add_argument("--agents", type=int, default=50)
    options = read()
    rounds = FULL if options.full else options.rounds
    bare = []
    with Daemon() as daemon:  # what a restart costs without agents
        for _ in range(min(5, rounds)):
            daemon.kill()
            bare.append(daemon.start())
    with Daemon(f"max_running = {options.agents + 10}\n") as daemon:
        lines = int(60 / PACE_S + rounds * 6 / PACE_S)
        pids = [
            daemon.call("process.spawn", runtime="builtin", goal=writer(f"agent {number}", lines))["pid"]
            for number in range(options.agents)
        ]
        before = {pid: daemon.call("process.get", pid=pid)["os_pid"] for pid in pids}
        with Stream(daemon) as stream:
            for pid in pids:
                stream.first(lambda event, pid=pid: event["type"] == "agent.text" and event["pid"] == pid, timeout=120)
            kills = Kills(daemon, stream, pids)
            chance = random.Random(1)
            begun, before_count = time.perf_counter(), len(stream.received)
            for _ in range(rounds):
                kills.round(chance)
            newest = int(kills.database.execute("SELECT max(id) FROM event").fetchone()[0])
            stream.first(lambda event: event["id"] >= newest)
            rate = (len(stream.received) - before_count) / (time.perf_counter() - begun)
            said, lost, doubled = kills.faults()
            same = sum(1 for pid in pids if daemon.call("process.get", pid=pid)["os_pid"] == before[pid])
            resident = memory(daemon.os_pid)
        kills.database.close()
    found = kills.found
    rows = [
        Row(
            "first new line of an agent committed, p50",
            median(found["committed"]),
            "s",
            median(bare),
            "ready without agents",
            1,
        ),
        Row("first new line committed, the slowest", max(found["committed"]), "s"),
        Row(
            "delivered to the reconnected client, p50",
            median(found["delivered"]),
            "s",
            median(bare),
            "ready without agents",
            2,
        ),
        Row("delivered, the slowest", max(found["delivered"]), "s"),
        Row(f"all {len(pids)} agents adopted, p50", median(found["adopted"]), "s"),
        Row("events lost", lost, "", target=0, note=f"of {len(stream.received):,}, {said:,} numbered lines"),
        Row("events doubled", doubled, "", target=0),
        Row("agents that are the same process still", same, "", target=len(pids), at_least=True),
    ]
    again, claude = comeback.measure(min(rounds, 20), 10)
    rows += again
    report(
        f"{rounds} times kill -9 under {len(pids)} agents",
        rows,
        options,
        f"{rate:.0f} events/s on the way, {stream.resyncs} resyncs, daemon at the end {resident:.0f} MB PSS",
        f"tool calls again: {min(rounds, 20)} times kill -9, measured from the first answer of /healthz; {claude}",
    )


if __name__ == "__main__":
    main()
