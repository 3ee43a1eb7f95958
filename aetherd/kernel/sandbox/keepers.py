"""The keepers of this house's sandboxes (aetherd/shim/keeper.py): asked for, found again and ended."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from aetherd import __version__
from aetherd.core.config import Settings
from aetherd.core.errors import Unavailable
from aetherd.kernel.sandbox.plan import HTTP_PORT, PROXY_PORT, Inside, Plan
from aetherd.kernel.sandbox.seccomp import program
from aetherd.shim.client import (
    Held,
    HoldRequest,
    ShimError,
    Zygote,
    find_held,
    release,
    start_time_of,
)

HOLD_S = 10.0
PROXY = f"http://127.0.0.1:{PROXY_PORT}"
LOCAL = "127.0.0.1,localhost,::1"
ENV = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), PROXY),
    "NO_PROXY": LOCAL,
    "no_proxy": LOCAL,
    "NODE_USE_ENV_PROXY": "1",
    "TMPDIR": "/tmp",
    "XDG_RUNTIME_DIR": "/run/user",
}
"""What programs inside find in their environment: the way out, and the places that are theirs alone."""


class Keepers:
    """Has sandboxes held; what belongs to one lies in `shim/h<pid>`, which nobody else reads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._zygote: Zygote | None = None
        self._starting = anyio.Lock()
        self._filter: Path | None = None

    def directory(self, pid: int) -> Path:
        """Return where a process's sandbox is recorded."""
        return self._settings.home / "shim" / f"h{pid}"

    async def hold(self, plan: Plan, request: HoldRequest) -> Held:
        """Have a sandbox held with the plan's doors; raises `Unavailable`."""
        doors = {HTTP_PORT: "h", PROXY_PORT: "x", **{port: f"t{port}" for port in plan.ports}}
        doors = {} if plan.alone else doors
        request = replace(request, directory=str(self.directory(plan.pid)), door=str(plan.door), doors=doors)
        try:
            zygote = await self._connected()
            return await zygote.hold(request, deadline=HOLD_S)
        except ShimError as exc:
            raise Unavailable(f"no sandbox for process {plan.pid}: {exc}", pid=plan.pid) from exc

    async def adopt(self, plan: Plan, first: int, note: str, *, python: str) -> Inside:
        """Keep what stands already: `first` is the host's pid of its first process. Raises `Unavailable`."""

        def make() -> None:
            self.make(plan.pid)
            self.note(plan.pid, note)

        start_time = start_time_of(first)
        if start_time is None:
            raise Unavailable(f"the sandbox of process {plan.pid} ended as it began", pid=plan.pid)
        await anyio.to_thread.run_sync(make)
        adopt = {"pid": first, "start_time": start_time}
        held = await self.hold(plan, HoldRequest(directory="", door="", doors={}, adopt=adopt))
        return self.inside(held, python)

    async def kept(self, pid: int, first: int, *, python: str) -> Inside | None:
        """Return it when its keeper lives and keeps exactly that."""
        held = await anyio.to_thread.run_sync(self.found, pid)
        return self.inside(held, python) if held is not None and held.init_pid == first else None

    def inside(self, held: Held, python: str | None = None) -> Inside:
        """Return how programs get into what is held."""
        return Inside(held.enter, str(self.filter()), ENV, python)

    def filter(self) -> Path:
        """Return the compiled filter of system calls; written once, then known."""
        if self._filter is None:
            place = self._settings.home / "shim" / "calls.bpf"
            compiled = program()
            if compiled is None:
                raise Unavailable(f"no filter of system calls for this processor ({os.uname().machine})")
            place.parent.mkdir(mode=0o700, exist_ok=True)
            partial = place.with_name(f".{place.name}.{os.getpid()}")
            partial.write_bytes(compiled)
            self._filter = partial.replace(place)
        return self._filter

    def note(self, pid: int, text: str) -> None:
        """Keep a word on what is held, for those who come after us; blocking."""
        (self.directory(pid) / "plan.json").write_text(text)

    def noted(self, pid: int) -> str | None:
        """Return that word; blocking."""
        try:
            return (self.directory(pid) / "plan.json").read_text()
        except OSError:
            return None

    def found(self, pid: int) -> Held | None:
        """Return what is held for a process and stands; blocking."""
        return find_held(self.directory(pid))

    async def release(self, pid: int) -> None:
        """End the keeper of a process, and a sandbox it made; nothing when there is none."""
        directory = self.directory(pid)

        def end() -> bool:
            gone = release(directory)
            if gone:
                shutil.rmtree(directory, ignore_errors=True)
            return gone

        with anyio.CancelScope(shield=True):
            if not await anyio.to_thread.run_sync(end):
                raise Unavailable(f"the sandbox of process {pid} does not end", pid=pid)

    async def pids(self, file: str) -> list[int]:
        """Return the processes for which something is, or was, held, and that have this file here."""

        def look() -> list[int]:
            names = [place.parent.name[1:] for place in (self._settings.home / "shim").glob(f"h*/{file}")]
            return sorted(int(name) for name in names if name.isdecimal())

        return await anyio.to_thread.run_sync(look)

    def make(self, pid: int) -> Path:
        """Make its directory anew; blocking."""
        directory = self.directory(pid)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, parents=True)
        return directory

    async def aclose(self) -> None:
        """Let the zygote go; sandboxes stand on."""
        if self._zygote is not None:
            await self._zygote.aclose()

    async def _connected(self) -> Zygote:
        async with self._starting:
            if self._zygote is None:
                self._zygote = await Zygote.start(self._settings.run_dir, name=f"zygote-{__version__}")
            return self._zygote
