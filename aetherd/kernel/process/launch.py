"""From a launch plan to a running shim: files, door, process."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from aetherd.core.errors import Invalid
from aetherd.kernel.process.beside import Beside
from aetherd.kernel.process.bounds import limits_of, pool_of, rlimits
from aetherd.kernel.process.tables import ProcessRow
from aetherd.operations.doors import Doorway
from aetherd.operations.sandboxes import OWN
from aetherd.runtime import File, Launch, Links, Spawn
from aetherd.shim.client import Spawned

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop


async def prepare(workshop: Workshop, row: ProcessRow, spawn: Spawn, launch: Launch, directory: Path) -> Spawned:
    """Write the files, open the door, start the shim."""
    assert row.pid is not None
    identity = workshop.host.identity(f"p{row.pid}", row.uid)
    if launch.files:
        await anyio.to_thread.run_sync(_write_files, spawn, launch.files, identity.uid)
    if launch.links is not None:
        store = workshop.settings.home / "skills"
        await anyio.to_thread.run_sync(_write_links, spawn, launch.links, store, identity.uid)
    path = await open_door(workshop, row)
    mounts = await workshop.mounts(row.agent)
    shared = [mount.path for mount in mounts]
    needs = (*launch.needs, *workshop.relay.needs)
    inside = await workshop.walls.hold(row, cwd=launch.cwd, needs=needs, mounts=mounts)
    for hook in workshop.place_hooks:
        await hook(row.pid, row.agent)
    launch = replace(launch, env={**await Beside(workshop).environment(row.pid), **launch.env})
    return await workshop.host.start_shim(
        directory,
        identity,
        launch,
        rows=spawn.rows,
        cols=spawn.cols,
        home=spawn.home,
        rlimits=rlimits(limits_of(row), workshop.host.limiter.controllers, own_uid=identity.uid is not None),
        pool=pool_of(row),
        reach=(path.parent, spawn.config, *workshop.relay.needs, *_outside(launch.cwd, [spawn.home, *shared])),
        mounts=mounts,
        own=(path.parent / OWN,),
        inside=inside,
    )


async def open_door(workshop: Workshop, row: ProcessRow) -> Path:
    """Have the process's own socket, again after a restart of the daemon; returns its path."""
    assert row.pid is not None
    identity = workshop.host.identity(f"p{row.pid}", row.uid)
    path = workshop.host.make_door(row.pid, identity.uid)
    await workshop.doors.open(Doorway(row.pid, path, identity.uid))
    return path


def _outside(cwd: Path, places: Sequence[Path]) -> tuple[Path, ...]:
    return () if any(cwd == place or place in cwd.parents for place in places) else (cwd,)


def _write_files(spawn: Spawn, files: tuple[File, ...], uid: int | None) -> None:
    for file in files:
        for root in (spawn.home, spawn.config):
            if root in file.path.parents:
                write_beneath(root, file.path.relative_to(root), file.content, file.mode, uid)
                break
        else:
            raise Invalid(f"a runtime wants to write {file.path}, outside the agent's home")


def write_beneath(root: Path, relative: Path, content: str, mode: int, uid: int | None) -> None:
    """Write a file atomically below a directory its agent controls, following none of the agent's links."""
    with _beneath(root, relative.parts[:-1], uid) as folder:
        temporary = f".{relative.name}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, mode, dir_fd=folder), "w") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            if uid is not None:
                os.fchown(file.fileno(), uid, uid)
        os.rename(temporary, relative.name, src_dir_fd=folder, dst_dir_fd=folder)


def _write_links(spawn: Spawn, links: Links, store: Path, uid: int | None) -> None:
    """Put links into a directory of the agent's; what it put there itself stays, also under one of their names."""
    try:
        with _beneath(spawn.home, links.path.relative_to(spawn.home).parts, uid) as folder:
            _link(folder, links.targets, store, uid)
    except OSError as exc:
        if exc.errno not in (errno.ENOTDIR, errno.ELOOP):  # else the agent put something else there: it stays
            raise


def _link(folder: int, targets: Mapping[str, Path], store: Path, uid: int | None) -> None:
    for name in os.listdir(folder):
        with suppress(OSError):  # no link
            target = os.readlink(name, dir_fd=folder)
            if target.startswith(f"{store}/") and target != str(targets.get(name)):
                os.unlink(name, dir_fd=folder)
    for name, path in targets.items():
        with suppress(FileExistsError):
            os.symlink(path, name, dir_fd=folder)
            if uid is not None:
                os.chown(name, uid, uid, dir_fd=folder, follow_symlinks=False)


@contextmanager
def _beneath(root: Path, parts: Sequence[str], uid: int | None) -> Iterator[int]:
    """Open a directory below one that its agent controls, made where it is missing; no link is followed."""
    handles = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        for part in parts:
            made = True
            try:
                os.mkdir(part, 0o700, dir_fd=handles[-1])
            except FileExistsError:
                made = False
            handles.append(
                os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handles[-1])
            )
            if made and uid is not None and os.fstat(handles[-1]).st_uid == os.geteuid():
                os.fchown(handles[-1], uid, uid)
        yield handles[-1]
    finally:
        for handle in handles:
            os.close(handle)
