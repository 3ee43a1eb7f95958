"""The behaviours of the runtime `command`, which has no model: what is left of the list for a plain program."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.conformance_runtimes.bench import Bench
from tests.conformance_runtimes.truth import DEAD, IDLE, PAUSED, STARTING, WORKING
from tests.e2e.daemon_lab import until, words

TICKS = "while :; do echo tick; sleep 0.1; done"


def program(bench: Bench, script: str) -> None:
    """Run a shell script as an agent; its name in the process list is that of the bench."""
    bench.spawn(None, argv=["sh", "-c", script, "bench-agent"])


def said(bench: Bench) -> int:
    """Return how many bytes it has printed."""
    length: int = bench.daemon.call("process.output", pid=bench.agent.pid)["next_offset"]
    return length


def ticking(bench: Bench) -> None:
    """Have a program that prints for ever."""
    program(bench, TICKS)
    until(lambda: said(bench), bench.kind.start_s, "the first tick")
    bench.agent.watch.know("the first tick", WORKING, IDLE, STARTING)


def start(bench: Bench) -> str:
    """Starts, and its output is shown while it runs."""
    begun = time.monotonic()
    ticking(bench)
    return f"after {time.monotonic() - begun:.1f} s"


def result(bench: Bench) -> None:
    """Its exit code is its outcome."""
    for code, outcome in ((0, "completed"), (3, "failed")):
        program(bench, f"exit {code}")
        bench.agent.watch.know("its exit", DEAD, STARTING, WORKING, IDLE)
        shown = bench.until("its end", lambda p: p["state"] == "exited")
        assert (shown["outcome"], shown["exit_code"]) == (outcome, code), shown["outcome"]


def pause(bench: Bench) -> None:
    """Stands still and goes on."""
    ticking(bench)
    bench.agent.watch.know("the pause", PAUSED, WORKING, IDLE, STARTING)
    bench.call("process.pause")
    bench.agent.watch.know("standing still", PAUSED)
    before = said(bench)
    time.sleep(0.5)  # noqa: TID251 - nothing must happen in this time
    assert said(bench) == before, "it went on"
    bench.agent.watch.know("going on", PAUSED, WORKING, IDLE, STARTING)
    bench.call("process.resume")
    until(lambda: said(bench) > before, 5, "the next tick")


def stop(bench: Bench) -> str:
    """Ends within 5 s when it is told to."""
    ticking(bench)
    tree = bench.call("process.tree")["os_pids"]
    bench.agent.watch.know("the kill", DEAD, WORKING, IDLE, STARTING)
    bench.call("process.kill")
    bench.gone(tree)
    bench.until("its end", lambda p: p["state"] == "exited", 5)
    return f"{len(tree)} processes"


def tree_kill(bench: Bench) -> None:
    """A child that runs away from its group dies with it."""
    program(bench, f"setsid -f sleep 97531; {TICKS}")
    until(lambda: said(bench), bench.kind.start_s, "the first tick")
    tree = bench.call("process.tree")["os_pids"]
    away = [one for one in tree if words(one)[-1:] == ["97531"]]
    assert away, "the child is not among its processes"
    bench.agent.watch.know("the kill", DEAD, WORKING, IDLE, STARTING)
    bench.call("process.kill")
    bench.gone(away)


def crash(bench: Bench) -> str:
    """A program that dies is shown as dead within 5 s."""
    ticking(bench)
    begun = time.monotonic()
    bench.crash()
    shown = bench.until("its end", lambda p: p["state"] in ("exited", "lost"), 10)
    took = time.monotonic() - begun
    assert took < 5, f"after {took:.1f} s"
    return f"{shown['outcome']} after {took:.2f} s"


def daemon_killed(bench: Bench) -> None:
    """A kill -9 of the daemon costs nothing."""
    ticking(bench)
    before = bench.runtimes()
    bench.daemon.kill()
    bench.daemon.start()
    assert bench.runtimes() == before, "it is another process"
    length = said(bench)
    until(lambda: said(bench) > length, 5, "the next tick")


PROGRAMS: dict[str, Callable[[Bench], str | None]] = {
    one.__name__: one for one in (start, result, pause, stop, tree_kill, crash, daemon_killed)
}
