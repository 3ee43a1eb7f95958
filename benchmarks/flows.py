"""Measure flows: 1,000 steps that do nothing, steps that call an operation, and going on after `kill -9`.

    python benchmarks/flows.py [--rounds 5] [--steps 1000]

Ours is a real daemon, from `flow.run` over HTTP to the flow's end, every step with its row and its event, durable. A
step hands its output to the next. The plain form, in the same run, is what one writes by hand: a loop over the same
steps in asyncio that keeps each output by one ORM session and commit, with the same file settings; no events, and no
way to come back. What is measured after `kill -9` is until the flow's next step is begun again, by the event's time.
"""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from lab import Daemon, Row, arguments, median, report, until
from sqlalchemy import create_engine, event
from sqlmodel import Field, Session, SQLModel

CALLS = 100
BRACES = re.compile(r"{{.*?}}")


class Checkpoint(SQLModel, table=True):
    """What the plain form keeps of a step."""

    name: str = Field(primary_key=True)
    output: str


def trivial(count: int) -> list[dict[str, Any]]:
    """Return steps that hand a text on."""
    first: dict[str, Any] = {"name": "s0", "set": "a text"}
    return [first, *({"name": f"s{n}", "set": f"{{{{ steps.s{n - 1}.output }}}}"} for n in range(1, count))]


def ours(daemon: Daemon, steps: list[dict[str, Any]]) -> float:
    """Run a flow to its end; returns steps/s."""
    begun = time.perf_counter()
    done = daemon.call("flow.run", flow={"steps": steps}, wait_s=60)
    took = time.perf_counter() - begun
    if done["state"] != "completed":
        raise RuntimeError(f"the flow is {done['state']}: {done['reason']}")
    return len(steps) / took


async def plain(steps: list[dict[str, Any]]) -> float:
    """Run the same steps in a loop that keeps each output; returns steps/s."""
    with tempfile.TemporaryDirectory(prefix="aether-bench-") as place:
        engine = create_engine(f"sqlite:///{Path(place) / 'plain.db'}")

        @event.listens_for(engine, "connect")
        def pragmas(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

        SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["checkpoint"]])

        def keep(name: str, output: str) -> None:
            with Session(engine) as session:
                session.add(Checkpoint(name=name, output=json.dumps(output)))
                session.commit()

        begun, output = time.perf_counter(), "a text"
        for step in steps:
            output = BRACES.sub(output, step["set"])
            await anyio.to_thread.run_sync(keep, step["name"], output)
        took = time.perf_counter() - begun
        engine.dispose()
    return len(steps) / took


def comeback(daemon: Daemon, count: int) -> tuple[float, float]:
    """Kill the daemon in the last step of a flow; returns s from exec, and from ready, until that is begun again."""
    question = daemon.call("approval.request", title="hold")["id"]
    wait = {"operation": "approval.wait", "input": {"id": question, "timeout_s": 3600}}
    key = daemon.call("flow.run", flow={"steps": [*trivial(count - 1), {"name": "hold", "call": wait}]})["id"]

    def begun() -> list[float]:
        with sqlite3.connect(f"file:{daemon.home / 'aether.db'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT body FROM event WHERE type = 'flow.step_started' ORDER BY id").fetchall()
        database.close()
        found = [json.loads("{" + body.removeprefix(",")) for (body,) in rows]
        mine = [one for one in found if (one["data"]["flow"], one["data"]["step"]) == (key, "hold")]
        return [datetime.fromisoformat(one["at"]).timestamp() for one in mine]

    until(lambda: len(begun()) == 1, 60, "the last step", pace=0.02)
    daemon.kill()
    exec_at = time.time()
    daemon.start()
    ready_at = time.time()
    until(lambda: len(begun()) == 2, 60, "the flow to go on", pace=0.02)
    again = begun()[1]
    daemon.call("flow.cancel", id=key)
    return again - exec_at, again - ready_at


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 5, 3)
    parser.add_argument("--steps", type=int, default=1000)
    options = read()
    steps, rates, bare, called, back, late = trivial(options.steps), [], [], [], [], []
    calls = [{"name": f"c{n}", "call": "process.whoami"} for n in range(CALLS)]
    with Daemon() as daemon:
        for _ in range(options.rounds):
            rates.append(ours(daemon, steps))
            bare.append(anyio.run(plain, steps))
            called.append(ours(daemon, calls))
            from_exec, from_ready = comeback(daemon, options.steps)
            back.append(from_exec)
            late.append(max(0.0, from_ready))
    hand = "a loop with a commit of the ORM each"
    rows = [
        Row(
            f"flow of {options.steps:,} trivial steps, from the call to its end",
            *(median(rates), "steps/s", median(bare), hand),
            target=200,
            at_least=True,
        ),
        Row("  of steps that call a READ operation, through every guard", median(called), "steps/s"),
        Row(
            f"flow of {options.steps:,} steps after kill -9: goes on, after the daemon is ready",
            median(late),
            "s",
            target=1,
        ),
        Row("  from the exec of the daemon", median(back), "s"),
    ]
    report("Flows", rows, options, packages=("sqlmodel", "sqlalchemy"))


if __name__ == "__main__":
    main()
