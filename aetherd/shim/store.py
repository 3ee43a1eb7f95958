"""Output on disk at absolute offsets: a file that only grows, with a hole where its front was dropped."""

from __future__ import annotations

import json
import os

from aetherd.shim import syscalls

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from typing import Any

_ALIGN = 65536
"""Holes begin and end here: a multiple of every block size in use."""


class OutputFile:
    """Append output to a file and drop its oldest part.

    `first` is the offset of the oldest byte kept, `end` one past the newest. On a file system without holes
    nothing is dropped and `first` stays 0.
    """

    __slots__ = ("_chunk", "_holes", "descriptor", "end", "first")

    def __init__(self, directory: int, name: str, keep: int) -> None:
        """Create the file; `keep` bytes is the size it is meant to hold, which sets how coarsely it drops.

        Raises FileExistsError: a directory serves one shim only, ever.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.descriptor = os.open(name, flags, 0o600, dir_fd=directory)
        self.first = 0
        self.end = 0
        self._holes = True
        # A hole costs a journal entry, so not one for every acknowledgement.
        self._chunk = max(_ALIGN, min(4 << 20, keep // 16))

    def append(self, data: memoryview | bytes) -> int:
        """Append and return how many bytes were written: fewer than given when the disk just filled up.

        Raises OSError when nothing could be written.
        """
        written = os.pwrite(self.descriptor, data, self.end)
        self.end += written
        return written

    def drop(self, offset: int, chunk: int | None = None) -> None:
        """Drop what lies below `offset`, once that is worth a hole."""
        offset = offset // _ALIGN * _ALIGN
        if not self._holes or offset - self.first < (self._chunk if chunk is None else chunk):
            return
        try:
            syscalls.punch_hole(self.descriptor, self.first, offset - self.first)
            self.first = offset
        except OSError:
            self._holes = False

    def ring(self, keep: int) -> None:
        """Drop the oldest bytes so that about `keep` remain."""
        self.drop(self.end - keep)

    def make_room(self) -> bool:
        """Drop the older half of what is kept, because the disk is full; False when that gives nothing."""
        before = self.first
        self.drop((self.first + self.end) // 2, _ALIGN)
        return self.first > before

    def take_from(self, descriptor: int, keep: int) -> bool:
        """Append what a non-blocking descriptor has, as a ring of `keep` bytes; False at its end.

        Never waits for space: on a full disk the ring has a gap.
        """
        try:
            data = os.read(descriptor, _ALIGN)
        except BlockingIOError:
            return True
        try:
            self.append(data)
        except OSError:
            self.make_room()
        self.ring(keep)
        return bool(data)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`, which must not be below `first`."""
        return os.pread(self.descriptor, min(size, self.end - offset), offset)


def write_json(directory: int, name: str, value: dict[str, Any], *, durable: bool) -> None:
    """Replace a file as a whole; `durable` makes it survive a power cut too."""
    partial = name + ".new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(partial, flags, 0o600, dir_fd=directory)
    try:
        data = json.dumps(value).encode()
        while data:  # a disk that just filled up takes a part, and then says so
            data = data[os.write(descriptor, data) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(partial, name, src_dir_fd=directory, dst_dir_fd=directory)
    if durable:
        os.fsync(directory)
