"""The screen as text, rendered from the last output. Slow (about 1 MB/s) and blocking: use a thread."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyte

from aetherd.kernel.terminal.replay import ALTERNATE, Replay
from aetherd.shim.client import read_output

logger = logging.getLogger(__name__)
FED: Final = 64 * 1024
_PIECE: Final = 4096
_TITLE: Final = 200
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
    stream = pyte.ByteStream(screen)
    for piece in _pieces(_visible(data, alternate)):
        try:
            stream.feed(piece)
        except Exception:  # a sequence pyte does not know: a program may print anything
            logger.debug("a piece of terminal output could not be rendered", exc_info=True)
            stream = pyte.ByteStream(screen)
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


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut between lines, so that one bad sequence costs little."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _PIECE) + 1 or start + _PIECE
        yield data[start:end]
        start = end


def _plain(line: str) -> str:
    """Return text without anything a terminal or a page could take for a command."""
    return "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in line).rstrip()
