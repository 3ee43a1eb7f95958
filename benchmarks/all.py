"""Run every benchmark, one after another, and print one table: what, target, measured, met.

    python benchmarks/all.py [--full] [--markdown] [--only NAME ...]

`--quick` is the default and takes some minutes; `--full` takes the rounds each program has by itself and kills
the daemon 100 times. `--markdown` prints the table as it stands in the README. Nothing is written but stdout;
what runs is told on stderr. A figure that misses its target is shown, never hidden, and is no error.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from lab import Row, conditions, number

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 3600
PEERS = {"peer: SDK stdio server": "an SDK stdio server", "peer: mcp-remote 0.15.1 -> HTTP": "npm mcp-remote"}


def ours(text: str) -> list[Row]:
    """Read the rows of a program that can print them as JSON."""
    found = json.loads(text.strip().splitlines()[-1])
    names = {field.name for field in fields(Row)}
    return [Row(**{key: value for key, value in row.items() if key in names}) for row in found["rows"]]


def cells(text: str, name: str) -> list[float]:
    """Return the numbers of the line that begins with a name; `-` counts as 0."""
    for line in text.splitlines():
        bare = line.strip("| ")
        if bare.startswith(name) and re.match(r"[\s|]", bare[len(name) : len(name) + 1] or " "):
            rest = bare[len(name) :].replace("|", " ").replace(",", "")
            return [
                float(word) if word[-1].isdigit() else 0.0
                for word in re.findall(r"-?[\d.]+\d|\d+|(?<= )-(?= |$)", rest)
            ]
    raise LookupError(f"no line {name!r}")


def relay(text: str) -> list[Row]:
    """Start, memory, and both against the peers: columns x start, x memory, x call, start, min, PSS, ..."""
    own = cells(text, "relay -> cached list")
    rows = [
        Row("relay: exec to tools/list of 100 tools", own[3], "ms", target=25),
        Row("relay: memory (PSS)", own[5], "MB", target=4),
    ]
    for name, title in (
        ("peer: SDK stdio server", "an SDK stdio server"),
        ("peer: mcp-remote 0.15.1 -> HTTP", "npm mcp-remote"),
    ):
        try:
            peer = cells(text, name)
        except LookupError:
            rows.append(Row(f"relay against {title}: not in this run", 0, ""))
            continue
        rows += [
            Row(f"relay against {title}: times faster", peer[0], "x", target=20, at_least=True),
            Row(f"relay against {title}: times smaller", peer[1], "x", target=10, at_least=True),
        ]
    return rows


def calls(text: str) -> list[Row]:
    """Four numbers a tool: x HTTP, p50, p99, CPU; the first tool reads, the last writes."""
    own, plain = cells(text, "relay"), cells(text, "HTTP /mcp")
    return [
        Row(
            "tools/call through the relay and all guards, a READ, p50",
            own[1],
            "ms",
            plain[1],
            "plain Streamable HTTP",
            0.6,
        ),
        Row("tools/call, a WRITE (one fsync), p50", own[-3], "ms", plain[-3], "plain Streamable HTTP", 5),
    ]


def fanout(text: str) -> list[Row]:
    """Subscribers, ours/s, us, naive/s, us, ratio."""
    found = cells(text, "100")
    return [
        Row(
            "fan-out to 100 SSE subscribers",
            found[0],
            "deliveries/s",
            found[2],
            "one serialization each",
            300_000,
            at_least=True,
        ),
        Row("  times the form of one serialization each", found[4], "x", target=10, at_least=True),
    ]


def shim(text: str) -> list[Row]:
    """Ratios first; the memory line has its own form."""
    found = re.search(r"PSS of \d+ shims\s+([\d.]+) MB each", text)
    spawn = re.search(r"spawn p50\s+[\d.]+ x\s+([\d.]+) ms\s+([\d.]+) ms", text)
    if found is None or spawn is None:
        raise LookupError("no PSS line")
    return [
        Row("shim memory per process (PSS, of 20)", float(found[1]), "MB", target=2),
        Row("shim: spawn through the zygote alone, p50", float(spawn[1]), "ms", float(spawn[2]), "subprocess"),
    ]


# Name, how its output is read, arguments when quick, arguments when full.
Program = tuple[str, Callable[[str], list[Row]], list[str], list[str]]
PROGRAMS: tuple[Program, ...] = (
    ("relay", relay, ["--rounds", "5"], []),
    ("calls", calls, ["--rounds", "3", "--calls", "200"], []),
    ("loops", ours, ["--quick"], []),
    ("events", ours, ["--quick"], []),
    ("fanout", fanout, ["--subscribers", "100"], ["--subscribers", "100"]),
    ("restart", ours, ["--quick"], ["--full"]),
    ("shim", shim, [], []),
    ("terminal", ours, ["--quick"], []),
    ("daemon", ours, ["--quick"], []),
    ("spawn", ours, ["--quick"], []),
    ("state", ours, ["--quick"], []),
    ("footprint", ours, [], []),
    ("parked", ours, [], []),
    ("tasks", ours, ["--quick"], []),
    ("flows", ours, ["--quick"], []),
    ("budget", ours, ["--quick"], []),
    ("messages", ours, ["--quick"], []),
    ("memory", ours, ["--quick"], ["--full"]),
    ("snapshot", ours, ["--quick"], []),
    ("containers", ours, ["--quick"], []),
    ("sandbox", ours, ["--quick"], []),
    ("proxy", ours, ["--quick"], []),
    ("gateway", ours, ["--quick"], []),
    ("freeze", ours, ["--quick"], []),
    ("desktop", ours, ["--quick"], []),
)


def run(program: Program, full: bool) -> list[Row]:
    """Run one program; what goes wrong becomes a row."""
    name, parse, quick, long = program
    command = [
        sys.executable,
        str(HERE / f"{name}.py"),
        *(long if full else quick),
        *(["--json"] if parse is ours else []),
    ]
    sys.stderr.write(f"{name} … ")
    sys.stderr.flush()
    begun = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        sys.stderr.write(f"{time.monotonic() - begun:.0f} s\n")
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise RuntimeError(f"exit {done.returncode}: {why}")
        return parse(done.stdout)
    except (RuntimeError, LookupError, ValueError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{name} failed: {error}\n")
        return [Row(f"{name}: FAILED, {str(error)[:100]}", 0, "")]


def cells_of(row: Row) -> tuple[str, str, str, str]:
    """Return what, target, measured, met."""
    measured = f"{number(row.ours)} {row.unit}".strip()
    if row.bare is not None:
        measured += f" ({row.ratio} of {number(row.bare)} {row.unit}, {row.bare_name})"
    return row.what.strip(), row.aim.strip(), measured, row.met


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the default")
    parser.add_argument("--full", action="store_true", help="all rounds")
    parser.add_argument("--markdown", action="store_true", help="as a Markdown table, only what has a target")
    parser.add_argument("--only", nargs="+", choices=[name for name, *_ in PROGRAMS], help="only these")
    options = parser.parse_args()
    before = conditions("mcp", "starlette", "uvicorn", "sqlmodel", "websockets", "claude-agent-sdk")
    rows = []
    for program in PROGRAMS:
        if not options.only or program[0] in options.only:
            rows += run(program, options.full)
    load = conditions().partition("load ")[2].partition(",")[0]
    lines = [("what", "target", "measured", "met"), *(cells_of(row) for row in rows)]
    if options.markdown:
        lines = [lines[0], *(line for line in lines[1:] if line[1] or "FAILED" in line[0])]
        lines.insert(1, ("---", "---", "---", "---"))
        for line in lines:
            print(f"| {' | '.join(line)} |")
    else:
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"\nMedians. At the start: {before}; load at the end {load}. Read the ratios: both sides ran in one minute.")


if __name__ == "__main__":
    main()
