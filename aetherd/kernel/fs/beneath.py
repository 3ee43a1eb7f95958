"""The confinement: every path is resolved beneath an open home, or workspace, with the agent's own rights.

Two walls. `openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)` decides where a path leads, so no string check
and no race with a symlink matters. And as root the thread takes the agent's file system uid meanwhile, so
what the agent could not open by itself (a hard link to somebody else's file) is not opened for it either,
and new files are its own. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aetherd.core.errors import AetherError, Conflict, Exhausted, Forbidden, Invalid, NotFound, Unavailable
from aetherd.core.openat import openat2
from aetherd.kernel.fs.ports import Place

_libc = ctypes.CDLL(None, use_errno=True)
_NOREPLACE: Final = 1
DEPTH: Final = 200
DIRECTORY: Final = os.O_PATH | os.O_DIRECTORY


def rename_new(source: int, name: str, target: int, to: str) -> None:
    """Rename without ever replacing what is there; raises FileExistsError."""
    result = _libc.renameat2(
        source, ctypes.c_char_p(os.fsencode(name)), target, ctypes.c_char_p(os.fsencode(to)), _NOREPLACE
    )
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), to)


def checked(path: str, *, what: str = "path") -> str:
    """Return the path in its plain form; raises Invalid for what cannot be one."""
    if "\0" in path:
        raise Invalid(f"{what} holds a NUL character")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise Invalid(f"{what} is not valid Unicode") from None
    if path.startswith("/"):
        raise Invalid(f"{what} {path!r} is absolute; paths are relative to the agent's home, such as `work/notes.md`")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if len(parts) > DEPTH:
        raise Invalid(f"{what} is nested too deep, at most {DEPTH} directories")
    return "/".join(parts) or "."


def shown(path: str) -> str:
    """Return a path as text that any wire can carry."""
    return os.fsencode(path).decode("utf-8", "replace")


class Root:
    """An open home or workspace. Paths given to it went through `checked`."""

    def __init__(self, descriptor: int, key: str, shared: bool = False) -> None:
        self.descriptor, self.key = descriptor, key
        self.noun = "workspace" if shared else "home"
        # In a workspace the group writes, and what is made belongs to the group again.
        self.file_mode, self.directory_mode = (0o664, 0o2775) if shared else (0o644, 0o755)

    @contextmanager
    def open(self, path: str, flags: int) -> Iterator[int]:
        """Open anything beneath the home."""
        descriptor = openat2(self.descriptor, path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def regular(self, path: str, flags: int = os.O_RDONLY) -> int:
        """Return a descriptor of a regular file; raises Invalid for anything else, which is never opened."""
        with self.open(path, os.O_PATH) as found:
            must_be_regular(os.fstat(found), path)
        descriptor = openat2(self.descriptor, path, flags | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            must_be_regular(os.fstat(descriptor), path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextmanager
    def parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the directory of `path` and yield it with the last name, a plain name in it."""
        above, _, name = path.rpartition("/")
        if name in (".", ".."):
            raise Invalid(f"{shown(path)!r} does not end in a name")
        try:
            descriptor = openat2(self.descriptor, above or ".", DIRECTORY)
        except FileNotFoundError:
            if not make:
                raise
            descriptor = self._make(above)
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)

    def _make(self, path: str) -> int:
        """Make every missing directory of a path and return the last, open."""
        descriptor = os.dup(self.descriptor)
        done = ""
        try:
            for part in path.split("/"):
                here = f"{done}/{part}" if done else part
                try:
                    below = openat2(self.descriptor, here, DIRECTORY)
                except FileNotFoundError:
                    make_directory(descriptor, part, self.directory_mode)
                    below = openat2(self.descriptor, here, DIRECTORY)
                os.close(descriptor)
                descriptor, done = below, here
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def canonical(self, path: str, *, follow: bool) -> str:
        """Return a path without links and `..`, so that one file has one name; `follow` also a link at its end."""
        above, _, name = (self.followed(path) if follow else path).rpartition("/")
        rest = [name]
        while True:
            try:
                with self.open(above or ".", DIRECTORY) as directory:
                    here = os.readlink(f"/proc/self/fd/{directory}")
                break
            except FileNotFoundError:  # not there yet, so no link either
                above, _, part = above.rpartition("/")
                rest.insert(0, part)
        top = os.readlink(f"/proc/self/fd/{self.descriptor}")
        found = os.path.normpath(os.path.join(os.path.relpath(here, top), *rest))
        if found.partition("/")[0] == "..":
            raise OSError(errno.EXDEV, "leads out", path)
        return found

    def followed(self, path: str) -> str:
        """Return where links at the end of a path lead, so that writing to a link writes to its target."""
        for _ in range(8):
            if path.rpartition("/")[2] in (".", ".."):
                return path
            try:
                with self.parent(path) as (directory, name):
                    target = os.readlink(name, dir_fd=directory)
            except OSError as exc:
                if exc.errno in (errno.EINVAL, errno.ENOENT):  # no link, or nothing
                    return path
                raise
            if target.startswith("/"):
                raise OSError(errno.EXDEV, "absolute link", path)
            above = path.rpartition("/")[0]
            path = checked(f"{above}/{target}" if above else target)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def make_directory(directory: int, name: str, mode: int) -> None:
    """Make one directory with this mode, whatever the daemon's umask is."""
    os.mkdir(name, 0o755, dir_fd=directory)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def must_be_regular(status: os.stat_result, path: str) -> None:
    """Raise for what is no plain file, in words."""
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise Conflict(f"{shown(path)} is a directory", kind="dir")
    raise Invalid(f"{shown(path)} is a pipe, socket or device, not a regular file", kind="other")


@contextmanager
def inside(place: Place) -> Iterator[Root]:
    """Open a place and act in it as its agent, or the caller; OSErrors come out as errors of the house."""
    root = None
    try:
        descriptor = os.open(place.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as exc:
        noun = "agent" if place.shared is None else "workspace"
        raise NotFound(f"{noun} {place.key} has no directory", kind="home", id=place.key) from exc
    try:
        owner = os.fstat(descriptor)  # whose the home is now, whatever the agent was promised
        uid = owner.st_uid if place.shared is None or place.uid is None else place.uid
        root = Root(descriptor, place.key, place.shared is not None)
        with _acting_as(None if uid == os.geteuid() else uid, owner.st_gid):
            yield root
    except OSError as exc:
        raise translated(exc, "home" if root is None else root.noun) from exc
    finally:
        os.close(descriptor)


@contextmanager
def _acting_as(uid: int | None, gid: int) -> Iterator[None]:
    """Take the file system uid of an agent for this thread; only root can, and needs to."""
    if uid is None or os.geteuid() != 0:
        yield
        return
    try:
        _libc.setfsgid(gid)
        _libc.setfsuid(uid)
        if _libc.setfsuid(-1) != uid or _libc.setfsgid(-1) != gid:
            raise Unavailable(f"the daemon cannot act as uid {uid} here")
        yield
    finally:
        _libc.setfsuid(os.geteuid())
        _libc.setfsgid(os.getegid())


def translated(exc: OSError, noun: str = "home") -> AetherError:
    """Return an OSError of a path as an error of the house, in words a caller can act on."""
    name = shown(os.fsdecode(exc.filename)) if isinstance(exc.filename, str | bytes) else "it"
    number = exc.errno
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"no file {name} in the {noun}", kind="file", id=name)
    if number == errno.EXDEV:
        return Forbidden(f"{name} leads out of the {noun}", path=name)
    if number in (errno.EACCES, errno.EPERM):
        return Forbidden(f"the agent has no permission for {name}", path=name)
    if number == errno.ELOOP:
        return Forbidden(f"{name} goes through too many links, or a link that is not allowed", path=name)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return Exhausted(f"{os.strerror(number).lower()}: {name}")
    if number == errno.EFBIG:
        return Exhausted(f"{name} would become too big")
    if number == errno.EEXIST:
        return Conflict(f"{name} exists already", path=name)
    if number == errno.EISDIR:
        return Conflict(f"{name} is a directory", path=name)
    if number == errno.ENOTEMPTY:
        return Conflict(f"{name} is not empty; say `recursive`", path=name)
    if number in (errno.EBUSY, errno.ETXTBSY, errno.EAGAIN):
        return Conflict(f"{name} is in use or changes at this moment; try again", path=name)
    if number == errno.ENAMETOOLONG:
        return Invalid("the path, or a name in it, is too long")
    if number in (errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.EILSEQ):
        return Invalid(f"this cannot be done with {name}")
    if number in (errno.EROFS,):
        return Conflict(f"{name} is on a read-only file system")
    if number in (errno.ENOSYS, errno.E2BIG):
        return Unavailable("this kernel lacks openat2, which confines file access; Linux 5.6 or newer has it")
    return Unavailable(f"the disk did not do it: {os.strerror(number or 0).lower()}: {name}")
