"""Telling a runtime things, each at most once, in order, over crashes of the daemon.

An input is a row before it is bytes. It gets a frame number that is committed before the shim sees it; the
shim takes a number once. After a crash the shim says which numbers it has, so nothing is told twice.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Protocol

import anyio
from sqlalchemy import literal_column
from sqlmodel import Session, col, select

from aetherd.kernel.process.tables import IncarnationRow, InputRow, ProcessRow
from aetherd.runtime import Answer, Decoder, Input, Interrupt, Say
from aetherd.shim.client import Shim, ShimError
from aetherd.store import Tx

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

logger = logging.getLogger(__name__)

FULL_S = 0.1  # wait before another try when the runtime does not read its input


class Supervised(Protocol):
    """Whose inputs are sent."""

    pid: int
    row: ProcessRow
    decoding: anyio.Lock

    def notice(self) -> None:
        """Wake everybody who waits for a change."""
        ...


class Sender:
    """The input side of one supervisor."""

    def __init__(self, workshop: Workshop, supervisor: Supervised) -> None:
        self._w, self._s = workshop, supervisor
        self._wake = anyio.Event()
        self._order = anyio.Lock()  # frame numbers are given and sent in order

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def serve(self, shim: Shim, inc: IncarnationRow, decoder: Decoder) -> None:
        """Send what is due, for as long as the incarnation lives."""
        await self._settle(shim, inc)
        while True:
            self._wake = anyio.Event()
            self._s.row = await self._w.read_row(self._s.pid)
            held = False  # a queued text waits: the turn may end meanwhile, and a later one must not overtake it
            for item in await self._w.store.read(lambda session: _waiting(session, self._s.pid, inc.number)):
                queued = item.kind == "say" and item.priority == "queue"
                due = self._due(item, inc) and not (queued and held)
                held |= queued and not due
                if due:
                    async with self._order:
                        await self._send(shim, inc, decoder, item)
            await self._wake.wait()

    async def interrupt(self) -> None:
        """Queue an interrupt of the turn."""

        def work(tx: Tx) -> None:
            self._w.record.add_input(tx, self._w.record.row(tx, self._s.pid), "interrupt", "", by="aetherd")

        await self._w.store.write(work)
        self.wake()

    async def close(self, shim: Shim, inc: IncarnationRow, decoder: Decoder) -> None:
        """Ask the runtime for a clean end."""
        async with self._order:
            async with self._s.decoding:
                last_words = decoder.close()
            if last_words:
                await self._give(shim, inc, last_words, None)
            frame = await self._number(inc, None)
            try:
                await shim.close_stdin(frame)
            except ShimError as exc:
                logger.debug("process %d: %s", self._s.pid, exc)

    async def _settle(self, shim: Shim, inc: IncarnationRow) -> None:
        """Note after a crash what the shim has taken as sent; send what it has not again under its number."""
        if inc.frame == 0 and shim.hello.last_input == 0:
            return  # fresh: nothing of it was ever sent

        def work(tx: Tx) -> None:
            row = self._w.record.row(tx, self._s.pid)
            query = select(InputRow).where(
                InputRow.pid == self._s.pid, InputRow.state == "sending", InputRow.incarnation == inc.number
            )
            for item in tx.session.exec(query):
                if item.frame is not None and item.frame <= shim.hello.last_input:
                    self._w.record.told(tx, row, item, self._taken(item))
                else:
                    item.state = "queued"
                    tx.session.add(item)

        await self._w.store.write(work)
        inc.frame = max(inc.frame, shim.hello.last_input)

    def _due(self, item: InputRow, inc: IncarnationRow) -> bool:
        if item.kind != "say":
            return inc.mode == "headless"
        if inc.mode != "headless" or self._s.row.want != "headless":
            return False  # a person has the keyboard
        if self._s.row.limited_until is not None:
            return False  # it would only reach its limit once more
        return item.priority != "queue" or not self._s.row.turn

    async def _send(self, shim: Shim, inc: IncarnationRow, decoder: Decoder, item: InputRow) -> None:
        async with self._s.decoding:
            data = decoder.encode(_message(item))
        if data is None:
            await self._finish(item, "failed")
            return
        status = await self._give(shim, inc, data, item)
        await self._finish(item, self._taken(item) if status in ("accepted", "duplicate") else "queued")

    def _taken(self, item: InputRow) -> str:
        """Return how far an input is that the shim has: a runtime that says what it reads has yet to say so."""
        echo = item.kind != "say" or self._w.adapter(self._s.row.runtime).capabilities.echo
        return "sent" if echo else "delivered"

    async def _give(self, shim: Shim, inc: IncarnationRow, data: bytes, item: InputRow | None) -> str:
        frame = await self._number(inc, item)
        while True:
            try:
                status = await shim.send(frame, data)
            except (ShimError, ValueError) as exc:
                logger.warning("process %d: input not taken: %s", self._s.pid, exc)
                return "closed"
            if status != "full":
                return status
            await anyio.sleep(FULL_S)

    async def _number(self, inc: IncarnationRow, item: InputRow | None) -> int:
        """Give the next frame number, durable before it is used."""
        if item is not None and item.incarnation == inc.number and item.frame is not None:
            return item.frame  # the try before the crash; the shim drops it if it got through
        frame = inc.frame + 1

        def work(tx: Tx) -> None:
            tx.execute(
                "UPDATE process_incarnation SET frame = ? WHERE pid = ? AND number = ?", (frame, inc.pid, inc.number)
            )
            if item is not None:
                tx.execute(
                    "UPDATE process_input SET state = 'sending', incarnation = ?, frame = ? WHERE id = ?",
                    (inc.number, frame, item.id),
                )

        await self._w.store.write(work)
        inc.frame = frame
        return frame

    async def _finish(self, item: InputRow, state: str) -> None:
        def work(tx: Tx) -> None:
            stored = tx.session.get_one(InputRow, item.id)
            if stored.state != "delivered":
                self._w.record.told(tx, self._w.record.row(tx, self._s.pid), stored, state)

        await self._w.store.write(work)
        self._s.notice()


def _waiting(session: Session, pid: int, incarnation: int) -> list[InputRow]:
    """Return what is due in its order: what has its frame number already, then answers and interrupts, then texts.

    A number that comes after a higher one is a duplicate to the shim, which would drop it untold.
    """
    query = select(InputRow).where(InputRow.pid == pid, col(InputRow.state).in_(("queued", "sending")))
    rows = list(session.exec(query.order_by(literal_column("rowid"))))  # as written, whatever the clock did

    def order(item: InputRow) -> tuple[bool, int, bool]:
        numbered = item.incarnation == incarnation and item.frame is not None
        return not numbered, item.frame or 0 if numbered else 0, item.kind == "say"

    return sorted(rows, key=order)


def _message(item: InputRow) -> Input:
    if item.kind == "interrupt":
        return Interrupt(item.id)
    if item.kind == "answer":
        fields = json.loads(item.text)
        return Answer(
            request=str(fields["request"]).partition("/")[2],
            allow=bool(fields["allow"]),
            for_run=bool(fields.get("for_run")),
            reason=fields.get("reason"),
            input=fields.get("input"),
            tool=fields.get("tool"),
        )
    return Say(item.id, item.text, item.priority)  # type: ignore[arg-type]
