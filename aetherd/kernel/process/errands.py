"""Commands another room has run as an agent, to their end: under its uid, in its view of the machine, bounded.

Where runs have walls by default these have, too: a sandbox of their own for the moment, without any network.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from aetherd.core.errors import Unavailable
from aetherd.operations.beside import collected
from aetherd.operations.errands import Errand, Mount
from aetherd.runtime import Launch
from aetherd.shim.client import ShimError, read_stderr

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

ERRORS = 20_000  # bytes kept of standard error
FORGET_TRIES = 250
NAME = re.compile(r"^errand-[a-z0-9_-]{1,80}$")


class Errands:
    """Runs commands that belong to no process: nothing of them is left when the answer comes."""

    def __init__(self, workshop: Workshop) -> None:
        self._w = workshop

    async def run(
        self,
        name: str,
        uid: int | None,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        home: Path,
        mounts: Sequence[Mount],
        deadline_s: float,
        keep: int,
        rlimits: Mapping[str, Sequence[int]] | None = None,
    ) -> Errand:
        """Run a command as that uid with only `home` and the mounts open to it; keeps `keep` bytes of its output.

        What an earlier daemon left of an errand of this name is ended first. Raises `Unavailable`.
        """
        assert NAME.match(name), name
        directory, identity = self._w.host.shims / name, self._w.host.identity(name, uid)
        if await anyio.to_thread.run_sync(directory.exists):
            await self.end(name)
        launch, tail, exit = Launch(tuple(argv), dict(env), cwd, "pipes"), Tail(keep), None
        try:
            place = directory / "door"  # its sandbox has one, and nothing behind it
            inside = await self._w.walls.hold_alone(name, identity.uid, place, cwd=cwd, home=home, mounts=mounts)
            await self._w.host.start_shim(
                directory, identity, launch, rows=24, cols=80, home=home, rlimits=rlimits, mounts=mounts, inside=inside
            )
            with anyio.move_on_after(deadline_s):
                exit = await collected(directory, tail.add)
            error = await anyio.to_thread.run_sync(read_stderr, directory, ERRORS)
        except ShimError as exc:
            raise Unavailable(f"a command could not be run for the agent: {exc}") from exc
        finally:
            with anyio.CancelScope(shield=True):
                await self.end(name)
        return Errand(None if exit is None else exit.code, bytes(tail.kept), tail.dropped, error, exit is None)

    async def end(self, name: str) -> None:
        """Kill all that is left of an errand and forget its output."""
        identity = self._w.host.identity(name, None)

        def kill() -> None:
            self._w.host.trees.kill(identity.tree, identity.marker)
            self._w.host.trees.remove(identity.tree)

        def forget() -> bool:
            shutil.rmtree(directory, ignore_errors=True)
            return not directory.exists()

        directory = self._w.host.shims / name
        await anyio.to_thread.run_sync(kill)
        for _ in range(FORGET_TRIES):
            if await anyio.to_thread.run_sync(forget):
                break
            await anyio.sleep(0.02)  # its shim is just writing down the exit
        await self._w.walls.drop_alone(name)


class Tail:
    """The last bytes of what comes."""

    def __init__(self, keep: int) -> None:
        self.kept, self.dropped, self._keep = bytearray(), 0, keep

    def add(self, data: bytes) -> None:
        """Take more."""
        self.kept += data
        if (over := len(self.kept) - self._keep) > 0:
            del self.kept[:over]
            self.dropped += over
