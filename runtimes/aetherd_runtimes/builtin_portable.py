"""Conversations of the builtin agent as files: what a snapshot keeps of them, and how one is copied for a fork."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from aetherd.core.errors import Conflict
from aetherd.core.openat import openat2
from aetherd.core.portable import Keeping

PLACE = ".builtin"  # below the home; the record of a conversation is its id with .jsonl
KEEPING = Keeping(private=(PLACE, f"{PLACE}/*"), lines=(f"{PLACE}/*.jsonl",))


def copy(home: Path, session: str, fresh: str) -> None:
    """Copy a conversation to another id; the home is nobody's yet. Raises `Conflict`."""
    if "/" in session or session in ("", ".", ".."):
        raise Conflict("that is no conversation of the builtin agent")
    root = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            place = openat2(root, PLACE, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, links=False)
        except OSError as exc:
            raise Conflict("the snapshot holds no conversation of the builtin agent") from exc
        try:
            _copy(place, session, fresh, os.fstat(root))
        finally:
            os.close(place)
    finally:
        os.close(root)


def _copy(place: int, session: str, fresh: str, above: os.stat_result) -> None:
    try:
        descriptor = openat2(place, f"{session}.jsonl", os.O_RDONLY | os.O_NOFOLLOW, links=False)
    except OSError as exc:
        raise Conflict(f"the snapshot does not hold the conversation {session}") from exc
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(descriptor, "rb") as source, open(os.open(f"{fresh}.jsonl", flags, 0o600, dir_fd=place), "wb") as out:
        shutil.copyfileobj(source, out)
        os.fchown(out.fileno(), above.st_uid, above.st_gid)
