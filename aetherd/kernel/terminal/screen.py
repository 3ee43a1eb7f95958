"""The screen as text, rendered from the last output. Slow (about 1 MB/s) and blocking: use a thread."""

from __future__ import annotations

import logging
import re
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyte

from aetherd.kernel.terminal.replay import ALTERNATE, Replay
from aetherd.shim.client import read_output

logger = logging.getLogger(__name__)
FED: Final = 64 * 1024
_PIECE: Final = 512
_SECONDS: Final = 1.0  # some sequences touch every cell: hostile output is shown as far as this goes
_ALIGN: Final = re.compile(r"\x1b#.")  # fills the screen with a test pattern: seconds for a few bytes
_TITLE: Final = 200
_COMBINED: Final = 4
_SWITCH: Final = re.compile(rb"\x1b\[\?[0-9;]*?(?:1049|1047|47)[0-9;]*([hl])")


class Rendered:
    """A screen of text."""

    def __init__(self, lines: list[str], cursor: tuple[int, int], title: str) -> None:
        self.lines, self.cursor, self.title = lines, cursor, title


def render(directory: Path, replay: Replay, rows: int, cols: int) -> Rendered:
    """Return the screen of a terminal; raises FileNotFoundError when nothing is kept of it."""
    start = replay.start(directory, FED)
    _, data, _, _ = read_output(directory, start.offset, FED)
    alternate = any(replay.modes(directory, start.offset).get(mode, False) for mode in ALTERNATE)
    screen = pyte.Screen(cols, rows)
    stream = pyte.Stream(screen)
    until = time.monotonic() + _SECONDS
    for piece in _pieces(_bounded(_visible(data, alternate).decode("utf-8", "replace"))):
        try:
            stream.feed(piece)
        except Exception:  # a sequence pyte does not know: a program may print anything
            logger.debug("a piece of terminal output could not be rendered", exc_info=True)
            stream = pyte.Stream(screen)
        if time.monotonic() > until:
            break
    lines = [_plain(line) for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return Rendered(lines, (screen.cursor.y, min(screen.cursor.x, cols - 1)), _plain(screen.title[:_TITLE]))


def _visible(data: bytes, alternate: bool) -> bytes:
    """Return what was written to the screen that is shown now; pyte knows only one."""
    kept: dict[bool, bytes] = {False: b"", True: b""}
    position = 0
    for switch in _SWITCH.finditer(data):
        kept[alternate] += data[position : switch.start()]
        position = switch.end()
        now = switch[1] == b"h"
        if now and not alternate:
            kept[True] = b""  # the alternate screen is empty when it is entered
        alternate = now
    kept[alternate] += data[position:]
    return kept[alternate]


def _bounded(text: str) -> str:
    """Drop what costs pyte far more than its size: test patterns and heaps of combining characters."""
    text = _ALIGN.sub("", text)
    if text.isascii():
        return text
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _COMBINED:
            kept.append(character)
    return "".join(kept)


def _pieces(text: str) -> Iterator[str]:
    """Cut between lines, so that one bad sequence costs little."""
    start = 0
    while start < len(text):
        end = text.rfind("\n", start, start + _PIECE) + 1 or start + _PIECE
        yield text[start:end]
        start = end


def _plain(line: str) -> str:
    """Return text without anything a terminal or a page could take for a command."""
    return "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in line).rstrip()
