"""GPUs: each is given to one process, in the transaction that accepts it, and is free again when that ends."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Conflict, Invalid, NotFound, Unavailable
from aetherd.kernel.gpu.events import GpuAllocated, GpuReleased
from aetherd.kernel.gpu.models import (
    Allocation,
    AllocationList,
    Allocations,
    Gpu,
    GpuReading,
    GpuReadings,
    Gpus,
    Nothing,
)
from aetherd.kernel.gpu.ports import Agent, Place, Processes, Wish
from aetherd.kernel.gpu.probe import Device, NoGpu, Probe
from aetherd.kernel.gpu.tables import GpuRow
from aetherd.operations.operation import Call, Effect, Owner, Rule, operation
from aetherd.operations.sandboxes import Devices
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

LOOK_S = 60.0  # how often it is looked which GPUs there are


class GpuService:
    """Shows GPUs, measures them and gives them out."""

    def __init__(self, store: Store, clock: Clock, process: Processes) -> None:
        self._store, self._clock, self._process = store, clock, process
        self.probe = Probe()
        self._devices: list[Device] = []
        self._driver: str | None = None
        self._reason: str | None = "not looked yet"

    def offers(self) -> Mapping[str, Any]:
        """Give GPUs to a process that is accepted, show them to it, take them back when it ends."""
        return {
            "process.spawn_rules": self.give_in,
            "process.devices": self.devices_of,
            "process.launch_env": self.environment,
            "process.end_hooks": self.release_in,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look which GPUs there are; take back what processes had that ended while nobody looked."""
        await self.look()
        living = {run.pid for run in await self._process.bounds.living()}
        await self._store.write(lambda tx: self._reconcile(tx, living))
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            yield
            group.cancel_scope.cancel()

    def health(self) -> dict[str, Any]:
        """Say how many GPUs there are; none is no failure."""
        return {"ok": True, "detail": self._reason or "", "gpus": len(self._devices)}

    @operation("gpu.list", effect=Effect.READ, access=Rule.OWN)
    async def list_gpus(self, input: Nothing, call: Call) -> Gpus:
        """List the GPUs of this machine, and which are free; without one, say why."""
        await self.look()
        rows = {row.device: row for row in await self._store.read(_held)}

        def whose(device: Device) -> int | None:
            row = rows.get(device.uuid)
            return row.pid if row is not None and call.owns(Owner(row.agent, row.user, row.org)) else None

        found = [
            Gpu(
                index=device.index,
                id=device.uuid,
                name=device.name,
                memory_bytes=device.memory,
                free=device.uuid not in rows,
                pid=whose(device),
            )
            for device in self._devices
        ]
        return Gpus(gpus=found, reason=self._reason, driver=self._driver)

    @operation("gpu.stats", effect=Effect.READ, access=Rule.OWN)
    async def stats(self, input: Nothing, call: Call) -> GpuReadings:
        """Measure what every GPU does now: utilisation, memory, temperature, power."""
        try:
            found = await anyio.to_thread.run_sync(self.probe.readings)
        except NoGpu as exc:
            return GpuReadings(gpus=[], reason=str(exc))
        return GpuReadings(
            gpus=[
                GpuReading(
                    index=one.device.index,
                    id=one.device.uuid,
                    utilisation_percent=one.utilisation,
                    memory_used_bytes=one.memory_used,
                    memory_total_bytes=one.device.memory,
                    temperature_c=one.temperature,
                    power_w=one.power,
                    programs=one.programs,
                )
                for one in found
            ],
            reason=None,
        )

    @operation("gpu.allocations", effect=Effect.READ, access=Rule.OWN)
    async def allocations(self, input: AllocationList, call: Call) -> Allocations:
        """List which of your processes have GPUs."""
        after = input.cursor or ""
        rows = [row for row in await self._store.read(_held) if row.device > after]
        mine = [row for row in rows if call.owns(Owner(row.agent, row.user, row.org))]
        shown = mine[: input.limit]
        return Allocations(
            allocations=[Allocation(gpu=row.device, pid=row.pid, agent=row.agent, at=row.at) for row in shown],
            cursor=shown[-1].device if len(mine) > input.limit else None,
        )

    # For the process room ----------------------------------------------------------------------------

    def give_in(self, tx: Tx, pid: int, agent: Agent, wish: Wish, env: Mapping[str, str], call: Call) -> None:
        """Give a process the GPUs it wishes, inside the transaction that accepts it, or refuse it."""
        wanted = self._wanted(tx.session, wish)
        for device in wanted:
            tx.session.add(
                GpuRow(
                    device=device.uuid,
                    pid=pid,
                    agent=agent.id,
                    user=call.user,
                    org=call.org,
                    at=stamp(self._clock.now()),
                )
            )
        if wanted:
            tx.session.flush()
            tx.emit(GpuAllocated(pid=pid, agent=agent.id, devices=[device.uuid for device in wanted]))

    def release_in(self, tx: Tx, pid: int, reason: str) -> None:
        """Take back what a process has, in the transaction in which it ends."""
        self._release(tx, list(tx.session.exec(select(GpuRow).where(GpuRow.pid == pid))))

    async def devices_of(self, pid: int) -> Devices | None:
        """Return what a process that is started now needs for the GPUs it has; None when it has none."""
        ids = await self._of(pid)
        if not ids:
            return None
        if not {device.uuid for device in self._devices} >= set(ids):
            await self.look()
        found = [device for device in self._devices if device.uuid in ids]
        if len(found) < len(ids):
            raise Unavailable(f"GPUs of process {pid} are gone from this machine: {self._reason or 'see gpu.list'}")
        return Devices(await anyio.to_thread.run_sync(self.probe.files, found), ids)

    async def environment(self, place: Place) -> Mapping[str, str]:
        """Return the environment by which the programs of a process know which GPUs are theirs.

        Without one of its own it is shown none. In tier `host` that is a request: the device files are everybody's.
        """
        if not self._devices:
            return {}
        ids = ",".join(await self._of(place.pid))
        return {"CUDA_VISIBLE_DEVICES": ids, "NVIDIA_VISIBLE_DEVICES": ids or "void"}

    async def look(self) -> None:
        """Find out which GPUs there are."""
        try:
            self._devices, self._driver = await anyio.to_thread.run_sync(self.probe.devices)
            self._reason = None
        except NoGpu as exc:
            self._devices, self._driver, self._reason = [], None, str(exc)

    # ------------------------------------------------------------------------------------------------

    async def _of(self, pid: int) -> list[str]:
        return await self._store.read(lambda session: [row.device for row in _held(session) if row.pid == pid])

    def _wanted(self, session: Session, wish: Wish) -> list[Device]:
        """Return the GPUs a wish gets; raises when they are not there, or not free."""
        named = wish.sandbox.gpu_devices
        count = len(named) or int(wish.sandbox.gpu)
        if count == 0:
            return []
        if named and not isinstance(wish.sandbox.gpu, bool) and wish.sandbox.gpu != len(named):
            raise Invalid(f"sandbox.gpu says {wish.sandbox.gpu}, and sandbox.gpu_devices names {len(named)}")
        if not self._devices:
            raise Unavailable(f"there is no GPU to give: {self._reason}", field="sandbox.gpu")
        held = {row.device: row for row in _held(session)}
        if named:
            wanted = [self._named(ref) for ref in named]
            if len({device.uuid for device in wanted}) < len(wanted):
                raise Invalid("sandbox.gpu_devices names a GPU twice", field="sandbox.gpu_devices")
            for device in wanted:
                if device.uuid in held:
                    raise Conflict(
                        f"GPU {device.index} ({device.name}) is taken by another process; gpu.list shows those free",
                        gpu=device.uuid,
                    )
            return wanted
        free = [device for device in self._devices if device.uuid not in held]
        if len(free) < count:
            told = f"{count} wanted, {len(free)} of {len(self._devices)} free; gpu.allocations shows who has them"
            raise Conflict(f"not enough GPUs: {told}", free=len(free), total=len(self._devices))
        return free[:count]

    def _named(self, ref: str) -> Device:
        for device in self._devices:
            if ref in (device.uuid, str(device.index)):
                return device
        raise NotFound(f"no GPU {ref!r}; gpu.list shows those there are", kind="gpu", id=ref)

    def _reconcile(self, tx: Tx, living: set[int]) -> None:
        gone = [row for row in _held(tx.session) if row.pid not in living]
        if gone:
            logger.info("taking back %d GPUs of processes that have ended", len(gone))
        self._release(tx, gone)

    def _release(self, tx: Tx, rows: Sequence[GpuRow]) -> None:
        by_pid: dict[tuple[int, str], list[str]] = {}
        for row in rows:
            by_pid.setdefault((row.pid, row.agent), []).append(row.device)
            tx.session.delete(row)
        for (pid, agent), devices in by_pid.items():
            tx.emit(GpuReleased(pid=pid, agent=agent, devices=devices))

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()


def _held(session: Session) -> list[GpuRow]:
    return list(session.exec(select(GpuRow).order_by(col(GpuRow.device))))
