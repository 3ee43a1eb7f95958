"""What is written of workspaces, in memory: who has which, and who reserved what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from sqlmodel import Session, col, select

from aetherd.kernel.workspace.reservations import Reservations
from aetherd.kernel.workspace.tables import MountRow, ReservationRow, WorkspaceRow
from aetherd.store import Store, Tx

Row = TypeVar("Row", WorkspaceRow, MountRow, ReservationRow)


class Book:
    """Living workspaces, their mounts and reservations; changed only when a commit stands."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.rows: dict[str, WorkspaceRow] = {}
        self.mounts: defaultdict[str, dict[str, MountRow]] = defaultdict(dict)
        self.reservations = Reservations()

    async def load(self) -> None:
        """Read what was written before this start."""

        def query(session: Session) -> tuple[list[WorkspaceRow], list[MountRow], list[ReservationRow]]:
            living = select(WorkspaceRow).where(col(WorkspaceRow.removed_at).is_(None))
            return (
                list(session.exec(living)),
                list(session.exec(select(MountRow))),
                list(session.exec(select(ReservationRow))),
            )

        rows, mounts, reservations = await self._store.read(query)
        self.rows = {row.id: row for row in rows}
        for mount in mounts:
            self.mounts[mount.workspace][mount.agent] = mount
        for reservation in reservations:
            self.reservations.keep(reservation)

    def of_agent(self, agent: str) -> Iterator[tuple[WorkspaceRow, MountRow]]:
        """Return the workspaces an agent has."""
        for key, mounts in list(self.mounts.items()):
            if (mount := mounts.get(agent)) is not None and (row := self.rows.get(key)) is not None:
                yield row, mount

    # Inside a transaction ---------------------------------------------------------------------------

    def put(self, tx: Tx, row: WorkspaceRow) -> None:
        """Write a workspace."""
        tx.session.add(row)
        kept = _copy(row)
        tx.after(lambda: self.rows.update({kept.id: kept}))

    def put_mount(self, tx: Tx, mount: MountRow) -> None:
        """Write who has it."""
        tx.session.add(mount)
        kept = _copy(mount)
        tx.after(lambda: self.mounts[kept.workspace].update({kept.agent: kept}))

    def put_reservation(self, tx: Tx, row: ReservationRow) -> None:
        """Write who reserved what."""
        tx.session.add(row)
        kept = _copy(row)
        tx.after(lambda: self.reservations.keep(kept))

    def end_mount(self, tx: Tx, workspace: str, agent: str) -> bool:
        """Take a workspace from an agent; False when it had it not."""
        mount = tx.session.get(MountRow, (workspace, agent))
        if mount is None:
            return False
        tx.session.delete(mount)
        tx.after(lambda: self.mounts[workspace].pop(agent, None))
        return True

    def end_reservation(self, tx: Tx, row: ReservationRow) -> None:
        """End a reservation."""
        kept = _copy(row)
        tx.session.delete(row)
        tx.after(lambda: self.reservations.drop(kept))

    def end(self, tx: Tx, row: WorkspaceRow) -> None:
        """End a workspace with all its mounts and reservations."""
        tx.session.add(row)
        for mount in tx.session.exec(select(MountRow).where(MountRow.workspace == row.id)).all():
            self.end_mount(tx, row.id, mount.agent)
        for held in tx.session.exec(select(ReservationRow).where(ReservationRow.workspace == row.id)).all():
            self.end_reservation(tx, held)
        tx.after(lambda: self.rows.pop(row.id, None))


def _copy(row: Row) -> Row:
    return type(row)(**row.model_dump())
