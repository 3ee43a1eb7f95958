"""The files of a skill in memory: checked before any of it touches the disk, hashed as a whole."""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aetherd.core.errors import Conflict, Invalid

FILES, BYTES = 300, 8 << 20  # of one skill
DEEP, LONG = 8, 200  # directories in one another, characters of a path
MAIN, STEPS = "SKILL.md", "steps.yaml"


@dataclass(frozen=True, slots=True)
class File:
    """One file."""

    data: bytes
    executable: bool = False

    @property
    def text(self) -> str | None:
        """Its text, or None when it is none."""
        if b"\0" in self.data:
            return None
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            return None


Tree = Mapping[str, File]


def checked_path(path: str) -> str:
    """Return a path as it is kept: relative, plain, within bounds; raises `Invalid` and says what is wrong."""
    shown = path[:100].encode("unicode_escape").decode()
    if not path or path.startswith(("/", "\\")) or ":" in path.partition("/")[0]:
        raise Invalid(f"file {shown!r} is absolute; files of a skill are relative to its directory", path=shown)
    if "\\" in path or any(unicodedata.category(one) in ("Cc", "Cs") for one in path):
        raise Invalid(f"file {shown!r} has characters that a path of a skill may not have", path=shown)
    parts = path.split("/")
    if ".." in parts:
        raise Invalid(f"file {shown!r} leads out of the skill's directory", path=shown)
    if "" in parts or "." in parts:
        raise Invalid(f"file {shown!r} is not a plain path", path=shown)
    if len(parts) > DEEP or len(path) > LONG:
        raise Invalid(f"file {shown!r} is too deep or too long: at most {DEEP} levels, {LONG} characters", path=shown)
    return path


class Growing:
    """A tree that is being read: every bound is kept before the next byte is taken."""

    def __init__(self, files: int = FILES, most: int = BYTES) -> None:
        self.files: dict[str, File] = {}
        self._folded: set[str] = set()
        self._left, self._most, self._count = most, most, files

    def room(self, path: str, size: int = 0) -> int:
        """Return how many bytes are left, after this many more; raises `Invalid` past a bound."""
        if len(self.files) >= self._count:
            raise Invalid(f"the skill has more than {self._count:,} files", limit=self._count)
        if size > self._left:
            raise Invalid(f"the skill has more than {self._most:,} bytes (at {path[:100]!r})", limit=self._most)
        return self._left

    def add(self, path: str, data: bytes, executable: bool = False) -> None:
        """Take a file; a second of the same name is refused, also one that differs only in case."""
        path = checked_path(path)
        self.room(path, len(data))
        folded = unicodedata.normalize("NFC", path).casefold()
        if folded in self._folded:
            raise Invalid(f"file {path!r} is there twice", path=path)
        above = folded
        while above := above.rpartition("/")[0]:
            if above in self._folded:
                raise Invalid(f"{path!r} is in a directory that is also a file", path=path)
        if any(other.startswith(f"{folded}/") for other in self._folded):
            raise Invalid(f"{path!r} is a file and a directory", path=path)
        self._folded.add(folded)
        self._left -= len(data)
        self.files[path] = File(data, executable)

    def done(self) -> dict[str, File]:
        """Return what came together; one single directory around all of it is taken off."""
        tops = {path.partition("/")[0] for path in self.files}
        if MAIN not in self.files and len(tops) == 1 and f"{(top := tops.pop())}/{MAIN}" in self.files:
            return {path.removeprefix(f"{top}/"): file for path, file in self.files.items()}
        if MAIN not in self.files:
            raise Invalid(f"there is no {MAIN} at its top", path=MAIN)
        return self.files


def digest(tree: Tree) -> str:
    """Return the SHA-256 of a tree: of the paths, the modes and the contents, in order."""
    whole = hashlib.sha256()
    for path in sorted(tree):
        file = tree[path]
        inner = hashlib.sha256(file.data).hexdigest()
        whole.update(f"{'x' if file.executable else '-'} {inner} {path}\n".encode())
    return whole.hexdigest()


def size(tree: Tree) -> int:
    """Return its bytes."""
    return sum(len(file.data) for file in tree.values())


def write(tree: Tree, place: Path) -> None:
    """Write a tree as a directory nobody may change; `place` is not there yet. Blocking."""
    place.mkdir(mode=0o755)
    folders = [place]
    for path in sorted(tree):
        target = place / path
        for above in reversed([one for one in target.parents if place in one.parents]):
            if not above.exists():
                above.mkdir(mode=0o755)
                folders.append(above)
        file = tree[path]
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(file.data)
            out.flush()
            os.fchmod(handle, 0o555 if file.executable else 0o444)
            os.fsync(handle)
    for folder in reversed(folders):
        folder.chmod(0o555)


def read(place: Path) -> dict[str, File]:
    """Read a directory of plain files; links, devices and what is too much are refused. Blocking."""
    found = Growing()
    waiting = [(place, "")]
    entries_left = FILES * 4
    while waiting:
        folder, prefix = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                entries_left -= 1
                path = f"{prefix}{entry.name}"
                if entries_left < 0 or path.count("/") >= DEEP:
                    raise Invalid(f"{place} holds too many files, or too deep", limit=FILES)
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in (".git", "__pycache__"):
                        waiting.append((Path(entry.path), f"{path}/"))
                    continue
                _take(found, Path(entry.path), path)
    return found.done()


def _take(found: Growing, place: Path, path: str) -> None:
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise Invalid(f"{path!r} is a link, or cannot be read: {exc.strerror}", path=path) from exc
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise Invalid(f"{path!r} is not a plain file", path=path)
        if about.st_mode & (stat.S_ISUID | stat.S_ISGID):
            raise Invalid(f"{path!r} is setuid or setgid", path=path)
        left = found.room(path, about.st_size)
        found.add(path, file.read(left + 1), bool(about.st_mode & 0o111))


def intact(place: Path, sha256: str) -> dict[str, File]:
    """Return what stands in a version's directory; raises `Conflict` when it is not what was put there. Blocking."""
    try:
        found = read(place)
    except (OSError, Invalid) as exc:
        raise Conflict(f"the files of this version are damaged: {exc}", path=str(place)) from exc
    if digest(found) != sha256:
        raise Conflict(f"the files at {place} were changed behind aetherd's back; roll back, or remove the skill")
    return found
