"""A shell of the agent's own: a command where the agent works, bounded in time and output, stopped with its tree."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from aetherd_runtimes.builtin.door import Answer
from aetherd_runtimes.builtin.inbox import Hurry
from aetherd_runtimes.builtin.model import Tool, Wait

NAME = "shell"
DEFAULT_S = 120.0
LONGEST_S = 1800.0
HALF = 9_000  # bytes of output that are kept of its beginning, and of its end
LOOK_S = 0.2
SECRET = ("TOKEN", "KEY", "SECRET", "PASSWORD", "CREDENTIAL")
TOOL = Tool(
    NAME,
    "Run a shell command in your working directory, for builds, tests, git, search and edits. A person may have to"
    " allow it. Output is cut in its middle when it is long; the exit status is told when it is not 0.",
    {
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "what /bin/sh runs"},
            "timeout_s": {"type": "number", "description": f"stopped after this long; default {DEFAULT_S:.0f}"},
        },
        "required": ["command"],
        "additionalProperties": False,
    },
    read_only=False,
)


def title(input: Mapping[str, Any]) -> str:
    """Return what a person is asked to allow."""
    return f"run {' '.join(str(input.get('command', '')).split())[:200]}"


def wrong(input: Mapping[str, Any]) -> str | None:
    """Return why a command cannot be run, None when it can."""
    command, limit = input.get("command"), input.get("timeout_s", DEFAULT_S)
    if not isinstance(command, str) or not command.strip() or "\0" in command:
        return "shell needs `command`, a text"
    if command.encode("utf-8", "replace").decode() != command:
        return "`command` holds half a character"
    if type(limit) not in (int, float) or not 0 < limit <= LONGEST_S:
        return f"timeout_s is a number of at most {LONGEST_S:.0f} seconds"
    return None


def run(input: Mapping[str, Any], wait: Wait) -> Answer:
    """Run a command for which `wrong` is None; on `Hurry` it is killed, and so is whatever it started."""
    import subprocess

    seconds = float(input.get("timeout_s", DEFAULT_S))
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", input["command"]],
            env={name: value for name, value in os.environ.items() if not any(part in name for part in SECRET)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        return Answer(f"no shell could be started: {error.strerror}", is_error=True)
    assert process.stdout is not None
    output = _Output(process.stdout.fileno())
    deadline = monotonic() + seconds
    try:
        while not output.ended and monotonic() < deadline:
            if wait(output.fd, deadline=min(deadline, monotonic() + LOOK_S)):
                output.read()
            elif process.poll() is not None:  # what it left running holds the pipe: that is let be
                break
        while process.poll() is None and monotonic() < deadline:  # it closed its output and goes on
            wait(deadline=min(deadline, monotonic() + LOOK_S))
        late = process.poll() is None
        if late:
            _kill(process.pid)
    except Hurry:
        _kill(process.pid)
        raise
    finally:
        process.stdout.close()
        status = process.wait()
    text = output.text()
    if late:
        return Answer(f"{text}\n[stopped after {seconds:g} s with all it had started]", is_error=True)
    if status:
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        return Answer(f"{text}\n[{how}]", is_error=True)
    return Answer(text or "[no output]")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class _Output:
    """What a command prints: its beginning and its end."""

    def __init__(self, fd: int) -> None:
        self.fd, self.ended = fd, False
        self._head, self._tail, self._left_out = bytearray(), bytearray(), 0
        os.set_blocking(fd, False)

    def read(self) -> None:
        """Read what is there."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        self.ended = not data
        room = HALF - len(self._head)
        self._head += data[:room] if room > 0 else b""
        self._tail += data[max(room, 0) :]
        if (over := len(self._tail) - HALF) > 0:
            self._left_out += over
            del self._tail[:over]

    def text(self) -> str:
        """Return it as text."""
        cut = f"\n… {self._left_out} bytes left out …\n" if self._left_out else ""
        return (self._head.decode("utf-8", "replace") + cut + self._tail.decode("utf-8", "replace")).rstrip("\n")
