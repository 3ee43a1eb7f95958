"""The living terminals: one task each waits for the end, tells it, and leaves nothing running behind it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.kernel.terminal.events import TerminalClosed
from aetherd.kernel.terminal.ports import Processes
from aetherd.kernel.terminal.tables import TerminalRow
from aetherd.kernel.terminal.targets import exit_code
from aetherd.operations.beside import heard_out
from aetherd.shim.client import Exit, Remains, Shim, ShimError
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)
KEPT = 50  # ended terminals whose output is kept


class Alive:
    """One living terminal."""

    def __init__(self, row: TerminalRow, directory: Path) -> None:
        self.row, self.directory = row, directory
        self.size = (row.rows, row.cols)
        self.found = anyio.Event()  # its shim was found, or found dead
        self.ended = anyio.Event()


class Living:
    """All living terminals by id."""

    def __init__(self, store: Store, clock: Clock, process: Processes) -> None:
        self._store, self._clock, self._process = store, clock, process
        self.all: dict[str, Alive] = {}

    async def adopt(self, group: TaskGroup) -> None:
        """Find the living ones again after a start; those that ended meanwhile are told."""
        rows = await self._store.read(
            lambda session: list(session.exec(select(TerminalRow).where(col(TerminalRow.ended_at).is_(None))))
        )
        for row in rows:
            await self.watch(group, row)

    async def watch(self, group: TaskGroup, row: TerminalRow) -> None:
        """Look after a terminal from now on; returns when its shim was found, or found dead."""
        alive = self.all[row.id] = Alive(row, self._process.terminal_dir(row.id))
        group.start_soon(self._watch, alive)
        await alive.found.wait()

    async def _watch(self, alive: Alive) -> None:
        origin.set(Origin(user=alive.row.user, org=alive.row.org))
        try:
            ended = await self._wait(alive)
            await self._end(alive, ended)
        except Exception:
            logger.exception("terminal %s is not looked after any more", alive.row.id)
        finally:
            self.all.pop(alive.row.id, None)
            alive.ended.set()
            alive.found.set()

    async def _wait(self, alive: Alive) -> Exit | None:
        """Wait for the end; None when its shim died without a record."""

        async def hear(shim: Shim | Remains) -> Exit:
            alive.size = (shim.hello.rows, shim.hello.cols)
            if shim.hello.exit is None:
                alive.found.set()
            while not isinstance(item := await shim.read(), Exit):
                pass
            return item

        def silent(exc: ShimError) -> None:
            logger.warning("terminal %s does not answer: %s", alive.row.id, exc)
            alive.found.set()

        return await heard_out(alive.directory, self._clock, hear, silent)

    async def _end(self, alive: Alive, ended: Exit | None) -> None:
        row = alive.row
        code = None if ended is None else exit_code(ended.code, ended.signal)
        try:
            await self._process.end_beside(row.id)  # whatever was started in it ends with it
        except Exception:
            logger.exception("something of terminal %s may be left running", row.id)
        now = stamp(self._clock.now())

        def work(tx: Tx) -> None:
            tx.execute(
                "UPDATE terminal SET ended_at = ?, exit_code = ?, rows = ?, cols = ? WHERE id = ?",
                (now, code, *alive.size, row.id),
            )
            tx.emit(TerminalClosed(pid=row.pid, agent=row.agent, terminal=row.id, exit_code=code))

        await self._store.write(work)
        await self._forget_old()

    async def _forget_old(self) -> None:
        """Remove the output of terminals that ended long ago."""

        def query(session: Session) -> list[str]:
            ended = select(TerminalRow.id).where(col(TerminalRow.ended_at).is_not(None))
            return list(session.exec(ended.order_by(col(TerminalRow.ended_at).desc()).offset(KEPT).limit(KEPT)))

        for key in await self._store.read(query):
            directory = self._process.terminal_dir(key)
            await anyio.to_thread.run_sync(shutil.rmtree, directory, True)
