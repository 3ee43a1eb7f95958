"""A new file that appears as a whole or not at all. Blocking."""

from __future__ import annotations

import contextlib
import os
import secrets

from aetherd.kernel.fs.beneath import rename_new

PART = ".aether-part-"
"""How names of unfinished things begin: never listed, removed when found later."""


def part_name() -> str:
    """Return a name for something unfinished."""
    return PART + secrets.token_hex(8)


class Staged:
    """Bytes on their way into a directory, without a name until complete where the disk can do that."""

    def __init__(self, directory: int) -> None:
        """Keep a descriptor of the directory of our own; raises OSError."""
        self._directory = os.dup(directory)
        self._name: str | None = None
        try:
            try:
                self.descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=directory)
            except OSError:  # a disk without unnamed files; a real refusal comes again below
                self._name = part_name()
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                self.descriptor = os.open(self._name, flags, 0o600, dir_fd=directory)
        except BaseException:
            os.close(self._directory)
            raise

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def commit(self, name: str, *, replace: bool, mode: int) -> None:
        """Give it its name, durably; raises FileExistsError unless it may replace."""
        os.fchmod(self.descriptor, mode & 0o777)
        os.fsync(self.descriptor)
        if self._name is None and not replace:
            self._link(name)
            return
        if self._name is None:
            self._name = part_name()
            self._link(self._name)
        if replace:
            os.rename(self._name, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        else:
            rename_new(self._directory, self._name, self._directory, name)
        self._name = None

    def _link(self, name: str) -> None:
        try:
            os.link(f"/proc/self/fd/{self.descriptor}", name, dst_dir_fd=self._directory, follow_symlinks=True)
        except OSError as exc:
            exc.filename, exc.filename2 = name, None
            raise

    def close(self) -> None:
        """Let go; what was not committed is gone."""
        if self._name is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._directory)
            self._name = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            os.close(self._directory)
            self.descriptor = -1
