"""Making and ending reservations."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlmodel import select

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Conflict, Exhausted, Forbidden, NotFound
from aetherd.core.ids import new_id
from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.events import WorkspaceReleased, WorkspaceReserved
from aetherd.kernel.workspace.models import Release, Reserve
from aetherd.kernel.workspace.reservations import Party, overlap, refusal, told
from aetherd.kernel.workspace.tables import ReservationRow, WorkspaceRow
from aetherd.operations.operation import Call
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

RESERVATIONS = 500  # of one workspace
SWEEP_S = 5.0


class Holding:
    """The rows of reservations; all but `sweep` runs inside a transaction."""

    def __init__(self, store: Store, clock: Clock, book: Book) -> None:
        self._store, self._clock, self._book = store, clock, book

    def reserve(
        self, tx: Tx, row: WorkspaceRow, path: str, input: Reserve, party: Party, pid: int | None
    ) -> ReservationRow:
        """Make a reservation, or renew the party's own of this path; `Conflict` says who else has what of it."""
        now = self._clock.now()
        rows = tx.session.exec(select(ReservationRow).where(ReservationRow.workspace == row.id)).all()
        living = [one for one in rows if one.expires_at > stamp(now)]
        for other in living:
            shared = other.mode == input.mode == "shared"
            if not party.holds(other) and not shared and overlap(other, path, input.tree):
                raise Conflict(refusal(other, "reserve it shared too"), **told(other))
        held = next((one for one in living if party.holds(one) and (one.path, one.tree) == (path, input.tree)), None)
        if held is None:
            if len(rows) >= RESERVATIONS:
                raise Exhausted(f"{RESERVATIONS} paths are reserved in workspace {row.name}; release some")
            held = ReservationRow(
                id=new_id("reservation"),
                workspace=row.id,
                path=path,
                tree=input.tree,
                mode=input.mode,
                agent=party.agent,
                holder=party.name,
                reason=input.reason,
                began_ns=int(now.timestamp() * 1e9),
                created_at=stamp(now),
                expires_at="",
            )
        held.mode, held.reason, held.pid = input.mode, input.reason, pid
        held.expires_at = stamp(now + timedelta(seconds=input.ttl_s))
        self._book.put_reservation(tx, held)
        tx.emit(
            WorkspaceReserved(
                agent=held.agent,
                pid=pid,
                workspace=row.id,
                reservation=held.id,
                path=path,
                tree=held.tree,
                mode=held.mode,
                holder=held.holder,
                reason=held.reason,
                expires_at=held.expires_at,
            )
        )
        return held

    def release(
        self, tx: Tx, row: WorkspaceRow, path: str | None, input: Release, party: Party, call: Call
    ) -> list[str]:
        """End those that are named and the party's own, or with an id anybody's when a person asks."""
        rows = tx.session.exec(select(ReservationRow).where(ReservationRow.workspace == row.id)).all()
        if input.reservation is not None:
            found = [one for one in rows if one.id == input.reservation]
            if not found:
                raise NotFound(
                    f"no reservation {input.reservation}; workspace.get shows those there are",
                    kind="reservation",
                    id=input.reservation,
                )
            if not party.holds(found[0]) and call.agent is not None:
                raise Forbidden(f"it is {found[0].holder}'s reservation", **told(found[0]))
        else:
            found = [one for one in rows if party.holds(one) and path in (None, one.path)]
            if path is not None and not found:
                raise NotFound(f"you have not reserved {path}", kind="reservation", id=path)
        return [self._end(tx, one, f"released by {call.actor}") for one in found]

    def unmounted(self, tx: Tx, workspace: str, agent: str) -> list[str]:
        """End those of an agent that no longer has the workspace."""
        rows = select(ReservationRow).where(ReservationRow.workspace == workspace, ReservationRow.agent == agent)
        return [self._end(tx, held, "it was unmounted") for held in tx.session.exec(rows).all()]

    def process_ended(self, tx: Tx, pid: int, reason: str) -> None:
        """End what a process had reserved."""
        for row in tx.session.exec(select(ReservationRow).where(ReservationRow.pid == pid)).all():
            self._end(tx, row, reason)

    async def sweep(self) -> None:
        """End those whose time is up, for ever."""
        while True:
            await self._clock.sleep(SWEEP_S)
            for row in [one for one in self._book.reservations if one.expires_at <= stamp(self._clock.now())]:
                if (found := self._book.rows.get(row.workspace)) is None:  # removed meanwhile
                    continue
                origin.set(Origin("system", None, found.user, found.org))
                try:
                    await self._store.write(self._expire(row.id))
                except AetherError as exc:  # the disk is full, say: the next sweep tries again
                    logger.debug("reservation %s is not ended: %s", row.id, exc.message)

    def _expire(self, key: str) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            row = tx.session.get(ReservationRow, key)
            if row is not None and row.expires_at <= stamp(self._clock.now()):  # not renewed meanwhile
                self._end(tx, row, "its time is up")

        return work

    def _end(self, tx: Tx, row: ReservationRow, reason: str) -> str:
        tx.emit(
            WorkspaceReleased(
                agent=row.agent,
                pid=row.pid,
                workspace=row.workspace,
                reservation=row.id,
                path=row.path,
                holder=row.holder,
                reason=reason,
            )
        )
        self._book.end_reservation(tx, row)
        return row.id
