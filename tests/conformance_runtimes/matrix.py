"""The table of what was seen: printed, kept as `aetherd_runtimes/matrix.json`, and told in docs/runtimes.md.

python -m tests.conformance_runtimes.matrix      fails when it is not of these behaviours and versions
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aetherd_runtimes
from aetherd.core.config import Settings
from aetherd.daemon.discovery import runtimes
from aetherd.runtime import Runtime
from tests.conformance_runtimes.behaviours import BEHAVIOURS
from tests.conformance_runtimes.kinds import KINDS, UNTRIED

if TYPE_CHECKING:
    from tests.conformance_runtimes.run import Seen

FILE = Path(aetherd_runtimes.__file__).parent / "matrix.json"
PAGE = Path(__file__).parents[2] / "docs" / "runtimes.md"
WRONG = 12  # of the wrong looks that are printed
WORDS = {True: "yes", False: "no", None: "-"}


@dataclass(frozen=True)
class Observed:
    """What one behaviour was seen to be."""

    holds: bool | None  # None: it does not apply
    note: str = ""


def line(name: str, one: Observed) -> str:
    """Tell one behaviour."""
    return f"  {WORDS[one.holds]:4}{name:22}{one.note}"


def report(seen: Seen) -> Iterator[str]:
    """Sum up one runtime."""
    if seen.missing:
        yield f"  not tried: {seen.missing}"
        return
    for wrong in seen.wrong[:WRONG]:
        yield f"      {wrong}"
    held = sum(one.holds is True for one in seen.observed.values())
    failed = sum(one.holds is False for one in seen.observed.values())
    yield f"  {seen.kind.name} {seen.version or ''}: {held} yes, {failed} no, in {seen.took_s:.0f} s"
    yield f"  the small task: {seen.task}"


def table(columns: Sequence[Seen]) -> Iterator[str]:
    """Show all runtimes side by side."""
    tried = [seen for seen in columns if seen.observed]
    names = list(dict.fromkeys(name for seen in tried for name in seen.observed))
    yield ""
    yield f"{'':22}" + "".join(f"{seen.kind.name:>14}" for seen in tried)
    for name in names:
        cells = (WORDS[seen.observed[name].holds] if name in seen.observed else "" for seen in tried)
        yield f"{name:22}" + "".join(f"{cell:>14}" for cell in cells)


def write(seen: Seen) -> None:
    """Keep what was seen of a runtime; one that was not tried keeps what was seen of it before."""
    known: dict[str, Any] = json.loads(FILE.read_text())["runtimes"] if FILE.exists() else {}
    if seen.observed:
        observed = {name: asdict(one) for name, one in seen.observed.items()}
        known[seen.kind.name] = {"version": seen.version, "seen_at": str(date.today()), "observed": observed}
    ordered = {kind.name: known[kind.name] for kind in KINDS if kind.name in known}
    behaviours = {one.name: one.summary for one in BEHAVIOURS}
    FILE.write_text(json.dumps({"behaviours": behaviours, "runtimes": ordered}, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page())


def page() -> str:
    """Return docs/runtimes.md, made of the kept table."""
    kept = json.loads(FILE.read_text())
    seen: dict[str, Any] = kept["runtimes"]
    lines = [
        "# What each runtime was seen to do",
        "",
        "`make runtimes` puts every runtime that is installed through the same behaviours: a real daemon, its usual",
        "walls, the real program, and a scripted model behind the gateway. This page is what it saw; `runtime.get`",
        "answers from the same table. It is made by `make runtimes ARGS=--write`, never by hand.",
        "",
        "| | " + " | ".join(seen) + " |",
        "|---|" + "---|" * len(seen),
        "| version | " + " | ".join(str(one["version"] or "") for one in seen.values()) + " |",
        "| seen | " + " | ".join(one["seen_at"] for one in seen.values()) + " |",
    ]
    for name, summary in kept["behaviours"].items():
        cells = [WORDS[one["observed"][name]["holds"]] if name in one["observed"] else "" for one in seen.values()]
        lines.append(f"| {summary} | " + " | ".join(cells) + " |")
    lines += ["", "`-`: it does not apply, as the list below says.", "", "## What was seen where it is not a yes", ""]
    for runtime, one in seen.items():
        notes = [
            f"- {runtime}, `{name}`: {WORDS[found['holds']]}: {_escaped(found['note'])}"
            for name, found in one["observed"].items()
            if found["holds"] is not True
        ]
        lines += notes
    return "\n".join(lines) + "\n"


def drift() -> Iterator[str]:
    """Say where the kept table is not of this code: its behaviours, its runtimes, their versions, the page."""
    kept = json.loads(FILE.read_text())
    if kept["behaviours"] != {one.name: one.summary for one in BEHAVIOURS}:
        yield "the behaviours are others than those of the bench"
    shipped = runtimes(Settings())
    for name in sorted((set(shipped) ^ set(kept["runtimes"])) - UNTRIED):
        yield f"{name}: " + ("it was not on the bench" if name in shipped else "there is no such runtime")
    for name in sorted(set(shipped) & set(kept["runtimes"])):
        one = kept["runtimes"][name]
        if set(one["observed"]) != set(kept["behaviours"]):
            yield f"{name}: it was not put through all behaviours"
        pinned = _pinned(shipped[name])
        if pinned and one["version"] != pinned:
            yield f"{name}: {one['version']} was seen and {pinned} is what aetherd installs"
    if PAGE.read_text() != page():
        yield f"{PAGE.name} is not made of the table"


def _pinned(runtime: Runtime) -> str | None:
    """Return the version that aetherd installs, where it installs one."""
    package = getattr(runtime, "package", None)
    return package.npm[0].rpartition("@")[2] if package and package.npm else None


def _escaped(note: str) -> str:
    return note.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def main() -> int:
    """Check it."""
    found = list(drift())
    for line in found:
        print(f"runtimes: {line}: run `make runtimes ARGS=--write`")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
