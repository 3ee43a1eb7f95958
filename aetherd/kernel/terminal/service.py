"""Terminals beside agents: opened, watched, typed into, read as text; they outlive the daemon."""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from sqlmodel import Session, col, or_, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import (
    Conflict,
    Exhausted,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from aetherd.core.ids import new_id
from aetherd.kernel.terminal.events import TerminalOpened
from aetherd.kernel.terminal.keyboard import Keyboard
from aetherd.kernel.terminal.keys import bytes_of
from aetherd.kernel.terminal.living import Living
from aetherd.kernel.terminal.models import (
    AttachTicket,
    Screen,
    Terminal,
    TerminalList,
    TerminalOpen,
    TerminalRef,
    TerminalResize,
    Terminals,
    TerminalSend,
    TerminalSent,
)
from aetherd.kernel.terminal.ports import Processes
from aetherd.kernel.terminal.replay import Replay
from aetherd.kernel.terminal.screen import render
from aetherd.kernel.terminal.tables import TerminalRow
from aetherd.kernel.terminal.targets import Target, Targets, owner_of, wire, wire_main
from aetherd.kernel.terminal.viewer import Viewer
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.operations.registry import Registry
from aetherd.operations.tickets import LIFE_S, Tickets
from aetherd.shim.client import Hello, Remains, Shim, ShimError, ShimGone, open_shim
from aetherd.store import Store

ONE = Subject("terminal", "terminal")
PER_PROCESS = 16
IN_ALL = 256
THREADS = 4
CLOSE_S = 10.0
SHELLS = ("/bin/bash", "/bin/sh")


class TerminalService:
    """Opens terminals and connects people and agents to them."""

    def __init__(self, store: Store, clock: Clock, registry: Registry, process: Processes) -> None:
        self._store, self._clock, self._registry, self._process = store, clock, registry, process
        self._targets = Targets(store, process)
        self._living = Living(store, clock, process)
        self._tickets = Tickets(clock, "terminal")
        self._replay = Replay()
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._keyboards: dict[Path, Keyboard] = {}
        self._viewers = 0
        self._group: TaskGroup | None = None

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a terminal, open byte channels, keep agents with open terminals from being removed."""
        return {
            "owners.terminal": self._targets.owner,
            "attach.terminal": self.channel,
            "agent.removal_gates": self._unused,
        }

    def metrics(self) -> dict[str, float]:
        """Tell how many terminals live and how many are watched."""
        return {
            "aetherd_terminals_alive": float(len(self._living.all)),
            "aetherd_terminal_viewers": float(self._viewers),
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Find the living terminals again and look after them."""
        async with anyio.create_task_group() as group:
            self._group = group
            await self._living.adopt(group)
            try:
                yield
            finally:
                self._group = None
                group.cancel_scope.cancel()

    @operation("terminal.open", access=Subject("process", "pid"), positional=("pid",))
    async def open(self, input: TerminalOpen, call: Call) -> Terminal:
        """Open a terminal beside a process: a login shell, or `argv`, in the agent's home, under its uid."""
        pid = input.pid if input.pid is not None else call.pid
        if pid is None:
            raise Invalid("name the process whose place it opens in: `pid`")
        place = await self._process.place_of(pid)
        if not call.owns(owner_of(place)):
            raise Forbidden(f"process {pid} belongs to somebody else", kind="process", id=pid)
        if call.agent is not None and (call.agent != place.agent or call.pid not in (None, pid)):
            raise Forbidden("an agent opens terminals only beside its own process", pid=pid)
        if not place.alive:
            raise Conflict(f"process {pid} has ended", pid=pid)
        if self._group is None:
            raise Unavailable("aetherd is starting or shutting down")
        beside = sum(1 for alive in self._living.all.values() if alive.row.pid == pid)
        if beside >= PER_PROCESS or len(self._living.all) >= IN_ALL:
            raise Exhausted(f"there are {beside} terminals beside process {pid}; close one first", pid=pid)
        argv = _command(input.argv)
        row = TerminalRow(
            id=new_id("term"),
            pid=pid,
            agent=place.agent,
            parent=place.parent,
            user=place.user,
            org=place.org,
            title=shlex.join(argv)[:200],
            rows=input.rows,
            cols=input.cols,
            created_at=stamp(self._clock.now()),
        )
        # The row comes first: a daemon that dies in between finds by it what was started.
        key, directory = row.id, self._process.terminal_dir(row.id)
        await self._store.write(lambda tx: tx.session.add(row))
        try:
            await self._process.start_beside(
                pid,
                directory,
                argv,
                cwd=_directory(place.home, input.cwd),
                rows=row.rows,
                cols=row.cols,
                name=key,
            )
        except BaseException:
            with anyio.CancelScope(shield=True):
                with suppress(OSError):
                    await self._process.end_beside(key)
                await self._store.write(lambda tx: tx.execute("DELETE FROM terminal WHERE id = ?", (key,)))
            raise
        opened = TerminalOpened(pid=pid, agent=row.agent, terminal=key, title=row.title)
        with anyio.CancelScope(shield=True):
            await self._store.write(lambda tx: tx.emit(opened))
            await self._living.watch(self._group, row)
        return wire(row)

    @operation("terminal.list", effect=Effect.READ, access=Rule.OWN)
    async def list_terminals(self, input: TerminalList, call: Call) -> Terminals:
        """List terminals, newest first; with a pid, that process's own screen before them."""

        def query(session: Session) -> list[TerminalRow]:
            rows = select(TerminalRow).where(TerminalRow.user == call.user, TerminalRow.org == call.org)
            if call.agent is not None:
                rows = rows.where(or_(TerminalRow.agent == call.agent, TerminalRow.parent == call.agent))
            if input.pid is not None:
                rows = rows.where(TerminalRow.pid == input.pid)
            if not input.ended:
                rows = rows.where(col(TerminalRow.ended_at).is_(None))
            if input.cursor is not None:
                rows = rows.where(TerminalRow.id < input.cursor)
            return list(session.exec(rows.order_by(col(TerminalRow.id).desc()).limit(input.limit + 1)))

        rows = await self._store.read(query)
        more = len(rows) > input.limit
        rows = rows[: input.limit]
        found = [wire(row, self._size(row)) for row in rows]
        if input.pid is not None and input.cursor is None:
            with suppress(NotFound, Conflict):
                target = await self._targets.find(str(input.pid))
                if call.owns(target.owner):
                    found.insert(0, await self._main(target))
        return Terminals(terminals=found, cursor=rows[-1].id if more else None)

    @operation("terminal.attach", access=ONE, positional=("terminal",))
    async def attach(self, input: TerminalRef, call: Call) -> AttachTicket:
        """Get a one-time ticket, good for a minute, that opens the terminal's WebSocket."""
        target = await self._targets.find(input.terminal)
        reason = await self._targets.why_not(target, call)
        ticket = self._tickets.issue(target.key, call)
        return AttachTicket(
            ticket=ticket,
            url=f"/v1/attach/terminal/{target.key}?ticket={ticket}",
            expires_at=stamp(self._clock.now() + timedelta(seconds=LIFE_S)),
            writable=reason is None,
            reason=reason,
        )

    @operation("terminal.read", effect=Effect.READ, access=ONE, positional=("terminal",))
    async def read(self, input: TerminalRef, call: Call) -> Screen:
        """Read the screen of a terminal as text, as a person would see it now."""
        target = await self._targets.find(input.terminal)
        hello = await self._hello(target)
        rows, cols = (24, 80) if hello is None else (hello.rows, hello.cols)
        if (alive := self._living.all.get(target.key)) is not None:
            rows, cols = alive.size  # its shim may not have got to the last resize yet
        try:
            shown = await anyio.to_thread.run_sync(
                render, target.directory, self._replay, rows, cols, limiter=self._limiter
            )
        except FileNotFoundError:
            raise Conflict(f"the output of terminal {target.key} is not kept any more") from None
        return Screen(
            terminal=target.key,
            lines=shown.lines,
            cursor_row=shown.cursor[0],
            cursor_col=shown.cursor[1],
            rows=rows,
            cols=cols,
            title=shown.title,
            alive=hello is not None and hello.exit is None,
        )

    @operation("terminal.send", access=ONE, positional=("terminal", "text"))
    async def send(self, input: TerminalSend, call: Call) -> TerminalSent:
        """Type text and then named keys into a terminal; refused while somebody else has the keyboard."""
        target = await self._targets.find(input.terminal)
        await self._must_type(target, call)
        try:
            data = input.text.encode()
        except UnicodeEncodeError:
            raise Invalid("text holds characters that are not Unicode") from None
        if input.keys:
            application = False
            with suppress(FileNotFoundError):
                application = await anyio.to_thread.run_sync(self._cursor_mode, target, limiter=self._limiter)
            data += b"".join(bytes_of(key, application=application) for key in input.keys)
        async with self._keyboard(target.directory) as keyboard:
            await keyboard.type(data)
        return TerminalSent(terminal=target.key, bytes=len(data))

    @operation("terminal.resize", access=ONE, positional=("terminal", "rows", "cols"))
    async def resize(self, input: TerminalResize, call: Call) -> Terminal:
        """Set the size of a terminal; its program is told."""
        target = await self._targets.find(input.terminal)
        await self._must_type(target, call)
        async with self._keyboard(target.directory) as keyboard:
            await keyboard.resize(input.rows, input.cols)
        if target.row is None:
            shown = await self._main(target)
            return shown.model_copy(update={"rows": input.rows, "cols": input.cols})
        self._resized(target, input.rows, input.cols)
        return wire(target.row, (input.rows, input.cols))

    @operation("terminal.close", effect=Effect.DESTROY, access=ONE, positional=("terminal",))
    async def close(self, input: TerminalRef, call: Call) -> Terminal:
        """End a terminal and everything that was started in it."""
        target = await self._targets.find(input.terminal)
        if target.row is None:
            raise Conflict("this is the process's own screen; process.kill ends it", pid=target.pid)
        await self._must_type(target, call)
        alive = self._living.all.get(target.key)
        if alive is not None:
            await self._process.end_beside(target.key)
            with anyio.move_on_after(CLOSE_S):
                await alive.ended.wait()
        return wire(await self._targets.row(target.key))

    # Byte channels ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def channel(self, key: str, ticket: str | None, call: Call | None) -> AsyncIterator[Viewer]:
        """Open the byte channel of a terminal, by one-time ticket or for a caller that owns it."""
        call = await self._admitted(key, ticket, call)
        target = await self._targets.find(key)
        scope = anyio.CancelScope()
        async with self._keyboard(target.directory) as keyboard:
            viewer = Viewer(
                keyboard,
                _open,
                lambda: self._targets.why_not(target, call),
                self._replay,
                self._clock,
                self._limiter,
            )
            viewer.resized = lambda rows, cols: self._resized(target, rows, cols)
            self._viewers += 1
            try:
                await viewer.start()
                if self._group is not None:
                    self._group.start_soon(_guard, viewer, scope)
                yield viewer
            finally:
                self._viewers -= 1
                scope.cancel()
                await viewer.aclose()

    async def _admitted(self, key: str, ticket: str | None, call: Call | None) -> Call:
        if ticket is not None:
            return self._tickets.redeem(ticket, key, call)
        if call is None:
            raise Unauthenticated("a terminal opens with a ticket from terminal.attach, or for who is logged in")
        if not call.has("terminal:read", "terminal.attach"):
            raise Forbidden("terminals need the scope terminal:read, and terminal.attach", scope="terminal:read")
        if not call.owns(await self._registry.owner_of("terminal", key)):
            raise Forbidden(f"terminal {key} belongs to somebody else", kind="terminal", id=key)
        return call

    @asynccontextmanager
    async def _keyboard(self, directory: Path) -> AsyncIterator[Keyboard]:
        """Share the one keyboard of a terminal with whoever uses it now."""
        keyboard = self._keyboards.setdefault(directory, Keyboard(directory))
        keyboard.users += 1
        try:
            yield keyboard
        finally:
            keyboard.users -= 1
            if keyboard.users == 0:
                del self._keyboards[directory]
                await keyboard.aclose()

    # Below the operations ---------------------------------------------------------------------------

    def _unused(self, session: Session, agent: str) -> None:
        """Raise Conflict while a terminal of this agent is open."""
        query = select(TerminalRow.id).where(TerminalRow.agent == agent, col(TerminalRow.ended_at).is_(None))
        if (key := session.exec(query).first()) is not None:
            raise Conflict(f"terminal {key} is open in the agent's home; close it first", agent=agent)

    async def _must_type(self, target: Target, call: Call) -> None:
        reason = await self._targets.why_not(target, call)
        if reason is not None:
            raise Forbidden(reason, kind="terminal", id=target.key)

    def _cursor_mode(self, target: Target) -> bool:
        start = self._replay.start(target.directory, 1)
        return self._replay.modes(target.directory, start.end).get(1, False)

    def _size(self, row: TerminalRow) -> tuple[int, int] | None:
        alive = self._living.all.get(row.id)
        return None if alive is None else alive.size

    def _resized(self, target: Target, rows: int, cols: int) -> None:
        alive = self._living.all.get(target.key)
        if alive is not None:
            alive.size = (rows, cols)

    async def _hello(self, target: Target) -> Hello | None:
        """Ask the shim how it is; None when it is gone without a record."""
        try:
            shim = await open_shim(target.directory)
        except ShimGone:
            return None
        except ShimError as exc:
            raise Unavailable(f"terminal {target.key} does not answer: {exc}") from exc
        await shim.aclose()
        return shim.hello

    async def _main(self, target: Target) -> Terminal:
        hello = await self._hello(target)
        begun = 0.0
        with suppress(OSError):
            begun = (await anyio.to_thread.run_sync(os.stat, target.directory / "shim.json")).st_mtime
        return wire_main(target, hello, begun)


async def _guard(viewer: Viewer, scope: anyio.CancelScope) -> None:
    with scope:
        await viewer.guard()


async def _open(directory: Path) -> Shim | Remains:
    try:
        return await open_shim(directory)
    except ShimGone:
        raise Conflict("this terminal has ended and left no record") from None
    except ShimError as exc:
        raise Unavailable(f"the terminal cannot be watched now: {exc}") from exc


def _command(argv: list[str] | None) -> list[str]:
    if argv is None:
        return [next((shell for shell in SHELLS if os.path.exists(shell)), SHELLS[-1]), "-l"]
    if not argv or not argv[0] or any("\0" in word for word in argv):
        raise Invalid("argv is a command and its arguments, without NUL characters")
    return argv


def _directory(home: Path, cwd: str | None) -> Path:
    """Return where to start; the kernel holds the shell to the agent's own rights anyway."""
    if cwd is None:
        return home
    if cwd.startswith("/") or "\0" in cwd or ".." in cwd.split("/"):
        raise Invalid("cwd is relative to the agent's home and stays in it")
    return home / cwd
