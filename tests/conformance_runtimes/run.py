"""`make runtimes`: every runtime that is installed does the same small task, then everything else, in one table.

    python -m tests.conformance_runtimes.run [RUNTIME ...] [--only BEHAVIOUR,...] [--write] [--install]

A behaviour is `yes`, `no` (with what was seen instead) or `-` (it does not apply, or was not tried).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio

from tests.conformance_runtimes import matrix
from tests.conformance_runtimes.at_work import told
from tests.conformance_runtimes.behaviours import BEHAVIOURS, Behaviour
from tests.conformance_runtimes.bench import Bench, Lacks, bench
from tests.conformance_runtimes.kinds import KINDS, Kind, kind
from tests.conformance_runtimes.programs import PROGRAMS
from tests.e2e.daemon_lab import Refused
from tests.installed import install


@dataclass
class Seen:
    """One runtime's column."""

    kind: Kind
    version: str | None = None
    missing: str | None = None  # why it was not tried
    observed: dict[str, matrix.Observed] = field(default_factory=dict)
    took_s: float = 0.0
    task: str = ""
    wrong: list[str] = field(default_factory=list)  # looks at which it was shown as what it was not


def drive(one: Kind, behaviours: Sequence[Behaviour], tell: Callable[[str], None] = lambda line: None) -> Seen:
    """Put one runtime through these behaviours, told line by line; one that fails leaves a fresh agent to the next."""
    seen, begun = Seen(one), time.monotonic()
    with bench(one) as at:
        try:
            found = at.daemon.call("runtime.get", runtime=one.name)
        except Refused as error:
            seen.missing = error.message
            return seen
        seen.version = found["version"]
        if not found["available"]:
            seen.missing = found["missing"]
            return seen
        for behaviour in behaviours:
            seen.observed[behaviour.name] = found = observe(at, behaviour)
            tell(matrix.line(behaviour.name, found))
        seen.wrong = at.score.wrong
        seen.task = told(at) if one.model_runs else "no model, no task"
    seen.took_s = time.monotonic() - begun
    return seen


def observe(at: Bench, behaviour: Behaviour) -> matrix.Observed:
    """Try one behaviour."""
    try:
        return matrix.Observed(True, way(at.kind, behaviour)(at) or "")
    except Lacks as error:
        return matrix.Observed(None, str(error))
    except (AssertionError, TimeoutError, Refused, OSError, ValueError, KeyError, IndexError) as error:
        at.daemon.revive()
        at.leave(lost=True)
        return matrix.Observed(False, " ".join(str(error).split())[:300] or type(error).__name__)


def way(one: Kind, behaviour: Behaviour) -> Callable[[Bench], str | None]:
    """Return how a behaviour is tried on a runtime."""
    if one.model_runs or behaviour.name == "state_true":
        return behaviour.run
    return PROGRAMS.get(behaviour.name, _no_model)


def _no_model(_: Bench) -> str:
    raise Lacks("it is a plain program, without a model")


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Runtimes on the bench.")
    parser.add_argument("runtimes", nargs="*", help="all that are installed, if none is named")
    parser.add_argument("--only", default="", help="these behaviours, with commas")
    parser.add_argument("--write", action="store_true", help="write matrix.json and docs/runtimes.md")
    parser.add_argument("--install", action="store_true", help="install what is missing")
    options = parser.parse_args()
    kinds = [kind(name) for name in options.runtimes] or KINDS
    if options.install:
        anyio.run(install, [one.short for one in kinds if one.short])
    names = [name for name in options.only.split(",") if name]
    chosen = [one for one in BEHAVIOURS if not names or one.name in names]
    seen = []
    for one in kinds:
        say(f"\n{one.name}")
        seen.append(column := drive(one, chosen, say))
        for line in matrix.report(column):
            say(line)
        if options.write and not names:
            matrix.write(column)
    for line in matrix.table(seen):
        say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
