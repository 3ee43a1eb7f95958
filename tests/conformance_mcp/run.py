"""`make conformance`: the official MCP conformance suite, both releases, against our HTTP stack.

Prints a table and exits 1 on any check that is not a success, warnings included, unless it is expected below.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
UP_S, PASS_S, DOWN_S = 60.0, 120.0, 10.0
STABLE = "conformance-stable/dist/index.js"
COMING = "@modelcontextprotocol/conformance/dist/index.js"
ALL = ("--suite", "all")
TASKS = ("lifecycle", "capability-negotiation", "wire-fields", "request-state-removal", "mrtr-input")
TASKS += ("request-headers", "dispatch-and-envelope", "status-notifications", "required-task-error", "mrtr-composition")
PASSES = (  # name, suite, and the runs, side by side: an extension is in no revision and so has to be named
    ("0.1.16, all", STABLE, (ALL,)),
    ("0.2 alpha, 2025-11-25", COMING, ((*ALL, "--spec-version", "2025-11-25"),)),
    ("0.2 alpha, 2026-07-28", COMING, ((*ALL, "--spec-version", "2026-07-28"),)),
    ("0.2 alpha, tasks", COMING, tuple(("--scenario", f"tasks-{name}") for name in TASKS)),
)
FINE = ("SUCCESS", "INFO", "SKIPPED")
EXPECTED = {  # this call says it speaks 2025-03-26, which has no priming events, and then misses one
    ("0.1.16, all", "server-sse-priming-event"),
    ("0.1.16, all", "server-sse-retry-field"),
}


def main() -> int:
    """Run every pass."""
    wrong: list[str] = []
    seen: set[tuple[str, str]] = set()
    with tempfile.TemporaryDirectory(prefix="aether-conformance-") as place, served(Path(place)) as url:
        print(f"{'pass':24}{'scenarios':>10}{'passed':>8}{'skipped':>9}{'expected':>10}{'wrong':>7}{'s':>7}")  # noqa: T201
        for name, suite, runs in PASSES:
            results, began = Path(place) / name.replace(" ", "-").replace(",", ""), time.monotonic()
            found = [
                f"{name}: the suite ended with {rc}" for rc in run_pass(url, suite, runs, results) if rc not in (0, 1)
            ]
            counts: Counter[str] = Counter()
            scenarios = list(results.glob("**/checks.json"))
            for file in scenarios:
                for check in json.loads(file.read_text()):
                    known = (name, check["id"]) in EXPECTED and check["status"] not in FINE
                    seen |= {(name, check["id"])} if known else set()
                    counts["expected" if known else check["status"]] += 1
                    if not known and check["status"] not in FINE:
                        text = check.get("errorMessage") or check["description"]
                        found.append(f"{name}: {file.parent.name}: {check['id']}: {check['status']}: {text}")
            if len(scenarios) < len(runs) or not counts["SUCCESS"]:
                found.append(f"{name}: {len(scenarios)} scenarios gave results")
            row = (len(scenarios), counts["SUCCESS"], counts["SKIPPED"], counts["expected"], len(found))
            took = time.monotonic() - began
            print(f"{name:24}{row[0]:>10}{row[1]:>8}{row[2]:>9}{row[3]:>10}{row[4]:>7}{took:>7.1f}", flush=True)  # noqa: T201
            wrong += found
    wrong += [f"{name}: {check} was expected to fail, and does not: take it out" for name, check in EXPECTED - seen]
    for line in wrong:
        print(line)  # noqa: T201
    return 1 if wrong else 0


def run_pass(url: str, suite: str, runs: tuple[tuple[str, ...], ...], results: Path) -> list[int]:
    """Run the suite, once per set of options and all at the same time; return how each ended."""
    command = [str(ROOT / "scripts" / "node"), "node", str(HERE / "node_modules" / suite), "server", "--url", url]
    deadline = time.monotonic() + PASS_S
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, *options, "-o", str(results / str(number))],
                    env=os.environ | {"AETHER_WHEEL_NODE": "1"},  # the suite wants Node 22
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
            for number, options in enumerate(runs)
        ]
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        return [process.wait() for process in processes]


@contextmanager
def served(place: Path) -> Iterator[str]:
    """Start the server under test; yield its address once it takes connections."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AETHER_", "ANTHROPIC_"))}
    log = (place / "server.log").open("w+")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.conformance_mcp.server", str(place / "home")],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], UP_S)
            url = process.stdout.readline().strip() if ready else ""
            if not url:
                process.kill()
                log.seek(0)
                sys.exit(f"the server under test did not come up within {UP_S:.0f} s:\n{log.read()}")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(DOWN_S)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    sys.exit(main())
