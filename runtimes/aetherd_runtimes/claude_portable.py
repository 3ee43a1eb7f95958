"""Conversations of Claude Code as files: what a snapshot keeps of them, and how one is copied for a fork.

A conversation is `.claude/projects/<key of the working directory>/<session>.jsonl`, with a directory of its own name
beside it for long results. Claude Code finds it by the directory it is started in, so a fork is put under that key.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from aetherd.core.errors import Conflict
from aetherd.core.openat import openat2
from aetherd.core.portable import Keeping

LONGEST = 200  # characters of a key; a longer one is cut and ends in a hash
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
SECRET = ("customApiKeyResponses", "oauthAccount", "primaryApiKey")
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def without_secrets(data: bytes) -> bytes:
    """Return `.claude.json` without what tells of a key; nothing when it cannot be read."""
    try:
        value = json.loads(data)
        return json.dumps({key: one for key, one in value.items() if key not in SECRET}).encode()
    except (ValueError, AttributeError, RecursionError):
        return b"{}"


KEEPING = Keeping(
    secrets=(".claude/.credentials.json", ".claude/.credentials.json.*", ".claude/backups/*", ".claude/.claude.json.*"),
    private=(".claude", ".claude/*", ".tmp", ".tmp/*", ".run", ".run/*", ".cache", ".cache/*"),
    lines=(".claude/projects/*.jsonl",),
    clean={".claude/.claude.json": without_secrets},
)


def key(cwd: Path) -> str:
    """Return the name of the directory in which Claude Code keeps conversations held in `cwd`."""
    plain = re.sub(r"[^a-zA-Z0-9]", "-", str(cwd))
    if len(plain) <= LONGEST:
        return plain
    number = 0
    for letter in str(cwd):
        number = (number * 31 + ord(letter)) & 0xFFFFFFFF
    number = abs(number - (1 << 32) if number >= 1 << 31 else number)
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return f"{plain[:LONGEST]}-{digits or '0'}"


def copy(home: Path, session: str, fresh: str, cwd: tuple[Path, Path]) -> None:
    """Copy a conversation to another id and working directory; the home is nobody's yet. Raises `Conflict`."""
    root = os.open(home, DIRECTORY | os.O_CLOEXEC)
    try:
        above = os.fstat(root)
        try:
            projects = openat2(root, ".claude/projects", DIRECTORY, links=False)
        except OSError as exc:
            raise Conflict("the snapshot holds no conversation of Claude Code") from exc
        try:
            _copy(projects, session, fresh, cwd, above.st_uid, above.st_gid)
        finally:
            os.close(projects)
    finally:
        os.close(root)


def _copy(projects: int, session: str, fresh: str, cwd: tuple[Path, Path], uid: int, gid: int) -> None:
    old, new = key(cwd[0]), key(cwd[1])
    if "/" in session or session in ("", ".", ".."):
        raise Conflict("that is no conversation of Claude Code")
    try:
        descriptor = openat2(projects, f"{old}/{session}.jsonl", os.O_RDONLY | os.O_NOFOLLOW, links=False)
    except OSError as exc:
        raise Conflict(f"the snapshot does not hold the conversation {session}") from exc
    with suppress(FileExistsError):
        os.mkdir(new, 0o700, dir_fd=projects)
    place = openat2(projects, new, DIRECTORY, links=False)
    try:
        os.fchown(place, uid, gid)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(descriptor, "rb") as source, open(os.open(f"{fresh}.jsonl", flags, 0o600, dir_fd=place), "wb") as out:
            for line in source:
                out.write(_renamed(line, session, fresh, cwd))
            os.fchown(out.fileno(), uid, gid)
        with suppress(OSError):  # long results: not every conversation has them
            source_dir = Path(f"/proc/self/fd/{projects}/{old}/{session}")
            if not source_dir.is_symlink() and source_dir.is_dir():
                target = Path(f"/proc/self/fd/{place}/{fresh}")
                shutil.copytree(source_dir, target, symlinks=True)
                for folder, names, files in os.walk(target):
                    for name in (".", *names, *files):
                        os.chown(os.path.join(folder, name), uid, gid, follow_symlinks=False)
    finally:
        os.close(place)


def _renamed(line: bytes, session: str, fresh: str, cwd: tuple[Path, Path]) -> bytes:
    """Return a line of the copy: it belongs to the new conversation, and later ones are held in the new directory."""
    try:
        entry = json.loads(line)
        if entry.get("sessionId") == session:
            entry["sessionId"] = fresh
        if entry.get("cwd") == str(cwd[0]):
            entry["cwd"] = str(cwd[1])
        return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
    except (ValueError, AttributeError, RecursionError):
        return line
