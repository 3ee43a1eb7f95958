"""A whole directory at once, for another room that takes it in; only plain files, and not more than it says."""

from __future__ import annotations

import os
import stat

from aetherd.core.errors import Invalid
from aetherd.kernel.fs.beneath import Root, shown
from aetherd.kernel.fs.walk import join, names_of

DEEP = 20


def collect(root: Root, top: str, files: int, most: int) -> dict[str, tuple[bytes, bool]]:
    """Return the files below a directory by their paths in it, or one file under `""`. Blocking."""
    found: dict[str, tuple[bytes, bool]] = {}
    left, entries = most, 0
    waiting = [(top, "")]
    while waiting:
        path, name = waiting.pop()
        entries += 1
        if entries > files * 4 or name.count("/") > DEEP:
            raise Invalid(f"{shown(top)} holds too many files or directories, or too deep; at most {files:,} files")
        with root.open(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
            mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            waiting += [(join(path, one), join(name or ".", one)) for one in names_of(root, path)]
            continue
        if stat.S_ISLNK(mode):
            raise Invalid(f"{shown(path)} is a link; only plain files are taken")
        if mode & (stat.S_ISUID | stat.S_ISGID):
            raise Invalid(f"{shown(path)} is setuid or setgid; only plain files are taken")
        descriptor = root.regular(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(left + 1)
        left -= len(data)
        if left < 0 or len(found) >= files:
            raise Invalid(f"{shown(top)} has more than {files:,} files or {most:,} bytes", limit=most)
        found[os.fsencode(name).decode("utf-8", "replace")] = (data, bool(mode & 0o111))
    return found
