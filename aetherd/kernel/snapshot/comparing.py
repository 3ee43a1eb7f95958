"""What differs between two snapshots, or between one and now. Blocking, but for what is asked of the store."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from sqlmodel import Session

from aetherd.core.errors import Conflict
from aetherd.events import EventLog
from aetherd.kernel.snapshot.manifest import Entry
from aetherd.kernel.snapshot.models import Difference, FileChange
from aetherd.kernel.snapshot.objects import Objects

SMALL = 64 << 10  # bytes of a file whose lines are compared
LINES = 2_000
TEXT = 8_000
TEXTS = 50  # files whose lines are shown
MESSAGES = 100
TYPES = ("agent.told", "agent.text", "agent.tool_call", "message.sent")
WORDS = 2_000  # characters kept of one of them


def compared(
    snapshot: str, other: str | None, old: list[Entry], new: list[Entry], objects: Objects, *, text: bool, limit: int
) -> Difference:
    """Compare two lists of entries."""
    files: list[FileChange] = []
    counts = {"added": 0, "removed": 0, "changed": 0}
    before, after = _by_path(old), _by_path(new)
    for path, was, now in _pairs(before, after):
        change = "added" if was is None else "removed" if now is None else "changed"
        counts[change] += 1
        if len(files) < limit:
            entry = now or was
            assert entry is not None
            lines = _lines(was, now, path, objects) if text and len(files) < TEXTS else None
            kind = "file" if entry.kind == "same" else entry.kind
            files.append(FileChange(path=path, change=change, kind=kind, bytes=entry.size, text=lines))
    more = sum(counts.values()) - len(files)
    return Difference(snapshot=snapshot, other=other, **counts, files=files, more=more, messages=[])


def said(session: Session, agent: str, after: int, until: int | None) -> list[dict[str, Any]]:
    """Return what was told to an agent and what it said between two positions of the log."""
    newest = EventLog.bounds(session)[1] if until is None else until
    page = EventLog.page(session, after=after, until=newest, limit=MESSAGES, types=TYPES, agent=agent)
    return [_short(json.loads(one.json)) for one in page]


def _short(event: dict[str, Any]) -> dict[str, Any]:
    data = {key: value[:WORDS] if isinstance(value, str) else value for key, value in event["data"].items()}
    if len(json.dumps(data)) > 4 * WORDS:
        data = {key: value for key, value in data.items() if isinstance(value, str | int | float)}
    return {"id": event["id"], "at": event["at"], "type": event["type"], "data": data}


def _by_path(entries: list[Entry]) -> dict[str, Entry]:
    whole = {(entry.part, entry.path): entry for entry in entries if entry.kind == "file"}
    found = {}
    for entry in entries:
        if not entry.path:
            continue
        name = entry.path if entry.part == "home" else f"{entry.part}/{entry.path}"
        name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found[name] = whole[entry.part, entry.to] if entry.kind == "same" else entry
    return found


def _pairs(before: dict[str, Entry], after: dict[str, Entry]) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    for path in sorted({*before, *after}):
        was, now = before.get(path), after.get(path)
        if was is None or now is None or _facts(was) != _facts(now):
            yield path, was, now


def _facts(entry: Entry) -> tuple[Any, ...]:
    return entry.kind, entry.mode, entry.size, entry.object, entry.extents, entry.to


def _lines(was: Entry | None, now: Entry | None, path: str, objects: Objects) -> str | None:
    try:
        old, new = _text(was, objects), _text(now, objects)
    except Conflict:
        return None
    if old is None or new is None:
        return None
    return "\n".join(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm=""))[:TEXT]


def _text(entry: Entry | None, objects: Objects) -> list[str] | None:
    if entry is None:
        return []
    if entry.kind != "file" or entry.extents or not entry.object or entry.size > SMALL:
        return None
    data = b"".join(objects.read(entry.object, entry.stored))
    if b"\0" in data:
        return None
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        return None
    return lines if len(lines) <= LINES else None
