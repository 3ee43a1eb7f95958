"""Workspaces as they are shown."""

from __future__ import annotations

import json
from pathlib import Path

from sqlmodel import Session, col, select

from aetherd.core.clock import stamp
from aetherd.core.model import position
from aetherd.kernel.workspace import models as m
from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.ports import Processes
from aetherd.kernel.workspace.tables import ChangeRow, ConflictRow, MountRow, ReservationRow, WorkspaceRow
from aetherd.kernel.workspace.watcher import Watcher
from aetherd.store import Store

CONFLICTS = 20


class View:
    """Rows on their way to the wire."""

    def __init__(self, store: Store, book: Book, watcher: Watcher, processes: Processes, ground: Path) -> None:
        self._store, self._book, self._watcher = store, book, watcher
        self._processes, self._ground = processes, ground

    async def workspace(self, row: WorkspaceRow) -> m.Workspace:
        """Return one with all that belongs to it."""

        def query(session: Session) -> list[ConflictRow]:
            rows = select(ConflictRow).where(ConflictRow.workspace == row.id)
            return list(session.exec(rows.order_by(col(ConflictRow.seq).desc()).limit(CONFLICTS)))

        conflicts, picture = await self._store.read(query), self._watcher.picture(row.id)
        mounts = sorted(self._book.mounts[row.id].values(), key=lambda mount: mount.created_at)
        return m.Workspace(
            id=row.id,
            name=row.name,
            description=row.description,
            path=str(self._ground / row.id),
            agent=row.agent,
            created_at=row.created_at,
            mounts=[self.mounted(row, mount) for mount in mounts],
            reservations=[self.reservation(one) for one in self._book.reservations.of(row.id)],
            conflicts=[_conflict(one) for one in conflicts],
            files=None if picture is None else len(picture.files),
            bytes=None if picture is None else picture.bytes,
        )

    def mounted(self, row: WorkspaceRow, mount: MountRow) -> m.Mounted:
        """Return who has it, and since when really."""
        living = self._processes.living(mount.agent)
        fresh = [one.pid for one in living if (one.begun_at or "") >= mount.created_at]
        live = bool(living) and (not self._watcher.own_uids or len(fresh) == len(living))
        where = "its fs tools reach it now; its own programs "
        if live:
            note = where + "too"
        elif living:
            note = where + f"from its next start: process {living[-1].pid} was started before"
        else:
            note = where + "when it is started"
        if mount.mode == "ro" and not self._watcher.own_uids:
            note += "; ro holds for fs tools only, because agents share the daemon's uid here"
        return m.Mounted.model_validate(
            {
                "workspace": row.id,
                "agent": mount.agent,
                "name": mount.name,
                "mode": mount.mode,
                "path": str(self._ground / row.id),
                "since": mount.created_at,
                "pid": living[-1].pid if living else None,
                "live": live,
                "from": "now" if live else "next start",
                "note": note,
            }
        )

    def left(self, agent: str, mount: MountRow | None) -> str:
        """Say what an agent still reaches of a workspace it no longer has."""
        living = self._processes.living(agent)
        if not self._watcher.own_uids:
            return "agents share the daemon's uid here: its own programs can still reach the directory"
        if mount is not None and any((one.begun_at or "") >= mount.created_at for one in living):
            return f"its own programs in process {living[-1].pid} still reach it, until that ends"
        return "nothing of it reaches the workspace any more"

    def reservation(self, row: ReservationRow) -> m.Reservation:
        """Return one reservation."""
        return m.Reservation(**row.model_dump(exclude={"began_ns"}))

    async def changes(self, row: WorkspaceRow, input: m.Changes, agent: str | None, complete: bool) -> m.ChangesPage:
        """Return a page of changes, oldest first: those after the cursor, or the newest."""
        after = None if input.cursor is None else position(input.cursor, 0)

        def query(session: Session) -> tuple[list[ChangeRow], int]:
            rows = select(ChangeRow).where(ChangeRow.workspace == row.id)
            if agent is not None:
                rows = rows.where(ChangeRow.agent == agent)
            if input.since is not None:
                rows = rows.where(ChangeRow.at >= stamp(input.since))
            if after is not None:
                rows = rows.where(col(ChangeRow.seq) > after)
            order = (
                col(ChangeRow.seq).asc() if after is not None or input.since is not None else col(ChangeRow.seq).desc()
            )
            newest = select(ChangeRow.seq).order_by(col(ChangeRow.seq).desc()).limit(1)
            return list(session.exec(rows.order_by(order).limit(input.limit + 1))), session.exec(newest).first() or 0

        found, newest = await self._store.read(query)
        forward = after is not None or input.since is not None
        more = len(found) > input.limit
        found = found[: input.limit]
        if not forward:
            found.reverse()
        last = found[-1].seq if found and forward and more else max(newest, after or 0)
        return m.ChangesPage(
            changes=[
                m.Change(
                    path=one.path,
                    kind=one.kind,
                    agent=one.agent,
                    by=one.by,
                    maybe=json.loads(one.maybe),
                    via=one.via,
                    at=one.at,
                )
                for one in found
            ],
            cursor=str(last),
            more=more and forward,
            complete=complete,
        )


def _conflict(row: ConflictRow) -> m.Conflict:
    facts = row.model_dump(exclude={"seq", "workspace", "reservation", "maybe"})
    return m.Conflict(**facts, maybe=json.loads(row.maybe))
