"""Zip and tar, read in memory entry by entry: what is not a plain file in its place is refused. Blocking."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping

from aetherd.core.errors import Invalid
from aetherd.kernel.skill.tree import BYTES, FILES, File, Growing, checked_path

PACKED = 8 << 20  # bytes of an archive
ENTRIES = FILES * 4  # directories count here too
STREAM = BYTES + ENTRIES * 4096  # bytes of a tar with its headers
PACKERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))
WRONG = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
PASSWORD = (NotImplementedError, RuntimeError)  # also an unknown way of packing


def unpack(data: bytes) -> Mapping[str, File]:
    """Return the files of a zip or tar (also gz, bz2, xz); raises `Invalid` for anything odd."""
    if len(data) > PACKED:
        raise Invalid(f"the archive has {len(data):,} bytes, at most {PACKED:,}", limit=PACKED)
    try:
        return _zip(data) if zipfile.is_zipfile(io.BytesIO(data)) else _tar(_stream(data))
    except (*WRONG, *PASSWORD) as exc:
        raise Invalid(f"it is no zip or tar archive that can be read: {str(exc)[:200]}") from exc


def _zip(data: bytes) -> Mapping[str, File]:
    found = Growing()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        _bounded(len(entries))
        for entry in entries:
            name, mode = entry.orig_filename, entry.external_attr >> 16
            folder = name.endswith("/")
            _plain(name, mode, folder)
            if folder:
                checked_path(name.rstrip("/"))
                continue
            left = found.room(name, entry.file_size)
            with archive.open(entry) as file:
                found.add(name, file.read(left + 1), bool(mode & 0o111))
    return found.done()


def _stream(data: bytes) -> bytes:
    """Return a tar without its packing; a bomb ends at the bound."""
    for magic, opened in PACKERS:
        if data.startswith(magic):
            with opened(io.BytesIO(data)) as file:
                data = file.read(STREAM + 1)
    if len(data) > STREAM:
        raise Invalid(f"the archive unpacks to more than {BYTES:,} bytes", limit=BYTES)
    return data


def _tar(data: bytes) -> Mapping[str, File]:
    found, count = Growing(), 0
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for entry in archive:
            count += 1
            _bounded(count)
            name = entry.name.removeprefix("./")
            _plain(name, (stat.S_IFDIR if entry.isdir() else stat.S_IFREG) | entry.mode, entry.isdir())
            if entry.isdir():
                if name not in ("", "."):
                    checked_path(name)
                continue
            if not entry.isreg():
                raise Invalid(f"{name[:100]!r} in the archive is a link or a device; only plain files are taken")
            left = found.room(name, entry.size)
            file = archive.extractfile(entry)
            found.add(name, b"" if file is None else file.read(left + 1), bool(entry.mode & 0o111))
    return found.done()


def _bounded(count: int) -> None:
    if count > ENTRIES:
        raise Invalid(f"the archive has more than {ENTRIES:,} entries", limit=ENTRIES)


def _plain(name: str, mode: int, folder: bool) -> None:
    kind = stat.S_IFMT(mode)
    if kind and kind != (stat.S_IFDIR if folder else stat.S_IFREG):
        raise Invalid(f"{name[:100]!r} in the archive is a link or a device; only plain files are taken")
    if mode & (stat.S_ISUID | stat.S_ISGID) and not folder:
        raise Invalid(f"{name[:100]!r} in the archive is setuid or setgid")
