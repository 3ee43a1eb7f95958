"""What people see: tables, fields, colours where wanted. What agents wrote cannot drive the terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import click

CELL, LEAST = 60, 20  # characters of a cell; of one that is cut to fit
WORDS = ("content", "text")  # what a thing says: cut rather than left out
FIRST = ("pid", "id", "name", "state", "phase", "title", "from_name", *WORDS, "agent")
ESCAPES = re.compile(  # every escape sequence but colours
    r"\x1b(?!\[[0-9;]*m)(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]+[0-~]|.)?", re.DOTALL
)
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
PICTURES = {code: chr(0x2400 + code) for code in range(32)} | {127: "\u2421"} | dict.fromkeys(range(128, 160), "\ufffd")


def colours() -> bool:
    """Return whether colours are wanted: on a terminal, unless NO_COLOR says no."""
    return not os.environ.get("NO_COLOR") and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, **style: Any) -> str:
    """Colour a text if colours are wanted."""
    return click.style(text, **style) if colours() else text


def plain(value: Any) -> str:
    """Return a value as one line of text in which no control character is left."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    if isinstance(value, dict | list):
        return plain(json.dumps(value, ensure_ascii=False)) if value else "-"
    return str(value).translate(PICTURES)


def safe(text: str) -> str:
    """Return many lines of text without what could drive the terminal; colours stay."""
    return CONTROLS.sub("", ESCAPES.sub("", text))


def out(text: str, newline: bool = True) -> None:
    """Write to standard output."""
    click.echo(text, nl=newline)


def raw(text: str) -> None:
    """Write a program's output: as it is to a file or pipe, made harmless on a terminal."""
    out(safe(text) if sys.stdout.isatty() else text, newline=False)
    sys.stdout.flush()


def progress(what: str, step: str, detail: str, elapsed_s: float) -> None:
    """Show how far something is: one line that changes on a terminal, a line for each new step elsewhere."""
    room = shutil.get_terminal_size((100, 24)).columns - 1
    line = _cut(f"{what}  {elapsed_s:5.1f} s  {plain(step)}: {plain(detail)}", room)
    if sys.stdout.isatty():
        out(f"\r\x1b[2K{line}", newline=False)
        sys.stdout.flush()
        _told[what] = step
    elif _told.get(what) != step:
        _told[what] = step
        out(line)


def settle() -> None:
    """End the line that was changing, so that what comes next has its own."""
    if _told and sys.stdout.isatty():
        out("")
    _told.clear()


_told: dict[str, str] = {}  # the step that was shown last, by what it is about


def show(value: dict[str, Any]) -> None:
    """Show an output: a table when it is a list of things, its fields otherwise."""
    lists = [name for name, item in value.items() if isinstance(item, list) and _objects(item)]
    if len(lists) == 1 and all(name in (lists[0], "cursor", "more") for name in value):
        rows = value[lists[0]]
        table(rows) if rows else out(styled(f"no {lists[0]}", dim=True))
        if value.get("cursor"):
            click.echo(f"more: --cursor {plain(value['cursor'])}", err=True)
        return
    fields(value)


def _objects(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def fields(value: dict[str, Any], indent: str = "") -> None:
    """Show key and value, one per line; nested things below."""
    width = max((len(name) for name in value), default=0)
    for name, item in value.items():
        label = styled(f"{name:<{width}}", bold=True)
        if isinstance(item, dict) and item:
            out(f"{indent}{label}")
            fields(item, indent + "  ")
        elif isinstance(item, list) and item and _objects(item):
            out(f"{indent}{label}")
            table(item, indent + "  ")
        elif isinstance(item, list) and item:
            out(f"{indent}{label}  {', '.join(plain(part) for part in item)}")
        elif isinstance(item, str) and "\n" in item:
            out(f"{indent}{label}")
            for line in safe(item).splitlines():
                out(f"{indent}  {line}")
        else:
            out(f"{indent}{label}  {plain(item)}")


def table(rows: Sequence[dict[str, Any]], indent: str = "") -> None:
    """Show things in columns: those that say something, as many as fit."""
    names = sorted({name: None for row in rows for name in row}, key=_importance)
    flat = [name for name in names if not any(isinstance(row.get(name), dict | list) for row in rows)]
    used = [name for name in flat if any(row.get(name) not in (None, "") for row in rows)] or flat or names
    cells = {name: [_cut(plain(row.get(name))) for row in rows] for name in used}
    widths = {name: max(len(name), *(len(cell) for cell in cells[name])) for name in used}
    room = shutil.get_terminal_size((100, 24)).columns - len(indent)
    shown: list[str] = []
    for name in used:
        left = room - sum(widths[other] + 2 for other in shown)
        if shown and widths[name] > left:
            if name not in WORDS or left < LEAST:
                continue
            cells[name], widths[name] = [_cut(cell, left) for cell in cells[name]], left
        shown.append(name)
    line = "  ".join(f"{name.upper():<{widths[name]}}" for name in shown)
    out(indent + styled(line.rstrip(), bold=True))
    for number in range(len(rows)):
        line = "  ".join(f"{cells[name][number]:<{widths[name]}}" for name in shown)
        out(indent + line.rstrip())


def _importance(name: str) -> tuple[int, int]:
    # Columns keep the order of the wire, after those that name a thing.
    return (FIRST.index(name), 0) if name in FIRST else (len(FIRST), 0)


def _cut(text: str, most: int = CELL) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
