"""Where a viewer starts in the output of a terminal, and what it must know of before. Blocking."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aetherd.shim.client import read_output

RING: Final = 256 * 1024  # shown again to a new viewer
LOOKED_BACK: Final = 16 << 20  # how far modes are looked for, when nobody looked before
_STEP: Final = 1 << 20
_LONGEST: Final = 64
_CHANGE: Final = re.compile(rb"\x1b(?:(c)|\[\?([0-9;]{1,40})([hl]))")
_CURSOR: Final = 25
ALTERNATE: Final = frozenset({47, 1047, 1049})
# Cursor keys, cursor, alternate screens, mouse, focus, bracketed paste: what a terminal is told again.
_TRACKED: Final = frozenset({1, _CURSOR, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 2004}) | ALTERNATE
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Start:
    """Where a viewer starts."""

    offset: int
    end: int  # of the output, when it was looked at
    prefix: bytes  # resets the viewer's terminal and sets the modes that hold at the offset
    cut: bool  # something is missing before it


class Replay:
    """Remembers the modes of terminals, so that the same bytes are not looked at twice."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, dict[int, bool]]] = {}
        self._lock = threading.Lock()

    def start(self, directory: Path, keep: int = RING) -> Start:
        """Return where to start with at most `keep` bytes; raises FileNotFoundError when nothing is kept."""
        _, _, first, end = read_output(directory, 0, 0)
        offset, data, first, end = read_output(directory, max(first, end - keep), keep)
        if offset > 0:
            offset += _clean(data)
        modes = self.modes(directory, offset)
        return Start(offset, end, _prefix(modes), offset > 0)

    def modes(self, directory: Path, offset: int) -> Mapping[int, bool]:
        """Return the modes as they are just before an offset."""
        position, modes = self._known.get(directory, (0, {}))
        if position > offset:
            position, modes = 0, {}
        modes = dict(modes)
        position = max(position, offset - LOOKED_BACK)
        while position < offset:
            actual, data, _, end = read_output(directory, position, _STEP + _LONGEST)
            upto = min(actual + _STEP, offset, end)
            if not data or upto <= actual:
                break
            for change in _CHANGE.finditer(data):
                if actual + change.start() >= upto:
                    break
                _apply(modes, change)
            position = upto
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[directory] = (offset, modes)
        return modes


def _apply(modes: dict[int, bool], change: re.Match[bytes]) -> None:
    if change[1] is not None:
        modes.clear()
        return
    for number in change[2].split(b";"):
        if number and int(number) in _TRACKED:
            modes[int(number)] = change[3] == b"h"


def _clean(data: bytes) -> int:
    """Return how much to skip so that it starts on a line, or at least on a whole character."""
    newline = data.find(b"\n")
    if newline >= 0:
        return newline + 1
    skipped = 0
    while skipped < min(4, len(data)) and data[skipped] & 0xC0 == 0x80:
        skipped += 1
    return skipped


def _prefix(modes: Mapping[int, bool]) -> bytes:
    order = sorted(modes, key=lambda mode: (mode not in ALTERNATE, mode))
    return b"\x1bc" + b"".join(
        b"\x1b[?%d%c" % (mode, ord("h" if modes[mode] else "l")) for mode in order if modes[mode] or mode == _CURSOR
    )
