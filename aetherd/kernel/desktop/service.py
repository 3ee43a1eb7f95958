"""Desktops beside agents: an X server in the process's place, seen and used through the daemon alone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from sqlmodel import col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, Unauthenticated, Unavailable
from aetherd.core.ids import new_id
from aetherd.core.picture import Picture
from aetherd.events import Hub
from aetherd.kernel.desktop import models as m
from aetherd.kernel.desktop import script, sockets, thumbnails, waiting
from aetherd.kernel.desktop.events import DesktopStarted
from aetherd.kernel.desktop.keysyms import chord_of
from aetherd.kernel.desktop.living import Alive, Living
from aetherd.kernel.desktop.paint import encode
from aetherd.kernel.desktop.ports import Control
from aetherd.kernel.desktop.screen import BUTTONS
from aetherd.kernel.desktop.tables import DesktopRow
from aetherd.kernel.desktop.viewer import Viewer
from aetherd.operations.beside import Beside, Place
from aetherd.operations.operation import Call, Effect, Owner, Subject, operation
from aetherd.operations.registry import Registry
from aetherd.operations.tickets import LIFE_S, Tickets
from aetherd.store import Store, Tx

ONE = Subject("process", "pid")
START_S = 20.0
STOP_S = 10.0
IN_ALL = 64
VIEWERS = 8
THREADS = 2
WIDTH, HEIGHT = 1280, 800


class DesktopService:
    """Starts desktops, shows them, clicks and types for agents, and lets people do so who have control."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        settings: Settings,
        registry: Registry,
        process: Beside,
        control: Control,
    ) -> None:
        self._store, self._hub, self._clock, self._registry = store, hub, clock, registry
        self._process, self._control = process, control
        self._key = str(settings.home)
        self._living = Living(store, clock, process, self._key)
        self._tickets = Tickets(clock, "desktop")
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._group: TaskGroup | None = None

    def offers(self) -> Mapping[str, Any]:
        """Start desktops with processes that shall have one and end them together; open byte channels."""
        return {
            "attach.desktop": self.channel,
            "process.launch_env": self.environment,
            "process.place_hooks": self._begun,
            "process.end_hooks": self._over,
            "browser.displays": self.display,
        }

    def metrics(self) -> dict[str, float]:
        """Tell how many desktops live and how many people look at them."""
        return {
            "aetherd_desktops_alive": float(len(self._living.all)),
            "aetherd_desktop_viewers": float(sum(alive.viewers for alive in self._living.all.values())),
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Find the living desktops again and look after them."""
        async with anyio.create_task_group() as group:
            self._group = group
            await self._living.adopt(group)
            group.start_soon(thumbnails.show, self._hub, self._clock, self._living, self._limiter)
            try:
                yield
            finally:
                self._group = None
                group.cancel_scope.cancel()

    @operation("desktop.start", access=ONE, positional=("pid",))
    async def start(self, input: m.DesktopStart, call: Call) -> m.Desktop:
        """Start a desktop beside a process: an X server and a window manager in its place, under its uid."""
        place = await self._place(input, call)
        self._must_act(place, call)
        alive = await self._start(place, input.width, input.height)
        if input.argv:
            await alive.run(_checked(input.argv))
        return self._wire(place)

    @operation("desktop.stop", effect=Effect.DESTROY, access=ONE, positional=("pid",))
    async def stop(self, input: m.DesktopRef, call: Call) -> m.Desktop:
        """End a desktop and every program on it; what was not saved is lost."""
        place = await self._place(input, call)
        self._must_act(place, call)
        alive = self._alive(place.pid)
        await self._living.end(place.pid)
        with anyio.move_on_after(STOP_S):
            await alive.ended.wait()
        return self._wire(place)

    @operation("desktop.info", effect=Effect.READ, access=ONE, positional=("pid",))
    async def info(self, input: m.DesktopRef, call: Call) -> m.Desktop:
        """Show whether a process has a desktop, its size, who has control, and how programs find it."""
        return self._wire(await self._place(input, call))

    @operation("desktop.attach", access=ONE, positional=("pid",))
    async def attach(self, input: m.DesktopRef, call: Call) -> m.DesktopTicket:
        """Get a one-time ticket, good for a minute, that opens the desktop's WebSocket."""
        place = await self._place(input, call)
        self._alive(place.pid)
        reason = self._not_by_hand(place.pid, call)
        ticket = self._tickets.issue(str(place.pid), call)
        return m.DesktopTicket(
            ticket=ticket,
            url=f"/v1/attach/desktop/{place.pid}?ticket={ticket}",
            expires_at=stamp(self._clock.now() + timedelta(seconds=LIFE_S)),
            writable=reason is None,
            reason=reason,
        )

    @operation("desktop.screenshot", effect=Effect.READ, access=ONE, positional=("pid",))
    async def screenshot(self, input: m.Shoot, call: Call) -> m.Shot:
        """Take a picture of the screen, the pointer included."""
        pid = (await self._place(input, call)).pid
        seen = await self._alive(pid).screen.look()
        most = (input.max_width, input.max_height)
        data, (width, height) = await anyio.to_thread.run_sync(
            partial(encode, seen.pixels, seen.size, most, input.format), limiter=self._limiter
        )
        kind: Literal["image/png", "image/jpeg"] = "image/png" if input.format == "png" else "image/jpeg"
        return m.Shot(
            pid=pid, width=width, height=height, scale=round(seen.size[0] / width, 4), picture=Picture.of(data, kind)
        )

    @operation("desktop.click", access=ONE, positional=("pid", "x", "y"))
    async def click(self, input: m.Click, call: Call) -> m.Pointer:
        """Click somewhere: left, middle or right, once, twice or thrice, with keys held."""
        pid, alive = await self._acting(input, call)
        hold = [key for chord in input.hold for key in chord_of(chord)]
        await alive.screen.click((input.x, input.y), BUTTONS[input.button], input.count, hold)
        return m.Pointer(pid=pid, x=input.x, y=input.y)

    @operation("desktop.move", access=ONE, positional=("pid", "x", "y"))
    async def move(self, input: m.Move, call: Call) -> m.Pointer:
        """Put the pointer somewhere."""
        pid, alive = await self._acting(input, call)
        await alive.screen.move((input.x, input.y))
        return m.Pointer(pid=pid, x=input.x, y=input.y)

    @operation("desktop.drag", access=ONE, positional=("pid", "x", "y", "to_x", "to_y"))
    async def drag(self, input: m.Drag, call: Call) -> m.Pointer:
        """Drag from one place to another."""
        pid, alive = await self._acting(input, call)
        await alive.screen.drag((input.x, input.y), (input.to_x, input.to_y), BUTTONS[input.button])
        return m.Pointer(pid=pid, x=input.to_x, y=input.to_y)

    @operation("desktop.scroll", access=ONE, positional=("pid", "x", "y", "down"))
    async def scroll(self, input: m.Scroll, call: Call) -> m.Pointer:
        """Turn the mouse's wheel somewhere."""
        pid, alive = await self._acting(input, call)
        await alive.screen.scroll((input.x, input.y), input.down, input.right)
        return m.Pointer(pid=pid, x=input.x, y=input.y)

    @operation("desktop.type", access=ONE, positional=("pid", "text"))
    async def type(self, input: m.TypeText, call: Call) -> m.Typed:
        """Type a text, of any script, into the window that has the keyboard."""
        pid, alive = await self._acting(input, call)
        place = await self._process.place_of(pid)
        await alive.screen.type(input.text, lambda: self._must_act(place, call))
        return m.Typed(pid=pid, count=len(input.text))

    @operation("desktop.key", access=ONE, positional=("pid", "keys"))
    async def key(self, input: m.PressKeys, call: Call) -> m.Typed:
        """Press keys by name, such as Return, ctrl+c or alt+F4."""
        pid, alive = await self._acting(input, call)
        await alive.screen.press([chord_of(chord) for chord in input.keys])
        return m.Typed(pid=pid, count=len(input.keys))

    @operation("desktop.exec", access=ONE, positional=("pid",))
    async def exec(self, input: m.Exec, call: Call) -> m.Program:
        """Start a program on the desktop; it ends with the desktop, or when its windows are closed."""
        pid, alive = await self._acting(input, call)
        begun = await alive.run(_checked(input.argv))
        assert begun.os_pid is not None
        error = await alive.said() if begun.code else None
        return m.Program(pid=pid, os_pid=begun.os_pid, exit_code=begun.code, error=error)

    @operation("desktop.wait_for", effect=Effect.READ, access=ONE, positional=("pid",))
    async def wait_for(self, input: m.WaitFor, call: Call) -> m.Waited:
        """Wait until the screen rests, a pixel has a colour, or a text can be read on it."""
        if input.stable_s is None and input.pixel is None and input.text is None:
            raise Invalid("say what to wait for: stable_s, pixel or text")
        pid = (await self._place(input, call)).pid
        return await waiting.wait_for(self._alive(pid).screen, pid, input, self._clock, self._limiter)

    # Byte channels ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def channel(self, key: str, ticket: str | None, call: Call | None) -> AsyncIterator[Viewer]:
        """Open the byte channel of a desktop, by one-time ticket or for a caller that owns it."""
        call = await self._admitted(key, ticket, call)
        pid = int(key)
        alive = self._alive(pid)
        if alive.viewers >= VIEWERS:
            raise Exhausted(f"{alive.viewers} people look at this desktop; that is all it can have", pid=pid)
        place = await self._process.place_of(pid)
        viewer = Viewer(
            sockets.connect(script.socket_of(place)),
            lambda: self._not_by_hand(pid, call),
            lambda: self._control.renew(pid, call),
        )
        alive.viewers += 1
        try:
            yield viewer
        finally:
            alive.viewers -= 1
            viewer.close()

    async def _admitted(self, key: str, ticket: str | None, call: Call | None) -> Call:
        if ticket is not None:
            return self._tickets.redeem(ticket, key, call)
        if call is None:
            raise Unauthenticated("a desktop opens with a ticket from desktop.attach, or for who is logged in")
        if not call.has("desktop:read", "desktop.attach"):
            raise Forbidden("desktops need the scope desktop:read, and desktop.attach", scope="desktop:read")
        if not call.owns(await self._registry.owner_of("process", key)):
            raise Forbidden(f"process {key} belongs to somebody else", kind="process", id=key)
        return call

    # For other rooms --------------------------------------------------------------------------------

    async def environment(self, place: Place) -> Mapping[str, str]:
        """Return what the programs of a process need to open windows, when it shall have a desktop."""
        return script.environment(place, self._key) if place.graphical else {}

    async def display(self, pid: int) -> Mapping[str, str] | None:
        """Return the environment of a desktop that lives."""
        if pid not in self._living.all:
            return None
        return script.environment(await self._process.place_of(pid), self._key)

    async def _begun(self, pid: int, agent: str) -> None:
        """Start the desktop of a process that shall have one; its runtime, which may open a window, comes next."""
        place = await self._process.place_of(pid)
        if place.graphical and pid not in self._living.all:
            await self._start(place, WIDTH, HEIGHT)

    def _over(self, tx: Tx, pid: int, reason: str) -> None:
        """End the desktop of a process that has ended."""
        if (alive := self._living.all.get(pid)) is not None:
            tx.after(alive.over.set)

    # Below the operations ---------------------------------------------------------------------------

    async def _place(self, input: m.DesktopRef, call: Call) -> Place:
        pid = input.pid if input.pid is not None else call.pid
        if pid is None:
            raise Invalid("name the process whose desktop it is: `pid`")
        place = await self._process.place_of(pid)
        if not call.owns(Owner(place.agent, place.user, place.org, place.parent)):
            raise Forbidden(f"process {pid} belongs to somebody else", kind="process", id=pid)
        return place

    def _alive(self, pid: int) -> Alive:
        alive = self._living.all.get(pid)
        if alive is None:
            raise Conflict(f"process {pid} has no desktop; desktop.start starts one", pid=pid)
        return alive

    async def _acting(self, input: m.DesktopRef, call: Call) -> tuple[int, Alive]:
        place = await self._place(input, call)
        self._must_act(place, call)
        return place.pid, self._alive(place.pid)

    def _must_act(self, place: Place, call: Call) -> None:
        """Raise Forbidden for who may not touch it now."""
        if call.agent is not None and (call.agent != place.agent or call.pid not in (None, place.pid)):
            raise Forbidden("an agent uses only the desktop of its own process", pid=place.pid)
        holder = self._control.holder_of(place.pid)
        if holder is not None and holder != call.actor:
            raise Forbidden(
                f"{holder} has control of process {place.pid} and of its desktop; wait until it is handed back",
                pid=place.pid,
                holder=holder,
            )
        self._control.renew(place.pid, call)

    def _not_by_hand(self, pid: int, call: Call) -> str | None:
        """Say why the clicks and keys of a viewer do not count; None when they do."""
        if not call.has("desktop:write", "desktop.click"):
            return "your credential may look at desktops and not touch them (scope desktop:write)"
        holder = self._control.holder_of(pid)
        if holder is None:
            return f"take control of process {pid} first (control.acquire)"
        return None if holder == call.actor else f"{holder} has control of process {pid}"

    async def _start(self, place: Place, width: int, height: int) -> Alive:
        pid = place.pid
        if not place.alive:
            raise Conflict(f"process {pid} has ended", pid=pid)
        if self._group is None:
            raise Unavailable("aetherd is starting or shutting down")
        if len(self._living.all) >= IN_ALL:
            raise Exhausted(f"{IN_ALL} desktops run; stop one first")
        row = DesktopRow(
            id=new_id("desk"),
            pid=pid,
            agent=place.agent,
            parent=place.parent,
            user=place.user,
            org=place.org,
            width=width,
            height=height,
            created_at=stamp(self._clock.now()),
        )
        key, directory = row.id, self._process.terminal_dir(row.id)

        def work(tx: Tx) -> None:
            living = select(DesktopRow.id).where(DesktopRow.pid == pid, col(DesktopRow.ended_at).is_(None))
            if tx.session.exec(living).first() is not None:
                raise Conflict(f"process {pid} has a desktop already (desktop.info)", pid=pid)
            tx.session.add(row)

        # The row comes first: a daemon that dies in between finds by it what was started.
        await self._store.write(work)
        try:
            await anyio.to_thread.run_sync(_make_meeting_place, place.tier)
            await self._process.start_beside(
                pid,
                directory,
                ["/bin/sh", "-c", script.SCRIPT],
                cwd=place.home,
                name=key,
                env=script.start_environment(place, self._key, width, height),
                stdio="pipes",
            )
        except BaseException:
            with anyio.CancelScope(shield=True):
                with suppress(OSError):
                    await self._process.end_beside(key)
                await self._store.write(lambda tx: tx.execute("DELETE FROM desktop WHERE id = ?", (key,)))
            raise
        alive = await self._living.watch(self._group, row)
        await self._until_ready(alive)
        await self._store.write(
            lambda tx: tx.emit(DesktopStarted(pid=pid, agent=row.agent, width=width, height=height))
        )
        return alive

    async def _until_ready(self, alive: Alive) -> None:
        """Wait until windows can be opened; raises `Unavailable` with what was complained of."""
        pid = alive.row.pid
        with anyio.move_on_after(START_S):
            async with anyio.create_task_group() as group:

                async def first(event: anyio.Event) -> None:
                    await event.wait()
                    group.cancel_scope.cancel()

                group.start_soon(first, alive.ready)
                group.start_soon(first, alive.ended)
        if alive.ready.is_set() and not alive.ended.is_set():
            return
        said = await alive.said()
        await self._living.end(pid)
        if alive.missing:
            raise Unavailable(
                f"desktops need {alive.missing} where the process runs: apt install tigervnc-standalone-server openbox "
                "(tier docker: the image aetherd/desktop has them)",
                missing=alive.missing,
            )
        raise Unavailable(f"the desktop of process {pid} did not start: {said[-300:] or 'it said nothing'}", pid=pid)

    def _wire(self, place: Place) -> m.Desktop:
        alive = self._living.all.get(place.pid)
        row = None if alive is None else alive.row
        return m.Desktop(
            pid=place.pid,
            agent=place.agent,
            running=row is not None,
            width=None if row is None else row.width,
            height=None if row is None else row.height,
            env={} if row is None else dict(script.environment(place, self._key)),
            holder=self._control.holder_of(place.pid),
            viewers=0 if alive is None else alive.viewers,
            started_at=None if row is None else row.created_at,
        )


def _checked(argv: Sequence[str]) -> Sequence[str]:
    if not argv or not argv[0] or any("\0" in word for word in argv):
        raise Invalid("argv is a command and its arguments, without NUL characters")
    return argv


def _make_meeting_place(tier: str) -> None:
    """Make the directory of X sockets as root's, where the machine's is used: else the first agent would own it."""
    if tier == "host" and os.geteuid() == 0 and not script.X_SOCKETS.exists():
        script.X_SOCKETS.mkdir()
        script.X_SOCKETS.chmod(0o1777)
