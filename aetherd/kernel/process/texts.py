"""Texts on their way to a runtime: who else follows them, and which of them nobody knows to have been read."""

from __future__ import annotations

from typing import Protocol

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from aetherd.kernel.process.tables import InputRow, ProcessRow
from aetherd.store import Tx


class TextHook(Protocol):
    """What another room does in the transaction in which a text that came with a key gets on."""

    def __call__(self, tx: Tx, key: str, pid: int, state: str) -> None:
        """Change rows; no waiting. `queued` for that process, `delivered`, or `failed`: it ended untold."""
        ...


def again(tx: Tx, item: InputRow) -> None:
    """Have an input sent as if it never had been; its id stays, by which a runtime knows what it has."""
    item.state, item.incarnation, item.frame = "queued", None, None
    tx.session.add(item)


def unread(row: ProcessRow, incarnation: int) -> SelectOfScalar[InputRow]:
    """Select the keyed texts that an incarnation took and never said to have read."""
    return select(InputRow).where(InputRow.pid == row.pid, InputRow.incarnation == incarnation, _TAKEN)


def untold(row: ProcessRow) -> SelectOfScalar[InputRow]:
    """Select what a process that ends was not told, or took and never said to have read."""
    return select(InputRow).where(InputRow.pid == row.pid, col(InputRow.state).in_(("queued", "sending")) | _TAKEN)


# A runtime without `echo` never says so: what its shim took counts as delivered (inputs.py).
_TAKEN = (col(InputRow.state) == "sent") & (col(InputRow.kind) == "say") & col(InputRow.key).is_not(None)
