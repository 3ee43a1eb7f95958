"""The gateway as our child: its configuration, its start, its end with all it started."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aetherd_runtimes.bridge.child import Child
from aetherd_runtimes.openclaw.settings import PROVIDER, Settings
from aetherd_runtimes.openclaw.wire import Gone, Refused, Wire

NAME = "the OpenClaw gateway"
START_S = 180.0  # it takes 8 to 20 s on a quiet machine, 42 s were seen on a busy one
END_S = 4.0  # it takes 0.2 to 4 s
LOOK_S = 0.1
BAD_CONFIG = 78
SIGNALLED = 128
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
CHILDREN = "/proc/self/task/{}/children"


class Gateway:
    """One gateway process, and how to reach it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.token = secrets.token_hex(24)
        self.url = f"ws://127.0.0.1:{_free_port()}"
        self.child: Child | None = None

    @property
    def how(self) -> str | None:
        """How it ended, None while it lives."""
        if self.child is None or not self.child.ended:
            return None
        # what it logged last has nothing to do with a signal from outside
        return self.child.how.partition(": ")[0] if self.child.exit_code > SIGNALLED else self.child.how

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have it run; nothing of it is left afterwards."""
        port = self.url.rpartition(":")[2]
        write_config(self._settings)
        self.child = await Child.start(
            [*self._settings.argv, "gateway", "run", "--port", port],
            env={**os.environ, "OPENCLAW_GATEWAY_TOKEN": self.token},
            cwd=self._settings.cwd,
            name=NAME,
        )
        failure: Gone | Refused | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.child.pass_errors()), group.create_task(_drain(self.child))]
                try:
                    yield
                except (Gone, Refused) as exc:  # else the group would wrap it
                    failure = exc
                finally:
                    for task in tasks:
                        task.cancel()
        finally:
            self.kill()
        if failure is not None:
            raise failure

    async def connect(self) -> Wire:
        """Return a connection as soon as it has started; raises `Gone` when it does not."""
        try:
            async with asyncio.timeout(START_S):
                while True:
                    if self.how is not None:
                        raise Gone(self.how)
                    try:
                        return await Wire.open(self.url, self.token, self._settings.version)
                    except Gone:
                        await asyncio.sleep(LOOK_S)
        except TimeoutError as exc:
            raise Gone(f"{NAME} was not ready within {START_S:g} s") from exc

    async def end(self) -> None:
        """Ask it to leave and wait for that a little."""
        if self.child is not None:
            self.child.ask(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(END_S):
                    await self.child.wait()

    def kill(self) -> None:
        """Kill it and what it left: a browser it started is in a group of its own and would live on."""
        if self.child is not None:
            self.child.kill()
            if self.child.ended:  # else it would be taken for one of them
                kill_orphans()


def adopt_orphans() -> None:
    """Become the parent of whatever the gateway leaves behind."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def kill_orphans() -> None:
    """Kill what has become our child; what those leave in turn comes with the next look."""
    for _ in range(10):
        try:
            found = [int(word) for word in Path(CHILDREN.format(os.getpid())).read_text("ascii").split()]
        except OSError:
            return  # the tree is killed by the daemon at the end of the run
        if not found:
            return
        for number in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(number, 0)


def write_config(settings: Settings) -> None:
    """Write openclaw.json, with another name for the provider each time.

    The gateway shuts a provider out for up to ten minutes after a bill or a limit was hit, also over restarts, by its
    name; the daemon lifts limits and budgets in seconds.
    """
    text = json.dumps(settings.config).replace(f'"{PROVIDER}', f'"{PROVIDER}-{secrets.token_hex(3)}')
    path = Path(settings.home, "openclaw.json")
    temporary = path.with_suffix(".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.rename(path)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _drain(child: Child) -> None:
    async for _ in child.lines():
        pass  # its log: warnings and errors are in the file the configuration names, too
