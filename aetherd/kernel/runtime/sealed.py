"""A directory that is written once, with checksums of all that is in it, so that damage is found. All of it blocks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HEAD, FILES = "install.json", "files.json"
DAMAGES = 20  # told at most


def seal(place: Path, head: Mapping[str, Any]) -> dict[str, Any]:
    """List every file with its checksum and let everybody read them; `head` is written last, as what makes it whole."""
    listed: dict[str, str] = {}
    size = 0
    os.chmod(place, 0o755)
    for name, path in _walk(place):
        if path.is_symlink():
            listed[name] = "-> " + os.readlink(path)
            continue
        found = path.stat()
        if found.st_mode & 0o777 != (mode := 0o755 if found.st_mode & 0o111 else 0o644):
            path.chmod(mode)
        listed[name] = _digest(path)
        size += found.st_size
    files = json.dumps(listed, separators=(",", ":")).encode()
    whole = {**head, "files": len(listed), "bytes": size, "digest": hashlib.sha256(files).hexdigest()}
    _write(place / FILES, files)
    _write(place / HEAD, json.dumps(whole, indent=1).encode())
    return whole


def head_of(place: Path) -> dict[str, Any] | None:
    """Return what was written of a directory; None when it is not whole."""
    try:
        found = json.loads((place / HEAD).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "digest" in found else None


def damage(place: Path) -> list[str]:
    """Read every file again and name what is missing or different, the first 20; empty when it is as it was sealed."""
    head = head_of(place)
    if head is None:
        return [f"{HEAD}: missing or unreadable"]
    try:
        files = (place / FILES).read_bytes()
    except OSError:
        return [f"{FILES}: missing"]
    if hashlib.sha256(files).hexdigest() != head["digest"]:
        return [f"{FILES}: different"]
    found: list[str] = []
    for name, digest in json.loads(files).items():
        path = place / name
        try:
            now = "-> " + os.readlink(path) if path.is_symlink() else _digest(path)
        except OSError:
            found.append(f"{name}: missing")
        else:
            if now != digest:
                found.append(f"{name}: different")
        if len(found) == DAMAGES:
            break
    return found


def _walk(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file and link by its path in the directory; directories are opened to everybody."""
    for folder, folders, names in os.walk(place):
        for name in folders:
            if not os.path.islink(inner := os.path.join(folder, name)):
                os.chmod(inner, 0o755)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*names, *links]:
            path = Path(folder, name)
            if (relative := str(path.relative_to(place))) not in (HEAD, FILES):
                yield relative, path


def _digest(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a file that is on the disk, whole, before its name is."""
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(0o644)
    os.replace(beside, path)
