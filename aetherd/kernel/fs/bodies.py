"""Whole files for up- and download: no operation, so rights are checked here."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from aetherd.core.clock import stamp
from aetherd.core.errors import Conflict, Forbidden
from aetherd.kernel.fs.beneath import checked, inside, must_be_regular, shown, translated
from aetherd.kernel.fs.disk import status_of
from aetherd.kernel.fs.ports import Agents, Place
from aetherd.kernel.fs.quota import Quota
from aetherd.kernel.fs.staged import Staged
from aetherd.operations.dispatch import acting
from aetherd.operations.operation import Call
from aetherd.operations.registry import Registry

T = TypeVar("T")
CHUNK = 256 * 1024
Changed = Callable[[Call, Place, str], Awaitable[None]]


class OpenFile:
    """A file that is being downloaded."""

    def __init__(self, descriptor: int, path: str, limiter: anyio.CapacityLimiter) -> None:
        status = os.fstat(descriptor)
        self.size, self.modified = status.st_size, status.st_mtime
        self.media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        self._descriptor, self._limiter = descriptor, limiter

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield bytes start <= i < end; fewer when the file became shorter meanwhile."""
        while start < end:
            size = min(CHUNK, end - start)
            data = await anyio.to_thread.run_sync(os.pread, self._descriptor, size, start, limiter=self._limiter)
            if not data:
                return
            yield data
            start += len(data)

    async def aclose(self) -> None:
        """Close."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Bodies:
    """Open and put files of agents the caller owns."""

    def __init__(
        self,
        registry: Registry,
        agents: Agents,
        quota: Quota,
        limiter: anyio.CapacityLimiter,
        changed: Changed,
    ) -> None:
        self._registry, self._agents, self._quota = registry, agents, quota
        self._limiter, self._changed = limiter, changed

    async def open_file(self, call: Call, agent: str, path: str) -> OpenFile:
        """Open a regular file for reading."""
        home, path = await self._home(call, agent, "fs:read", "fs.read"), checked(path)

        def work() -> OpenFile:
            with inside(home) as root:
                return OpenFile(root.regular(path), path, self._limiter)

        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    async def put_file(self, call: Call, agent: str, path: str, body: AsyncIterator[bytes]) -> dict[str, Any]:
        """Write a file as a whole; a body that breaks off leaves nothing."""
        home, path = await self._home(call, agent, "fs:write", "fs.write"), checked(path)
        staged: list[Staged] = []
        size = 0
        try:
            await self._run(lambda: staged.append(self._begin(home, path)))
            async for chunk in body:
                size += len(chunk)
                await self._run(lambda data=chunk, total=size: self._add(home, staged[0], data, total))  # type: ignore[misc]
            stat = await self._run(lambda: self._finish(home, path, staged[0], size))
        finally:
            for thing in staged:
                thing.close()
        await self._changed(call, home, stat["path"])
        return stat

    async def _home(self, call: Call, agent: str, scope: str, operation: str) -> Place:
        if not call.has(scope, operation):
            raise Forbidden(f"files need the scope {scope} and, where tools are listed, {operation}", scope=scope)
        with acting(call):
            owner = await self._registry.owner_of("agent", agent)
        if not call.owns(owner):
            raise Forbidden(f"agent {agent} belongs to somebody else", kind="agent", id=agent)
        return Place.home(await self._agents.home_of(agent, call))

    async def _run(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def _begin(self, home: Place, path: str) -> Staged:
        with inside(home) as root:
            self._quota.check(root, 0)
            path = root.followed(path)
            with root.parent(path, make=True) as (directory, name):
                if (there := status_of(directory, name)) is not None:
                    must_be_regular(there, path)
                return Staged(directory)

    def _add(self, home: Place, staged: Staged, data: bytes, size: int) -> None:
        with inside(home) as root:
            self._quota.check(root, size)
        try:
            staged.write(data)
        except OSError as exc:
            raise translated(exc) from exc

    def _finish(self, home: Place, path: str, staged: Staged, size: int) -> dict[str, Any]:
        with inside(home) as root:
            path = root.followed(path)
            with root.parent(path) as (directory, name):
                there = status_of(directory, name)
                with closing(staged):
                    staged.commit(name, replace=True, mode=root.file_mode if there is None else there.st_mode)
                status = status_of(directory, name)
            if status is None:
                raise Conflict(f"{shown(path)} was removed meanwhile")
            self._quota.add(root.key, size - (0 if there is None else there.st_size), 0 if there else 1)
        return {
            "path": shown(path),
            "size": status.st_size,
            "modified": stamp(datetime.fromtimestamp(status.st_mtime, UTC)),
            "created": there is None,
        }
