"""The limits of processes: which are in force, what is used, who was killed for memory.

Everything of a process shares one pool (`aetherd/shim/limits.py`): its agent, terminals, desktop and commands. In tier
`host` a process joins one only when a limit of it was asked for, because joining a v1 group takes milliseconds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from pydantic import ValidationError
from sqlmodel import Session, col, select

from aetherd.core.errors import AetherError, Conflict, Invalid, NotFound, Unavailable
from aetherd.kernel.process.events import ProcessLimitsChanged
from aetherd.kernel.process.host import Pool
from aetherd.kernel.process.models import Limits
from aetherd.kernel.process.states import ENDED, State
from aetherd.kernel.process.tables import ProcessRow
from aetherd.operations.bounds import Bounded, Usage
from aetherd.operations.spending import NANO
from aetherd.shim.limits import Caps
from aetherd.store import Tx

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

logger = logging.getLogger(__name__)

MEMORY_MB, PIDS = 4096, 1024  # of a sandbox that nobody bounds; less memory on a small machine
MEMORY_SHARE = 0.75
LOOK_S = 1.0
LIVE = ("cpu", "memory_mb", "pids", "disk_mb")  # what can change while it runs

CONTROLLER = {"cpu": "cpu", "memory_mb": "memory", "pids": "pids"}

OomHook = Callable[[Tx, int, str, int], None]  # (tx, pid, agent, how many were killed since the last time)


def limits_of(row: ProcessRow) -> Limits:
    """Return the limits in force: those written, and a sandbox is never without a bound on memory and processes."""
    limits = Limits.model_validate_json(row.limits)
    if row.tier == "host":
        return limits
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    floor = {"memory_mb": min(MEMORY_MB, int(total * MEMORY_SHARE)), "pids": PIDS}
    return limits.model_copy(update={name: floor[name] for name in floor if getattr(limits, name) is None})


def pool_of(row: ProcessRow) -> Pool:
    """Return what everything of a process may use together."""
    return Pool(f"p{row.pid}", caps_of(limits_of(row)), fenced=row.tier != "host")


def caps_of(limits: Limits) -> Caps:
    """Return the part of limits that a pool enforces."""
    memory = None if limits.memory_mb is None else limits.memory_mb << 20
    return Caps(memory=memory, pids=limits.pids, cpu=limits.cpu)


def rlimits(limits: Limits, pooled: Collection[str], *, own_uid: bool) -> dict[str, tuple[int, int]]:
    """Return the part of limits that each program carries, with what no pool does; `pooled` are its controllers."""
    wanted = {
        "nofile": limits.open_files,
        "fsize": None if limits.file_mb is None else limits.file_mb << 20,
        "as": None if limits.memory_mb is None or "memory" in pooled else limits.memory_mb << 20,
        # Counted by uid: without one of its own it would count everybody's.
        "nproc": None if "pids" in pooled or not own_uid else limits.pids,
    }
    return {name: (value, value) for name, value in wanted.items() if value is not None}


class Bounds:
    """Measures, watches and changes what processes may use."""

    def __init__(self, workshop: Workshop, poke: Callable[[int], None]) -> None:
        self._w, self._poke = workshop, poke
        self.oom_hooks: list[OomHook] = []
        workshop.look = self.look
        self._seen: dict[int, int] = {}  # pid -> kills that were written

    @property
    def enforced(self) -> tuple[str, str]:
        """Return what enforces limits, and what that leaves out, in words."""
        limiter = self._w.host.limiter
        missing = [name for name in ("memory", "pids", "cpu") if name not in limiter.controllers]
        if not missing:
            return limiter.mechanism, ""
        instead = {
            "memory": "memory is the address space of each program",
            "pids": "processes are counted by uid" if self._w.host.own_uids else "processes are not bounded",
            "cpu": "cores are not bounded",
        }
        told = "; ".join(instead[name] for name in missing)
        return limiter.mechanism, f"{limiter.reason or 'a controller is missing'}: {told}"

    async def set_limits(self, pid: int, changes: Mapping[str, Any], by: str) -> dict[str, Any]:
        """Change limits of a process while it runs; None lifts one. Returns those now in force."""
        if unknown := set(changes) - set(LIVE):
            raise Invalid(f"{sorted(unknown)[0]} holds from a start on; what can change now: {', '.join(LIVE)}")
        row = await self._living(pid)
        before, row.limits = row.limits, _changed(row, changes)
        await self._apply(row, changes)

        def work(tx: Tx) -> ProcessRow:
            fresh = self._w.record.row(tx, pid)
            fresh.limits = _changed(fresh, changes)
            tx.session.add(fresh)
            told = limits_of(fresh).model_dump(exclude_none=True)
            tx.emit(ProcessLimitsChanged(pid=pid, agent=fresh.agent, limits=told, by=by))
            return fresh

        try:
            row = await self._w.store.write(work)
        except BaseException:
            with anyio.CancelScope(shield=True):
                row.limits = before
                await self._apply(row, changes)
            raise
        return limits_of(row).model_dump(exclude_none=True)

    async def usage(self, pid: int) -> Usage:
        """Measure everything of a process."""
        found = await self.measured(pid)
        return found if found is not None else await anyio.to_thread.run_sync(self._added_up, pid)

    async def measured(self, pid: int) -> Usage | None:
        """Return what the kernel measures of a process's pool; None where it has none."""
        found = await anyio.to_thread.run_sync(self._w.host.limiter.usage, f"p{pid}")
        if found is None:
            return None
        return Usage(found.memory, found.memory_peak, found.pids, found.cpu_s, found.oom_kills, "cgroup")

    async def living(self) -> Sequence[Bounded]:
        """Return the processes that have not ended."""

        def query(session: Session) -> list[ProcessRow]:
            ended = [str(state) for state in ENDED]
            return list(session.exec(select(ProcessRow).where(col(ProcessRow.state).not_in(ended))))

        return [
            Bounded(
                pid=row.pid or 0,
                agent=row.agent,
                name=row.name,
                user=row.user,
                org=row.org,
                tier=row.tier,
                state=row.state,
                started_at=row.started_at,
                limits=limits_of(row).model_dump(exclude_none=True),
                metered=row.metered,
                budget_usd=None if row.budget_nano is None else row.budget_nano / NANO,
                claimed_usd=row.claimed_usd,
                claimed_tokens=row.claimed_tokens,
                tool_calls=row.tool_calls,
            )
            for row in await self._w.store.read(query)
        ]

    async def hold(self, pid: int, reason: str) -> bool:
        """Pause a process because of a limit; False when it cannot be, or is paused already."""
        row = await self._w.read_row(pid)
        if State(row.state) in ENDED or row.state == State.PAUSED:
            return False
        try:
            await self.freeze(pid, reason)
        except Conflict:  # it is just being started, ended or handed over
            return False
        self._poke(pid)
        return True

    async def freeze(self, pid: int, reason: str, source: str = "process") -> None:
        """Write that a process stands still, then let its tree do so."""

        def work(tx: Tx) -> None:
            found = self._w.record.row(tx, pid)
            if found.step not in (None, "tui"):  # what comes next would be started into the ice
                raise Conflict(f"process {pid} is being handed over; try again in a moment", pid=pid)
            said: Any = source
            self._w.record.state(tx, found, State.PAUSED, source=said, reason=reason)

        identity = self._w.host.identity(f"p{pid}", None)
        with anyio.CancelScope(shield=True):  # a caller who leaves does not leave it half done
            async with self._w.still:
                await self._w.store.write(work)
                await anyio.to_thread.run_sync(self._w.host.trees.freeze, identity.tree, identity.marker)

    async def watch(self) -> None:
        """Tell of programs that were killed because the memory of their process was full; for ever."""
        while True:
            try:
                await self.look()
            except AetherError as exc:  # the disk is full, say: the count waits in the kernel
                logger.warning("kills for memory are not told: %s", exc.message)
            await anyio.sleep(LOOK_S)

    async def look(self, only: int | None = None) -> None:
        """Tell of what was killed since the last look, of all processes or of one."""
        for pid, kills in (await anyio.to_thread.run_sync(self._kills, only)).items():
            if kills > self._seen.get(pid, 0):
                await self._w.store.write(lambda tx, pid=pid, kills=kills: self._tell(tx, pid, kills))  # type: ignore[misc]
                self._seen[pid] = kills

    def _kills(self, only: int | None) -> dict[int, int]:
        limiter = self._w.host.limiter
        names = limiter.names() if only is None else {f"p{only}"}
        return {int(name[1:]): limiter.oom_kills(name) for name in names if name[1:].isdecimal()}

    def _tell(self, tx: Tx, pid: int, kills: int) -> None:
        row = tx.session.get(ProcessRow, pid)
        if row is not None and kills > row.oom_kills:
            for hook in self.oom_hooks:
                hook(tx, pid, row.agent, kills - row.oom_kills)
            row.oom_kills = kills
            tx.session.add(row)

    async def _living(self, pid: int) -> ProcessRow:
        row = await self._w.store.read(lambda session: session.get(ProcessRow, pid))
        if row is None:
            raise NotFound(f"no process {pid}; process.list shows those there are", kind="process", id=pid)
        if State(row.state) in ENDED:
            raise Conflict(f"process {pid} has ended ({row.state})", state=row.state, pid=pid)
        return row

    async def _apply(self, row: ProcessRow, changes: Mapping[str, Any]) -> None:
        """Have the pool of a running process follow its limits, of which these changed."""
        identity, pool, host = self._w.host.identity(f"p{row.pid}", None), pool_of(row), self._w.host
        if set(changes) == {"disk_mb"}:
            return  # that one is no group's

        def change() -> None:
            members = host.trees.members(identity.tree, identity.marker)
            host.limiter.change(pool.name, pool.caps, members)

        lacking = {name for name, of in CONTROLLER.items() if name in changes and of not in host.limiter.controllers}
        if lacking:
            raise Unavailable(
                f"{min(lacking)} of what runs cannot be changed on this machine: {self.enforced[1]}", pid=row.pid
            )
        try:
            await anyio.to_thread.run_sync(change)
        except OSError as exc:
            full = "; it uses more than that and cannot let go of it" if exc.errno == 16 else ""
            raise Unavailable(f"the limits of process {row.pid} could not be changed: {exc}{full}") from exc

    def _added_up(self, pid: int) -> Usage:
        identity = self._w.host.identity(f"p{pid}", None)
        members = self._w.host.trees.members(identity.tree, identity.marker)
        memory = ticks = count = 0
        for member in members:
            try:
                with open(f"/proc/{member}/statm") as file:
                    pages = int(file.read().split()[1])
                with open(f"/proc/{member}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            memory += pages * os.sysconf("SC_PAGE_SIZE")
            ticks += int(fields[11]) + int(fields[12])
            count += int(fields[17])  # its threads, as a cgroup counts them
        return Usage(memory, None, count, ticks / os.sysconf("SC_CLK_TCK"), 0, "processes")


def _changed(row: ProcessRow, changes: Mapping[str, Any]) -> str:
    limits = Limits.model_validate_json(row.limits).model_dump(exclude_none=True) | dict(changes)
    try:
        return Limits.model_validate(limits).model_dump_json()
    except ValidationError as exc:
        first = exc.errors()[0]
        raise Invalid(f"limits.{first['loc'][0]}: {first['msg']}", field=str(first["loc"][0])) from exc
