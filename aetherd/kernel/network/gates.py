"""The sockets of a process's way out: `x` is its proxy, `t<port>` a service of this machine that is opened to it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import ExitStack, suppress

import anyio
import anyio.abc

from aetherd.core.errors import AetherError
from aetherd.kernel.network.proxy import IDLE_S, Client
from aetherd.kernel.network.relay import relay
from aetherd.kernel.network.rules import HERE
from aetherd.kernel.network.way import Refused, Wanted, Way, Who
from aetherd.operations.doors import Doorway, listening

logger = logging.getLogger(__name__)

CONNECTIONS = 256  # of one process at a time; more wait in the kernel's queue

Serve = Callable[[socket.socket], Awaitable[None]]


class Gates:
    """Listens at every door there is."""

    def __init__(
        self,
        way: Way,
        who: Callable[[int], Awaitable[Who | None]],
        ports: Callable[[int], Awaitable[Sequence[int]]],
        group: anyio.abc.TaskGroup,
    ) -> None:
        self._way, self._who, self._ports, self._group = way, who, ports, group
        self._scopes: dict[int, tuple[anyio.CancelScope, Sequence[int]]] = {}
        self._not_begun: dict[int, Collection[socket.socket]] = {}  # whose task does not close them yet

    async def open(self, doorway: Doorway) -> None:
        """Serve a door's way out, until it is shut."""
        pid, folder = doorway.pid, doorway.path.parent
        who = await self._who(pid)
        ports = await self._ports(pid)
        if pid in self._scopes and self._scopes[pid][1] != ports:  # others are opened to its next incarnation
            await self.shut(pid)
        if who is None or pid in self._scopes or not folder.exists():  # or it has ended meanwhile
            return
        serves: dict[str, Serve] = {"x": lambda sock: Client(sock, who, self._way).serve()}
        for port in ports:
            serves[f"t{port}"] = lambda sock, port=port: self._service(sock, who, port)  # type: ignore[misc]
        with ExitStack() as stack:
            listeners = {name: stack.enter_context(listening(folder / name, doorway.uid)) for name in serves}
            stack.pop_all()
        scope = anyio.CancelScope()
        self._scopes[pid] = scope, ports
        self._not_begun[pid] = listeners.values()
        limiter = anyio.CapacityLimiter(CONNECTIONS)

        async def run() -> None:
            del self._not_begun[pid]
            with scope:
                async with anyio.create_task_group() as group:
                    for name, listener in listeners.items():
                        group.start_soon(self._accept, listener, serves[name], limiter)

        self._group.start_soon(run, name=f"network {pid}")

    async def shut(self, pid: int) -> None:
        """End it, with every connection through it."""
        if (found := self._scopes.pop(pid, None)) is not None:
            found[0].cancel()

    def close(self) -> None:
        """Close what a task that was cancelled before it began would have closed; when all tasks have ended."""
        for listeners in self._not_begun.values():
            for listener in listeners:
                listener.close()

    async def _accept(self, listener: socket.socket, serve: Serve, limiter: anyio.CapacityLimiter) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            async with anyio.create_task_group() as group:
                while True:
                    await limiter.acquire_on_behalf_of(token := object())
                    try:
                        sock, _ = await loop.sock_accept(listener)
                    except OSError as exc:  # no descriptor left: others need theirs back first
                        limiter.release_on_behalf_of(token)
                        logger.warning("the way out takes no connection: %s", exc)
                        await anyio.sleep(0.1)
                        continue
                    group.start_soon(self._one, sock, serve, limiter, token)

    async def _one(self, sock: socket.socket, serve: Serve, limiter: anyio.CapacityLimiter, token: object) -> None:
        try:
            with sock:
                await serve(sock)
        except Exception:
            logger.exception("a connection to the way out failed")
        finally:
            limiter.release_on_behalf_of(token)

    async def _service(self, sock: socket.socket, who: Who, port: int) -> None:
        with suppress(Refused, AetherError):
            async with self._way.connected(who, Wanted(str(HERE), port, "TCP")) as far:
                await relay(sock, far, IDLE_S)
