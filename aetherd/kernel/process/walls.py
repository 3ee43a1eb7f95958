"""The sandboxes of processes: chosen at their spawn, made at their start, entered by what stands beside them."""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from aetherd.core.errors import AetherError, Forbidden, Unavailable
from aetherd.kernel.process.bounds import limits_of
from aetherd.kernel.process.models import SandboxWish
from aetherd.kernel.process.ports import Sandboxes
from aetherd.kernel.process.tables import ProcessRow
from aetherd.operations.errands import Mount
from aetherd.operations.operation import Call
from aetherd.operations.sandboxes import DOOR, OWN, Devices, Inside, Plan

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

logger = logging.getLogger(__name__)

HOST = "host"

DevicesOf = Callable[[int], Awaitable[Devices | None]]  # pid -> the devices that it was given
OpenPorts = Callable[[int], Awaitable[Sequence[int]]]  # pid -> loopback ports of this machine it may reach


class Walls:
    """What the process room knows of tiers: `host` has no sandbox, the others are the sandbox room's."""

    def __init__(self, workshop: Workshop) -> None:
        self._w = workshop
        self.sandboxes: list[Sandboxes] = []
        self.open_ports: list[OpenPorts] = []
        self.devices: list[DevicesOf] = []

    async def choose(self, wish: SandboxWish, call: Call) -> str:
        """Return the tier for a wish; an agent's run never has weaker walls than the run that starts it."""
        own = HOST
        if call.pid is not None and call.agent is not None:
            own = (await self._w.read_row(call.pid)).tier
        if wish.tier is None and not wish.image and own != HOST:
            wish = wish.model_copy(update={"tier": own})
        if self.sandboxes:
            tier = await self.sandboxes[0].choose(wish.model_dump(mode="json"))
        elif wish.tier not in (None, HOST) or wish.image or wish.network not in (None, "all"):
            raise Unavailable("this house has no sandboxes; leave `sandbox` out", field="sandbox")
        else:
            tier = HOST
        if tier == HOST and own != HOST:
            raise Forbidden(f"a run in tier {own} starts none without walls; leave `sandbox.tier` out", field="tier")
        return tier

    def door(self, row: ProcessRow) -> Path:
        """Return the directory of a process's sockets as its programs see it."""
        assert row.pid is not None
        return self._w.host.door(row.pid) if row.tier == HOST else DOOR

    def python(self, row: ProcessRow) -> str | None:
        """Return the interpreter that a process has instead of ours."""
        return None if row.tier == HOST or not self.sandboxes else self.sandboxes[0].python(row.tier)

    async def hold(
        self, row: ProcessRow, *, cwd: Path, needs: Iterable[Path], mounts: Sequence[Mount]
    ) -> Inside | None:
        """Have the sandbox of a process that is about to be started; None for one that has none."""
        if row.tier == HOST:
            return None
        assert row.pid is not None
        place = self._w.settings.home / "agents" / row.agent
        ports = {port for look in self.open_ports for port in await look(row.pid)}
        devices = [found for look in self.devices if (found := await look(row.pid)) is not None]
        plan = Plan(
            pid=row.pid,
            agent=row.agent,
            uid=row.uid if self._w.host.own_uids else None,
            home=place / "home",
            config=place / "runtime",
            cwd=cwd,
            door=self._w.host.door(row.pid),
            mounts=mounts,
            needs=tuple(needs),
            ports=sorted(ports),
            limits=limits_of(row).model_dump(mode="json", exclude_none=True),
            wish=json.loads(row.sandbox),
            devices=[file for found in devices for file in found.files],
            gpus=[gpu for found in devices for gpu in found.gpus],
        )
        return await self._room(row).hold(row.tier, plan)

    async def hold_alone(
        self, name: str, uid: int | None, place: Path, *, cwd: Path, home: Path, mounts: Sequence[Mount]
    ) -> Inside | None:
        """Have a sandbox for a command that belongs to no process, without any network; None where runs have none.

        `place` is a directory of ours for it; it stays until `drop_alone`.
        """
        tier = HOST if not self.sandboxes else await self.sandboxes[0].choose_alone()
        if tier == HOST:
            return None
        await anyio.to_thread.run_sync(_make_own, place / OWN, uid)
        plan = Plan(_number(name), "", uid, home, home, cwd, place, mounts, alone=True)
        return replace(await self.sandboxes[0].hold(tier, plan), env={})

    async def drop_alone(self, name: str) -> None:
        """End the sandbox of such a command, if it had one."""
        for room in self.sandboxes:
            await room.drop("bwrap", _number(name))

    async def standing(self, row: ProcessRow) -> Inside | None:
        """Return the sandbox of a process that runs; None for one that has none. Raises `Unavailable`."""
        if row.tier == HOST:
            return None
        assert row.pid is not None
        found = await self._room(row).find(row.tier, row.pid)
        if found is None:
            raise Unavailable(f"the sandbox of process {row.pid} is gone; it gets one at its next start", pid=row.pid)
        return found

    async def drop(self, row: ProcessRow) -> None:
        """End the sandbox of a process that has ended; what resists is an orphan, and ended at the next start."""
        if row.tier != HOST and row.pid is not None:
            try:
                await self._room(row).drop(row.tier, row.pid)
            except AetherError as exc:
                logger.error("%s", exc.message)

    def _room(self, row: ProcessRow) -> Sandboxes:
        if not self.sandboxes:
            raise Unavailable(f"process {row.pid} stands in tier {row.tier}, and this house has no sandboxes")
        return self.sandboxes[0]


def _number(name: str) -> int:
    """Return what stands for a pid where there is no process."""
    return -1 - zlib.crc32(name.encode())


def _make_own(place: Path, uid: int | None) -> None:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if uid is not None:
        os.chown(place, uid, uid)
