"""The runtime `command`: any program on a terminal.

Nothing it prints is understood, and nobody types into it but a person.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from typing import Any

from aetherd.core.errors import Invalid
from aetherd.runtime import (
    Capabilities,
    Decoder,
    Ended,
    Hints,
    Input,
    Launch,
    Output,
    Report,
    Runtime,
    Spawn,
    Verdict,
)

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAST_LINE_LIMIT = 500
# what a terminal obeys instead of showing: CSI, OSC and the short escapes, then bare control characters
_CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]")


class Command:
    """Runs `argv` as it is given; the goal is only a note for people."""

    name = "command"
    capabilities = Capabilities()
    hints = Hints(
        title="Command",
        summary="Any program on a terminal: a shell, a REPL, another agent's own screen.",
    )

    def check(self) -> Report:
        """Say yes: what it needs is the program, which is looked for where it runs."""
        return Report(available=True)

    def launch(self, spawn: Spawn) -> Launch:
        """Run the program on a terminal with an environment of its own."""
        if not spawn.argv or not spawn.argv[0]:
            raise Invalid("the runtime command needs argv: the program and its arguments", field="argv")
        if any("\0" in word for word in spawn.argv):
            raise Invalid("argv cannot hold a NUL character", field="argv")
        if spawn.resume:
            raise Invalid("the runtime command has no conversation to resume", field="resume")
        return Launch(
            argv=spawn.argv,
            env={
                "HOME": str(spawn.home),
                "LANG": "C.UTF-8",
                "PATH": SEARCH_PATH,
                "SHELL": "/bin/sh",
                "TERM": "xterm-256color",
                **spawn.env,
                **spawn.door.env,
            },
            cwd=spawn.cwd,
            stdio="pty",
        )

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        """Return a decoder that keeps the last line, for the verdict."""
        return CommandDecoder(state)

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        """Return nothing: it opens no TUI."""
        return ()

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        """Return None: it has no conversation."""
        return None


class CommandDecoder:
    """Understands nothing, and remembers the last line a person could have read."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self._last = str((state or {}).get("last", ""))

    def decode(self, line: bytes) -> Iterable[Output]:
        """Yield nothing."""
        tail = line.rstrip(b"\r").rpartition(b"\r")[2][-8 * LAST_LINE_LIMIT :]  # what overwrote the rest
        self._last = readable(tail) or self._last
        return ()

    def encode(self, message: Input) -> bytes | None:
        """Return None: to type its text for somebody could answer a dialog that nobody saw."""
        return None

    def close(self) -> bytes | None:
        """Return None: closing the terminal is all that can be done."""
        return None

    def rest(self) -> Iterable[Output]:
        """Leave nothing open."""
        return ()

    def judge(self, ended: Ended) -> Verdict:
        """Go by the exit alone."""
        return judge_exit(ended, self._last)

    def state(self) -> dict[str, Any]:
        """Return the last line."""
        return {"last": self._last}


def judge_exit(ended: Ended, last: str = "") -> Verdict:
    """Return what an exit means when nothing else is known; `last` is the last line of output.

    An exit that was asked for is `killed` unless the program still ended well.
    """
    if ended.code == 0:
        return Verdict("completed")
    lines = [clean for line in ended.stderr.splitlines() if (clean := readable(line.encode(errors="replace")))]
    reason = f": {line}" if (line := lines[-1] if lines else last) else ""
    if ended.signal is not None:
        how = f"ended by {signal_name(ended.signal)}"
    elif ended.code is not None:
        how = f"exited with code {ended.code}"
    else:
        how = "ended, nobody saw how"
    return Verdict("killed" if ended.wanted else "failed", None if ended.wanted else how + reason)


def readable(line: bytes) -> str:
    """Return what a person could read of a line, at most 500 characters."""
    return _CONTROL.sub(b"", line).decode("utf-8", "replace").strip()[:LAST_LINE_LIMIT]


def signal_name(number: int) -> str:
    """Return SIGKILL for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_: type[Runtime] = Command
