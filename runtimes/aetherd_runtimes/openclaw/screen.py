"""The person's turn: OpenClaw's own terminal on the agent's conversation, with a gateway of ours behind it.

What is said there is kept in a file, by the gateway's own history, whenever there is something new and at the end: the
daemon reads it when the terminal has closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from time import time
from typing import Any

from aetherd_runtimes.openclaw.gateway import Gateway, adopt_orphans
from aetherd_runtimes.openclaw.history import lines
from aetherd_runtimes.openclaw.settings import Settings
from aetherd_runtimes.openclaw.wire import Gone, Refused, Wire

HISTORY = 200  # messages; the gateway bounds the bytes by itself
SAVE_S = 1.8  # the daemon waits 3 s in all
DONE = ("final", "aborted", "error")
WAIT = "OpenClaw is starting; its gateway takes a while …\r\n"


def show(settings: Settings) -> int:
    """Run the terminal until the person closes it or the daemon ends it; return the exit status."""
    adopt_orphans()
    return asyncio.run(Screen(settings).run())


class Screen:
    """A gateway, a connection that watches, and the terminal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._since = time() * 1000
        self._turned = asyncio.Event()
        self._over = asyncio.Event()

    async def run(self) -> int:
        """Start the gateway, then the terminal on it."""
        os.write(1, WAIT.encode())
        errors = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)  # the gateway's words do not belong on the person's screen
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._over.set)
        gateway = Gateway(self._settings)
        try:
            async with gateway.running():
                wire = await self._connect(gateway)
                return 0 if wire is None else await self._open(gateway, wire, errors)
        except (Gone, Refused, OSError) as exc:
            os.write(1, f"\r\n{gateway.how or exc}\r\n".encode())
            return 1

    async def _connect(self, gateway: Gateway) -> Wire | None:
        """Connect, unless the daemon ends it before."""
        async with asyncio.TaskGroup() as group:
            over = group.create_task(self._over.wait())
            connecting = group.create_task(_result(gateway.connect()))
            await asyncio.wait((over, connecting), return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            connecting.cancel()
        if connecting.cancelled():
            return None
        found = connecting.result()
        if isinstance(found, Exception):
            raise found
        return found

    async def _open(self, gateway: Gateway, wire: Wire, errors: int) -> int:
        env = {
            **os.environ,
            # in the environment, not in the argv: that is for everybody on the machine to read
            "OPENCLAW_GATEWAY_TOKEN": gateway.token,
            "OPENCLAW_GATEWAY_PORT": gateway.url.rpartition(":")[2],
        }
        argv = [*self._settings.argv, "tui", "--session", self._settings.key]
        terminal = subprocess.Popen(argv, env=env, cwd=self._settings.cwd, stderr=errors)  # noqa: ASYNC220 - in our group, on our PTY
        handle = os.pidfd_open(terminal.pid)
        asyncio.get_running_loop().add_reader(handle, self._over.set)
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(wire.run(self._hear))
                saving = group.create_task(self._save_turns(wire))
                reading.add_done_callback(lambda _: self._over.set())  # without its gateway it shows nothing true
                await self._over.wait()
                saving.cancel()
                terminal.terminate()
                with suppress(Gone, Refused, TimeoutError):
                    async with asyncio.timeout(SAVE_S):
                        await wire.request("chat.abort", sessionKey=self._settings.key)
                        await self._save(wire)
                await wire.close()
        finally:
            asyncio.get_running_loop().remove_reader(handle)
            os.close(handle)
            if terminal.poll() is None:
                terminal.terminate()
                with suppress(subprocess.TimeoutExpired):
                    terminal.wait(0.5)
                terminal.kill()
            code = terminal.wait()
        return max(code, 0)

    def _hear(self, event: str, payload: Mapping[str, Any]) -> None:
        told = event == "session.message" or (event == "chat" and payload.get("state") in DONE)
        if told and payload.get("sessionKey") == self._settings.key:
            self._turned.set()

    async def _save_turns(self, wire: Wire) -> None:
        with suppress(Gone):
            await wire.request("sessions.messages.subscribe", key=self._settings.key)
            while True:
                await self._turned.wait()
                self._turned.clear()
                with suppress(Refused):  # busy: the next turn, or the end, saves again
                    await self._save(wire)

    async def _save(self, wire: Wire) -> None:
        kept = await wire.request("chat.history", sessionKey=self._settings.key, limit=HISTORY)
        messages = kept.get("messages")
        told = lines(messages if isinstance(messages, list) else [], self._since)
        path = self._settings.transcript
        handle = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in told)
        os.rename(f"{path}.new", path)


async def _result(connecting: Any) -> Wire | Exception:
    try:
        return await connecting  # type: ignore[no-any-return]
    except (Gone, Refused) as exc:
        return exc
