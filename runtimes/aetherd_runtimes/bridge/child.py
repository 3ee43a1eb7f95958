"""The agent as the bridge's child: its lines, its last words, and its end with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import IO

from aetherd_runtimes.bridge.hearing import CHUNK, lines_of

LINE_LIMIT = 32 << 20  # bytes of one line of an agent's, which may hold a file or a picture
WRITE_S = 60.0  # an agent that reads nothing for so long is stuck
LEAVE_S = 5.0  # after its input was closed
TERM_S = 2.0  # after SIGTERM, before SIGKILL
PDEATHSIG = 1  # PR_SET_PDEATHSIG
WORDS_LIMIT = 4096  # bytes of standard error that are kept


class Stuck(Exception):
    """Raised when the agent does not read what it is told."""


class Child:
    """One agent process, the leader of its own session."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        name: str,
        pipes: tuple[asyncio.StreamWriter | None, asyncio.StreamReader, asyncio.StreamReader | None],
    ) -> None:
        self._process = process
        self._name = name
        self._stdin, self._stdout, self._stderr = pipes
        self._words = b""
        self._exited = asyncio.Event()
        # asyncio's own wait() would also wait for whoever else still holds the agent's pipes
        self._handle = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._handle, self._reap)

    @classmethod
    async def start(
        cls, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, name: str, joined: bool = False
    ) -> Child:
        """Start it on pipes; raises `OSError` when it cannot be run.

        `joined` is a command rather than an agent: it has no input, and its errors are among its output.
        """
        process = _run(argv, env, cwd, joined)
        assert process.stdout is not None
        stdin, loop = None, asyncio.get_running_loop()
        if process.stdin is not None:
            transport, protocol = await loop.connect_write_pipe(_protocol, process.stdin)
            stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        stderr = None if process.stderr is None else await _reader(process.stderr)
        return cls(process, name, (stdin, await _reader(process.stdout), stderr))

    def _reap(self) -> None:
        self._process.wait()
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        self._exited.set()

    @property
    def last_words(self) -> str:
        """The last line it wrote to standard error."""
        lines = [line.strip() for line in self._words.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1][:500] if lines else ""

    @property
    def how(self) -> str:
        """How it ended, for people; only once it has."""
        code = self._process.returncode
        how = f"was ended by {_signal_name(-code)}" if code is not None and code < 0 else f"exited with code {code}"
        return f"{self._name} {how}" + (f": {self.last_words}" if self.last_words else "")

    @property
    def status(self) -> dict[str, int | str | None] | None:
        """How it ended, as ACP says it; None while it runs."""
        code = self._process.returncode
        if code is None:
            return None
        return {"exitCode": None, "signal": _signal_name(-code)} if code < 0 else {"exitCode": code, "signal": None}

    @property
    def exit_code(self) -> int:
        """The code to exit with in its name."""
        code = self._process.returncode
        return 1 if code is None else code if code >= 0 else 128 - code

    async def lines(self) -> AsyncIterator[bytes | int]:
        """Yield what it prints until it stops; an int is the length of a line that was too long."""
        async for line in lines_of(self._stdout, LINE_LIMIT):
            yield line

    async def output(self) -> AsyncIterator[bytes]:
        """Yield what it prints as it comes."""
        while data := await self._stdout.read(CHUNK):
            yield data

    async def pass_errors(self) -> None:
        """Pass its standard error on to ours, and remember the end of it."""
        assert self._stderr is not None
        while data := await self._stderr.read(CHUNK):
            self._words = (self._words + data)[-WORDS_LIMIT:]
            while data:
                data = data[os.write(2, data) :]

    async def write(self, data: bytes) -> None:
        """Give it bytes; raises `Stuck` when it does not take them, and does nothing once it is gone."""
        assert self._stdin is not None
        try:
            self._stdin.write(data)
            async with asyncio.timeout(WRITE_S):
                await self._stdin.drain()
        except TimeoutError as exc:
            raise Stuck(f"{self._name} has read nothing for {WRITE_S:g} s") from exc
        except OSError:
            pass  # its end is told by whoever waits for it

    async def wait(self) -> None:
        """Wait for its exit, whoever else may hold its pipes."""
        await self._exited.wait()

    async def end(self) -> None:
        """Have it leave: its input closed, then asked, then made to, and all of its session with it."""
        if self._stdin is not None:
            self._stdin.close()
        for number, patience in ((signal.SIGTERM, LEAVE_S), (signal.SIGKILL, TERM_S)):
            try:
                async with asyncio.timeout(patience):
                    await self._exited.wait()
                break
            except TimeoutError:
                self.ask(number)
        await self._exited.wait()
        self.kill()

    @property
    def ended(self) -> bool:
        """Whether it has exited."""
        return self._exited.is_set()

    def ask(self, number: signal.Signals) -> None:
        """Send its session a signal."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill what is left of its session, at once."""
        self.ask(signal.SIGKILL)


def _run(argv: Sequence[str], env: Mapping[str, str], cwd: str, joined: bool) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    stdin, stderr = (subprocess.DEVNULL, subprocess.STDOUT) if joined else (pipe, pipe)
    return subprocess.Popen(
        argv,
        bufsize=0,
        env=dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=pipe,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=_die_with_us,
    )


def _die_with_us() -> None:
    """In the child: be killed when the bridge is, which nobody else would be told of."""
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _protocol() -> asyncio.StreamReaderProtocol:
    return asyncio.StreamReaderProtocol(asyncio.StreamReader())


async def _reader(pipe: IO[bytes]) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
