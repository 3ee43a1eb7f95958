"""Writes what changed in workspaces, and who wrote past whose reservation."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import AetherError
from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.events import WorkspaceChanged, WorkspaceConflictDetected
from aetherd.kernel.workspace.ports import Messages
from aetherd.kernel.workspace.sight import Difference, shown
from aetherd.kernel.workspace.tables import ConflictRow, MountRow, ReservationRow, WorkspaceRow
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

CHANGES = 10_000  # kept of a workspace
CONFLICTS = 200
AT_ONCE = 2_000  # changes recorded of one look: of a whole repository that appears, the newest
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a change: an agent, a person (`name` alone), or not known, with those it may have been."""

    agent: str | None = None
    name: str | None = None
    maybe: Mapping[str, str] = field(default_factory=dict)  # agent -> name


@dataclass(frozen=True, slots=True)
class Clash:
    """A change past a reservation."""

    change: Difference
    author: Author
    row: ReservationRow
    at: str


class Record:
    """The tables of changes and conflicts."""

    def __init__(self, store: Store, clock: Clock, book: Book, messages: Messages) -> None:
        self._store, self._clock, self._book, self._messages = store, clock, book, messages

    async def made(self, row: WorkspaceRow, changes: Sequence[Difference], author: Author, newest: int) -> None:
        """Record changes that came through fs.*, which kept to the reservations."""
        await self._write(row, [(one, author) for one in changes], "fs", newest)

    async def seen(self, row: WorkspaceRow, changes: Sequence[tuple[Difference, Author]], newest: int) -> None:
        """Record changes that a look found, and report those past a reservation to whom they concern."""
        await self._write(row, changes, "seen", newest)
        told = WorkspaceChanged(workspace=row.id, name=row.name, count=len(changes))
        await self._store.write(lambda tx: tx.emit(told))
        for one, author in changes:
            for held in self._clashes(row, one, author):
                await self._report(row, Clash(one, author, held, self._at(one)))

    async def agent_changed(self, agent: str, kind: str, event: Any) -> None:
        """Follow an agent that was given another name, or is gone for good."""

        def work(tx: Tx) -> None:
            for mount in tx.session.exec(select(MountRow).where(MountRow.agent == agent)).all():
                if kind == "agent.removed":
                    self._book.end_mount(tx, mount.workspace, agent)
                elif mount.name != event.name:
                    mount.name = event.name
                    self._book.put_mount(tx, mount)
            for held in tx.session.exec(select(ReservationRow).where(ReservationRow.agent == agent)).all():
                if kind == "agent.removed":
                    self._book.end_reservation(tx, held)
                elif held.holder != event.name:
                    held.holder = event.name
                    self._book.put_reservation(tx, held)

        if any(agent in mounts for mounts in self._book.mounts.values()):
            try:
                await self._store.write(work)
            except AetherError as exc:  # the disk is full, say: what is shown of it is old
                logger.warning("agent %s: what it has of workspaces is not up to date: %s", agent, exc.message)

    def _clashes(self, row: WorkspaceRow, one: Difference, author: Author) -> list[ReservationRow]:
        """Return the reservations a change went past; none where it may have been the holder's own."""
        when = time.time_ns() if one.seen is None else one.seen.changed
        held = list(self._book.reservations.at(row.id, one.path, when))
        if author.agent is None:
            return [each for each in held if each.agent is not None and each.agent not in author.maybe]
        if any(each.agent == author.agent for each in held):
            return []
        return held

    async def _report(self, row: WorkspaceRow, clash: Clash) -> None:
        """Write a conflict; when it is the first of its kind, tell both agents."""
        one, author, held = clash.change, clash.author, clash.row

        def work(tx: Tx) -> bool:
            found = tx.session.exec(
                select(ConflictRow).where(
                    ConflictRow.reservation == held.id,
                    ConflictRow.path == shown(one.path),
                    col(ConflictRow.by_agent).is_(author.agent)
                    if author.agent is None
                    else col(ConflictRow.by_agent) == author.agent,
                )
            ).first()
            if found is not None:
                found.count, found.at, found.kind = found.count + 1, clash.at, one.kind
                tx.session.add(found)
                return False
            tx.session.add(
                ConflictRow(
                    workspace=row.id,
                    reservation=held.id,
                    path=shown(one.path),
                    kind=one.kind,
                    holder=held.holder,
                    holder_agent=held.agent,
                    by=author.name,
                    by_agent=author.agent,
                    maybe=json.dumps(list(author.maybe.values()), ensure_ascii=False),
                    reason=held.reason,
                    first_at=clash.at,
                    at=clash.at,
                )
            )
            _prune(tx, "workspace_conflict", row.id, CONFLICTS)
            tx.emit(
                WorkspaceConflictDetected(
                    agent=held.agent,
                    pid=held.pid,
                    workspace=row.id,
                    name=row.name,
                    reservation=held.id,
                    path=shown(one.path),
                    kind=one.kind,
                    holder=held.holder,
                    by=author.name,
                    by_agent=author.agent,
                    maybe=list(author.maybe.values()),
                    changed_at=clash.at,
                )
            )
            return True

        if await self._store.write(work):
            await self._tell(row, clash)

    async def _tell(self, row: WorkspaceRow, clash: Clash) -> None:
        one, author, held = clash.change, clash.author, clash.row
        data: dict[str, object] = {
            "workspace": row.id,
            "path": shown(one.path),
            "kind": one.kind,
            "at": clash.at,
            "reservation": held.id,
            "holder": held.agent,
            "by": author.agent,
        }
        who = author.name or " or ".join(author.maybe.values()) or "somebody who is none of its agents"
        where = f"{shown(one.path)} in workspace {row.name}"
        if held.agent is not None:
            text = (
                f"{who} {one.kind} {where} at {clash.at}, past your reservation ({held.reason}). "
                "Look at the file before you go on."
            )
            await self._announce(held.agent, held.holder, text, data)
        if author.agent is not None and author.name is not None:
            text = (
                f"you {one.kind} {where} at {clash.at}, which {held.holder} has reserved ({held.reason}). Leave it "
                f"alone until they release it, or ask them; workspace.get shows who reserved what."
            )
            await self._announce(author.agent, author.name, text, data)

    async def _announce(self, agent: str, name: str, text: str, data: dict[str, object]) -> None:
        try:
            await self._messages.announce(agent, name, text, data)
        except Exception:  # the conflict itself is written
            logger.exception("agent %s could not be told of a conflict", agent)

    async def _write(
        self, row: WorkspaceRow, changes: Sequence[tuple[Difference, Author]], via: str, newest: int
    ) -> None:
        if len(changes) > AT_ONCE:
            logger.info("workspace %s: %d changes at once, the newest %d are recorded", row.id, len(changes), AT_ONCE)
        rows = [
            (
                row.id,
                shown(one.path),
                one.kind,
                author.agent,
                author.name,
                json.dumps(list(author.maybe.values()), ensure_ascii=False),
                via,
                self._at(one),
            )
            for one, author in changes[-AT_ONCE:]
        ]
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]

            def work(tx: Tx, part: list[tuple[object, ...]] = part) -> None:  # type: ignore[assignment]
                tx.cursor.executemany(
                    "INSERT INTO workspace_change (workspace, path, kind, agent, by, maybe, via, at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    part,
                )
                tx.execute("UPDATE workspace SET seen_ns = max(seen_ns, ?) WHERE id = ?", (newest, row.id))
                _prune(tx, "workspace_change", row.id, CHANGES)

            await self._store.write(work)
        row.seen_ns = max(row.seen_ns, newest)

    def _at(self, one: Difference) -> str:
        if one.seen is None:
            return stamp(self._clock.now())
        return stamp(datetime.fromtimestamp(one.seen.changed / 1e9, UTC))


def _prune(tx: Tx, table: str, workspace: str, keep: int) -> None:
    """Keep the newest rows of a workspace."""
    tx.execute(
        f"DELETE FROM {table} WHERE workspace = ? AND seq <= "
        f"(SELECT seq FROM {table} WHERE workspace = ? ORDER BY seq DESC LIMIT 1 OFFSET {keep})",
        (workspace, workspace),
    )
