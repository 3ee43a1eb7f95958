"""The manifest of a snapshot: a head, then one line for each thing in it; compressed, named by its SHA-256.

Nothing in it is believed before all of it was looked at (`checked`): a path is relative and plain, stands once, lies
in a directory that stands before it, and no link is ever on the way. So whoever could change a manifest and its hash
still makes nothing outside the new directory.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import zstandard

from aetherd.core.errors import Conflict

VERSION = 1
ENTRIES = 2_000_000
LARGEST = 1 << 50  # bytes of one file, holes included
PATH = 4_000  # bytes
DEPTH = 200
LINE = 1 << 20
MANIFEST = 1 << 30  # bytes, uncompressed
EXTENTS = 10_000
DIGEST = re.compile(r"[0-9a-f]{64}")
OBJECT = re.compile(rb'"object":"([0-9a-f]{64})"')


@dataclass(slots=True)
class Entry:
    """One thing. Paths are the bytes of the name as `surrogateescape` text."""

    part: str  # home, or the id of a workspace
    path: str = ""  # "" is the part itself
    kind: Literal["file", "dir", "link", "same"] = "file"  # same: another name of `to`, a file of the part
    mode: int = 0
    mtime: int = 0  # ns
    uid: int = 0
    size: int = 0  # as it is read
    object: str = ""  # SHA-256 of what is stored: the bytes, of a sparse file those of its extents
    extents: list[list[int]] = field(default_factory=list)  # [offset, length] of a sparse file's data
    to: str = ""  # of a link: what it says
    inode: list[int] = field(default_factory=list)  # [device, inode, ctime ns]: how it is known again

    @property
    def stored(self) -> int:
        """Bytes of its object; a file without one is a hole from beginning to end."""
        if self.extents:
            return sum(length for _, length in self.extents)
        return self.size if self.object else 0


@dataclass(slots=True)
class Manifest:
    """All that a snapshot holds but the bytes of files."""

    head: dict[str, Any]
    entries: list[Entry]

    @property
    def objects(self) -> set[str]:
        """The objects it needs."""
        return {entry.object for entry in self.entries if entry.object}


def encode(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest."""
    out = io.BytesIO()
    with zstandard.ZstdCompressor(level=3).stream_writer(out, closefd=False) as pipe:
        pipe.write(_line({"version": VERSION, "count": len(manifest.entries), **manifest.head}))
        for entry in manifest.entries:
            pipe.write(_line({key: value for key, value in asdict(entry).items() if value not in (0, "", [])}))
    return out.getvalue()


def decode(data: bytes, digest: str) -> Manifest:
    """Return the manifest when it is the one that was written, and safe; raises `Conflict`."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise Conflict("the snapshot is torn or was changed: its manifest does not have the recorded hash")
    try:
        lines = _lines(data)
        head = json.loads(next(lines))
        if head.get("version") != VERSION:
            raise Conflict(f"the snapshot is of version {head.get('version')}, this aetherd reads {VERSION}")
        entries = [Entry(**json.loads(line)) for line in lines]
        checked(entries, head)
    except (ValueError, TypeError, StopIteration, RecursionError, zstandard.ZstdError) as exc:
        raise Conflict(f"the snapshot is damaged: its manifest cannot be read: {exc}") from exc
    if len(entries) != head.get("count"):
        raise Conflict("the snapshot is damaged: its manifest is not whole")
    checked(entries, head)
    return Manifest(head, entries)


def named(data: bytes) -> set[str]:
    """Return the objects a manifest names, without reading it whole into objects; raises ZstdError."""
    found: set[str] = set()
    for line in _lines(data):
        found.update(name.decode() for name in OBJECT.findall(line))
    return found


def checked(entries: Iterable[Entry], head: dict[str, Any]) -> None:
    """Raise `Conflict` for anything that could reach beyond the directories that are built."""
    parts = {part["name"] for part in head.get("parts", [])}
    kinds: dict[tuple[str, str], str] = {}
    for entry in entries:
        why = _wrong(entry, parts, kinds) if len(kinds) < ENTRIES else f"more than {ENTRIES:,} entries"
        if why is not None:
            raise Conflict(f"the snapshot is refused: {entry.path[:200]!r}: {why}")
        kinds[entry.part, entry.path] = entry.kind


def _wrong(entry: Entry, parts: set[str], kinds: dict[tuple[str, str], str]) -> str | None:
    numbers = (entry.mode, entry.mtime, entry.uid, entry.size)
    if any(type(value) is not int for value in numbers) or not all(
        isinstance(value, str) for value in (entry.part, entry.path, entry.kind, entry.object, entry.to)
    ):
        return "a field is of another kind"
    if entry.part not in parts:
        return f"there is no part {entry.part!r}"
    if (entry.part, entry.path) in kinds:
        return "it stands twice"
    if entry.path == "":
        return None if entry.kind == "dir" else "a part is a directory"
    names = entry.path.split("/")
    if any(name in ("", ".", "..") for name in names) or "\0" in entry.path:
        return "that is no plain relative path"
    if len(names) > DEPTH or len(entry.path.encode("utf-8", "surrogateescape")) > PATH:
        return "it is too long or too deep"
    if kinds.get((entry.part, "/".join(names[:-1]))) != "dir":
        return "it does not lie in a directory that stands before it"
    if entry.kind not in ("file", "dir", "link", "same"):
        return f"there is no kind {entry.kind!r}"
    if entry.kind == "same" and kinds.get((entry.part, entry.to)) != "file":
        return "it is another name of something that is no file before it"
    if entry.kind == "link" and (not 0 < len(entry.to) <= PATH or "\0" in entry.to):
        return "a link that says nothing"
    if entry.kind == "file":
        return _wrong_file(entry)
    return None


def _wrong_file(entry: Entry) -> str | None:
    if not 0 <= entry.size <= LARGEST:
        return "it is too large"
    if (entry.object or entry.extents) and not DIGEST.fullmatch(entry.object):
        return "it names no object"
    if len(entry.extents) > EXTENTS:
        return "it has too many extents"
    at = 0
    for offset, length in entry.extents:
        if type(offset) is not int or type(length) is not int or offset < at or length <= 0:
            return "its extents are not in order"
        at = offset + length
    return "its extents reach past its end" if at > entry.size else None


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _lines(data: bytes) -> Iterator[bytes]:
    total = 0
    with io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(data)) as file:
        while line := file.readline(LINE):
            total += len(line)
            if total > MANIFEST or not line.endswith(b"\n"):
                raise ValueError("it is too large")
            yield line
