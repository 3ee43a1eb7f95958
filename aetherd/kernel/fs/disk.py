"""The file work itself, step by step through directory descriptors. Everything here blocks."""

from __future__ import annotations

import base64
import binascii
import codecs
import contextlib
import errno
import os
import stat
from contextlib import closing

from aetherd.core.errors import Conflict, Invalid
from aetherd.kernel.fs.beneath import Root, make_directory, must_be_regular, rename_new, shown
from aetherd.kernel.fs.models import FsContent, FsEdited, FsStat, FsWrite, FsWritten, Kind
from aetherd.kernel.fs.quota import Quota
from aetherd.kernel.fs.removal import remove_tree
from aetherd.kernel.fs.staged import Staged, part_name
from aetherd.kernel.fs.walk import join, kind_of, names_of, stat_of

EDITABLE = 16 << 20
COPIED_BYTES = 2 << 30
COPIED_FILES = 20_000
CHUNK = 1 << 20


def read(root: Root, path: str, offset: int, limit: int, encoding: str) -> FsContent:
    """Read a part of a regular file."""
    descriptor = root.regular(path)
    try:
        size = os.fstat(descriptor).st_size
        data = os.pread(descriptor, limit, offset)
    finally:
        os.close(descriptor)
    eof = offset + len(data) >= size
    text, exact = decoded(data, encoding, eof)
    if exact is None and encoding == "auto":
        data = data[: len(text.encode())]  # the rest of a cut character comes with the next part
    return FsContent(
        path=shown(path),
        size=size,
        offset=offset,
        next_offset=offset + len(data),
        text=text,
        base64=exact,
        eof=eof,
    )


def decoded(data: bytes, encoding: str, eof: bool) -> tuple[str, str | None]:
    """Return text, and base64 when the bytes are not text."""
    if encoding == "text":
        return data.decode("utf-8", "replace"), None
    if encoding == "auto" and b"\0" not in data:
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(data, eof)
        except UnicodeDecodeError:
            pass
        else:
            if text or not data:
                return text, None
    return "", base64.b64encode(data).decode("ascii")


def bytes_of(input: FsWrite) -> bytes:
    """Return the bytes a write carries."""
    if not input.base64:
        try:
            return input.content.encode()
        except UnicodeEncodeError:
            raise Invalid("content holds characters that are not Unicode text; send base64") from None
    try:
        return base64.b64decode(input.content, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("content is not valid base64") from None


def status_of(directory: int, name: str) -> os.stat_result | None:
    """Return the stat of a name, of the link itself; None when there is nothing."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def write(root: Root, quota: Quota, path: str, data: bytes, mode: str, parents: bool) -> FsWritten:
    """Write, replace or append; all but append appear as a whole."""
    path = root.followed(path)
    with root.parent(path, make=parents) as (directory, name):
        before = status_of(directory, name)
        if before is not None:
            must_be_regular(before, path)
            if mode == "create":
                raise Conflict(f"{shown(path)} exists already", path=shown(path))
        old = 0 if before is None else before.st_size
        quota.check(root, len(data) if mode == "append" else max(0, len(data) - old), 0 if before else 1)
        if mode == "append" and before is not None:
            return _append(root, quota, path, data)
        with closing(Staged(directory)) as staged:
            staged.write(data)
            staged.commit(name, replace=mode != "create", mode=root.file_mode if before is None else before.st_mode)
        quota.add(root.key, len(data) - old, 0 if before else 1)
        return FsWritten(path=shown(path), size=len(data), created=before is None)


def _append(root: Root, quota: Quota, path: str, data: bytes) -> FsWritten:
    descriptor = root.regular(path, os.O_WRONLY | os.O_APPEND)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    quota.add(root.key, len(data))
    return FsWritten(path=shown(path), size=size, created=False)


def edit(root: Root, quota: Quota, path: str, old: bytes, new: bytes, every: bool) -> FsEdited:
    """Replace exact bytes in a file that nobody changes meanwhile."""
    path = root.followed(path)
    descriptor = root.regular(path)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if before.st_size > EDITABLE:
            raise Invalid(f"{shown(path)} has {before.st_size:,} bytes; at most {EDITABLE:,} can be edited")
        data = file.read(EDITABLE + 1)
    found = data.count(old)
    if found == 0:
        raise Conflict(f"{shown(path)} does not hold this text; it must match exactly, with its spaces", matches=0)
    if found > 1 and not every:
        raise Conflict(
            f"{shown(path)} holds this text {found} times; give more of its surroundings, or set `all`",
            matches=found,
        )
    changed = data.replace(old, new)
    quota.check(root, max(0, len(changed) - len(data)), 0)
    with root.parent(path) as (directory, name), closing(Staged(directory)) as staged:
        staged.write(changed)
        now = status_of(directory, name)
        if now is None or (now.st_ino, now.st_mtime_ns, now.st_size) != (
            before.st_ino,
            before.st_mtime_ns,
            before.st_size,
        ):
            raise Conflict(f"{shown(path)} was changed by somebody else meanwhile; read it again")
        staged.commit(name, replace=True, mode=before.st_mode)
    quota.add(root.key, len(changed) - len(data))
    return FsEdited(path=shown(path), size=len(changed), replaced=found)


def mkdir(root: Root, quota: Quota, path: str, parents: bool) -> FsStat:
    """Make a directory."""
    if path == ".":
        raise Conflict(f"the {root.noun} exists already")
    quota.check(root, 0)
    with root.parent(path, make=parents) as (directory, name):
        try:
            make_directory(directory, name, root.directory_mode)
            quota.add(root.key, 0, 1)
        except FileExistsError:
            found = status_of(directory, name)
            if not parents or found is None or not stat.S_ISDIR(found.st_mode):
                raise
    return stat_of(root, path)


def move(root: Root, path: str, to: str, overwrite: bool) -> FsStat:
    """Rename within the home."""
    if path == ".":
        raise Conflict(f"the {root.noun} itself cannot be moved")
    with root.parent(path) as (source, name), root.parent(to, make=True) as (target, new):
        try:
            if overwrite:
                os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
            else:
                rename_new(source, name, target, new)
        except FileNotFoundError as exc:
            exc.filename, exc.filename2 = path, None
            raise
        except OSError as exc:
            exc.filename, exc.filename2 = to, None
            if exc.errno == errno.EXDEV:
                raise Conflict(f"{shown(path)} and {shown(to)} are on different disks; copy and remove") from exc
            raise
    return stat_of(root, to)


def copy(root: Root, quota: Quota, path: str, to: str, overwrite: bool) -> FsStat:
    """Copy a file, or a directory with its links as they are; it appears as a whole."""
    with root.open(path, os.O_PATH) as found:
        status = os.fstat(found)
    with root.parent(to, make=True) as (directory, name):
        there = status_of(directory, name)
        if there is not None and not (overwrite and stat.S_ISREG(there.st_mode)):
            raise Conflict(f"{shown(to)} exists already", path=shown(to))
        if stat.S_ISDIR(status.st_mode):
            if there is not None:
                raise Conflict(f"{shown(to)} is a file; remove it first", path=shown(to))
            _copy_directory(root, quota, path, directory, name, to)
        else:
            must_be_regular(status, path)
            _must_be_copyable(status, path, COPIED_BYTES)
            quota.check(root, status.st_size)
            size = _copy_file(root, path, directory, name, replace=overwrite, most=COPIED_BYTES)
            quota.add(root.key, size, 1)
    return stat_of(root, to)


def _must_be_copyable(status: os.stat_result, path: str, most: int) -> None:
    if status.st_size > most:
        raise Invalid(f"{shown(path)} is too big to be copied here: more than {COPIED_BYTES:,} bytes in all")


def _copy_file(root: Root, path: str, directory: int, name: str, *, replace: bool, most: int) -> int:
    descriptor = root.regular(path)
    try:
        status = os.fstat(descriptor)
        _must_be_copyable(status, path, most)
        with closing(Staged(directory)) as staged:
            done = 0
            while done <= most and (data := os.pread(descriptor, CHUNK, done)):
                staged.write(data)
                done += len(data)
            staged.commit(name, replace=replace, mode=status.st_mode)
        return done
    finally:
        os.close(descriptor)


def _copy_directory(root: Root, quota: Quota, path: str, directory: int, name: str, to: str) -> None:
    """Copy into an unfinished directory beside the target, then give it its name."""
    part = part_name()
    above = to.rpartition("/")[0]
    os.mkdir(part, 0o700, dir_fd=directory)
    try:
        size = files = 0
        waiting = [(path, join(above or ".", part))]
        while waiting:
            source, target = waiting.pop()
            with root.open(target, os.O_RDONLY | os.O_DIRECTORY) as made:
                for entry in names_of(root, source):
                    files += 1
                    if files > COPIED_FILES:
                        raise Invalid(f"{shown(path)} holds more than {COPIED_FILES:,} files; copy it with a command")
                    quota.check(root, size, files)
                    here = join(source, entry)
                    with root.open(here, os.O_PATH | os.O_NOFOLLOW) as found:
                        mode = os.fstat(found).st_mode
                        if stat.S_ISLNK(mode):
                            os.symlink(os.readlink("", dir_fd=found), entry, dir_fd=made)
                    if stat.S_ISDIR(mode):
                        make_directory(made, entry, root.directory_mode)
                        waiting.append((here, join(target, entry)))
                    elif stat.S_ISREG(mode):
                        size += _copy_file(root, here, made, entry, replace=False, most=COPIED_BYTES - size)
                    elif not stat.S_ISLNK(mode):
                        raise Invalid(f"{shown(here)} is a pipe, socket or device, which cannot be copied")
        with root.open(join(above or ".", part), os.O_RDONLY | os.O_DIRECTORY) as made:
            os.fchmod(made, root.directory_mode)
        rename_new(directory, part, directory, name)
        quota.add(root.key, size, files + 1)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_tree(directory, part)
        raise


def remove(root: Root, quota: Quota, path: str, recursive: bool) -> Kind:
    """Remove a file, a link (not its target), an empty directory, or a whole one."""
    if path == ".":
        raise Conflict(f"the {root.noun} itself cannot be removed")
    with root.parent(path) as (directory, name):
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(name, dir_fd=directory)
            elif not recursive:
                os.rmdir(name, dir_fd=directory)
            else:
                remove_tree(directory, name)
        except OSError as exc:
            exc.filename, exc.filename2 = path, None
            raise
        finally:
            quota.forget(root.key)
    return kind_of(status.st_mode)
