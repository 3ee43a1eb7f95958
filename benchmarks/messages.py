"""Measure messages: from `message.send` to the recipient's runtime saying that it has it, and a broadcast to ten.

    python benchmarks/messages.py [--rounds 200] [--quick]

The recipients are builtin agents that wait for a word, each a process of its own under its shim. Both times are taken
in this process: before the request, and when the event `message.delivered` arrives over SSE. Four commits with an
fsync each lie in between: the message, the input, its frame number, and what the runtime said. The plain form is as
many rows of plain sqlite3, one commit each, and a line to a child over a pipe and back.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time

from lab import Daemon, Row, Stream, arguments, median, p99, report

AGENTS = 10
COMMITS = 4
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


def plain(rounds: int) -> list[float]:
    """Return the milliseconds of as many bare commits, and a line to a child and back."""
    child = subprocess.Popen([sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    times = []
    with tempfile.TemporaryDirectory(prefix="aether-bench-") as place:
        database = sqlite3.connect(f"{place}/plain.db", isolation_level=None)
        database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE message (text TEXT)")
        for number in range(rounds):
            begun = time.perf_counter()
            for _ in range(COMMITS):
                database.execute("INSERT INTO message VALUES (?)", (f"hello {number}",))
            child.stdin.write(f"hello {number}\n")
            child.stdin.flush()
            child.stdout.readline()
            times.append((time.perf_counter() - begun) * 1000)
        database.close()
    child.communicate()
    return times


def delivered(stream: Stream, message: str, after: int) -> float:
    """Return when a message was told to be delivered."""
    return stream.first(
        lambda event: event["type"] == "message.delivered" and event["data"]["message"] == message, after
    )[0]


def main() -> None:
    """Print the table."""
    _, read = arguments(__doc__, 200, 60)
    options = read()
    script = "\n".join(["demo:", *["wait message"] * (2 * options.rounds + 100)])
    arrived, answered, fanned = [], [], []
    with Daemon() as daemon:
        for number in range(AGENTS):
            daemon.call("process.spawn", runtime="builtin", goal=script, name=f"waiter-{number}")
        with Stream(daemon) as stream:
            for number in range(AGENTS):  # each has come to its first wait
                delivered(stream, daemon.call("message.send", to=f"waiter-{number}", text="ready?")["id"], 0)
            for number in range(options.rounds):
                place, begun = len(stream.received), time.perf_counter()
                sent = daemon.call("message.send", to="waiter-0", text=f"hello {number}")
                answered.append((time.perf_counter() - begun) * 1000)
                arrived.append((delivered(stream, sent["id"], place) - begun) * 1000)
            for number in range(max(5, options.rounds // 10)):
                place, begun = len(stream.received), time.perf_counter()
                thread = daemon.call("message.broadcast", text=f"hear {number}")["thread"]
                ids = [one["id"] for one in daemon.call("message.thread", thread=thread)["messages"]]
                fanned.append((max(delivered(stream, one, place) for one in ids) - begun) * 1000)
    bare = median(plain(options.rounds))
    other = f"{COMMITS} bare commits, a line to a child and back"
    rows = [
        Row("message.send until the recipient's runtime has it, p50", median(arrived), "ms", bare, other, 20),
        Row("  the same, p99", p99(arrived), "ms"),
        Row("message.send until it is answered, p50", median(answered), "ms"),
        Row(f"message.broadcast to {AGENTS} waiting agents, until all have it, p50", median(fanned), "ms"),
    ]
    report("Messages", rows, options)


if __name__ == "__main__":
    main()
