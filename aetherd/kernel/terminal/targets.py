"""What a terminal's name means, whose it is and who may type into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aetherd.core.clock import stamp
from aetherd.core.errors import Conflict, NotFound
from aetherd.kernel.terminal.models import Terminal
from aetherd.kernel.terminal.ports import Processes
from aetherd.kernel.terminal.tables import TerminalRow
from aetherd.operations.beside import Place
from aetherd.operations.operation import Call, Owner
from aetherd.shim.client import Hello
from aetherd.store import Store

_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Target:
    """A terminal that was found: one with a row, or the own screen of a process."""

    key: str
    pid: int
    directory: Path
    owner: Owner
    row: TerminalRow | None = None
    place: Place | None = None

    @property
    def main(self) -> bool:
        """Whether it is a process's own screen."""
        return self.row is None


class Targets:
    """Finds terminals by `term_…` or by pid."""

    def __init__(self, store: Store, process: Processes) -> None:
        self._store, self._process = store, process

    async def find(self, key: str) -> Target:
        """Return a terminal; raises NotFound, and Conflict for a process without a screen of its own."""
        pid = pid_of(key)
        if pid is None:
            row = await self.row(key)
            owner = Owner(row.agent, row.user, row.org, row.parent)
            return Target(key, row.pid, self._process.terminal_dir(row.id), owner, row=row)
        place = await self._process.place_of(pid)
        if place.stdio != "pty" or place.directory is None:
            raise Conflict(
                f"process {pid} has no screen of its own now; take it over, or open a terminal beside it",
                pid=pid,
            )
        return Target(str(pid), pid, place.directory, owner_of(place), place=place)

    async def owner(self, key: str) -> Owner:
        """Return whose a terminal is."""
        pid = pid_of(key)
        if pid is not None:
            return owner_of(await self._process.place_of(pid))
        row = await self.row(key)
        return Owner(row.agent, row.user, row.org, row.parent)

    async def row(self, key: str) -> TerminalRow:
        """Return a terminal's row."""
        row = await self._store.read(lambda session: session.get(TerminalRow, key))
        if row is None:
            raise NotFound(f"no terminal {key}; terminal.list shows those there are", kind="terminal", id=key)
        return row

    async def why_not(self, target: Target, call: Call) -> str | None:
        """Return why the caller may not type there, or None when it may."""
        if not call.has("terminal:write", "terminal.send"):
            return "your credential may look at terminals and not type (scope terminal:write)"
        if target.row is None:
            return await self._process.may_type(target.pid, call)
        if call.agent is None:
            return None
        if call.agent != target.row.agent or call.pid not in (None, target.row.pid):
            return "an agent types only into terminals of its own process"
        if (await self._process.place_of(target.row.pid)).controlled:
            return f"a person has control of process {target.row.pid}"
        return None


def pid_of(key: str) -> int | None:
    """Return the pid a name is, or None for the id of a terminal."""
    return int(key) if key.isascii() and key.isdigit() and len(key) <= _DIGITS else None


def owner_of(place: Place) -> Owner:
    """Return whose a process is."""
    return Owner(place.agent, place.user, place.org, place.parent)


def wire(row: TerminalRow, size: tuple[int, int] | None = None) -> Terminal:
    """Return a row as the wire form."""
    rows, cols = size or (row.rows, row.cols)
    return Terminal(
        terminal=row.id,
        pid=row.pid,
        agent=row.agent,
        title=row.title,
        main=False,
        rows=rows,
        cols=cols,
        alive=row.ended_at is None,
        exit_code=row.exit_code,
        created_at=row.created_at,
    )


def wire_main(target: Target, hello: Hello | None, begun: float) -> Terminal:
    """Return a process's own screen as the wire form."""
    assert target.place is not None
    ended = None if hello is None else hello.exit
    return Terminal(
        terminal=target.key,
        pid=target.pid,
        agent=target.place.agent,
        title=target.place.title,
        main=True,
        rows=24 if hello is None else hello.rows,
        cols=80 if hello is None else hello.cols,
        alive=hello is not None and ended is None,
        exit_code=None if ended is None else exit_code(ended.code, ended.signal),
        created_at=stamp(datetime.fromtimestamp(begun, UTC)),
    )


def exit_code(code: int | None, signal: int | None) -> int | None:
    """Return an exit as a shell would tell it."""
    if code is not None or signal is None:
        return code
    return 128 + signal
