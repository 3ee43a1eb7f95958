"""Who keeps others off which path: what is written, in memory, for checks in worker threads."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from aetherd.core.errors import Conflict
from aetherd.kernel.workspace.sight import covers
from aetherd.kernel.workspace.tables import ReservationRow

PAST = 1000  # ended ones that are remembered: what was written meanwhile may be found only later


@dataclass(frozen=True, slots=True)
class Party:
    """Who reserves or writes: an agent, or a person."""

    agent: str | None
    name: str

    def holds(self, row: ReservationRow) -> bool:
        """Tell whether a reservation is theirs."""
        return row.agent == self.agent and (self.agent is not None or row.holder == self.name)


class Reservations:
    """All that hold, and some that held."""

    def __init__(self) -> None:
        self._held: defaultdict[str, dict[str, ReservationRow]] = defaultdict(dict)
        self._past: deque[tuple[ReservationRow, int]] = deque(maxlen=PAST)

    def keep(self, row: ReservationRow) -> None:
        """Remember one as it is written."""
        self._held[row.workspace][row.id] = row

    def drop(self, row: ReservationRow) -> None:
        """Remember that one ended."""
        if self._held[row.workspace].pop(row.id, None) is not None:
            self._past.append((row, time.time_ns()))

    def of(self, workspace: str) -> list[ReservationRow]:
        """Return those of a workspace, oldest first."""
        return sorted(self._held[workspace].values(), key=lambda row: row.id)

    def __iter__(self) -> Iterator[ReservationRow]:
        return (row for rows in list(self._held.values()) for row in list(rows.values()))

    def at(self, workspace: str, path: str, when: int) -> Iterator[ReservationRow]:
        """Return those on a path at a time (Unix, nanoseconds)."""
        times = [(row, None) for row in self.of(workspace)]
        for row, ended in [*times, *((row, ended) for row, ended in self._past if row.workspace == workspace)]:
            ended = ended or int(datetime.fromisoformat(row.expires_at).timestamp() * 1e9)
            if row.began_ns <= when <= ended and _on(row, path):
                yield row

    def check(self, workspace: str, path: str, tree: bool, who: Party, now: str) -> None:
        """Raise `Conflict` when somebody else keeps the writer off a path, or with `tree` off anything beneath it."""
        rows = [row for row in self.of(workspace) if row.expires_at > now]
        if any(who.holds(row) and _on(row, path) and (row.tree or not tree) for row in rows):
            return
        for row in rows:
            if not who.holds(row) and (_on(row, path) or (tree and covers(path, row.path))):
                raise Conflict(refusal(row, "write it together with them by reserving it shared too"), **told(row))


def overlap(first: ReservationRow, path: str, tree: bool) -> bool:
    """Tell whether a reservation and a path (with `tree`, and all beneath) have a file in common."""
    return _on(first, path) or (tree and covers(path, first.path))


def refusal(row: ReservationRow, together: str) -> str:
    """Say who, why, until when."""
    what = f"{row.path} and what is beneath" if row.tree else row.path
    hint = f"; {together}" if row.mode == "shared" else ""
    return (
        f"{what} is reserved ({row.mode}) by {row.holder} until {row.expires_at}: {row.reason!r}; "
        f"wait, do something else meanwhile, or ask them with message.send{hint}"
    )


def told(row: ReservationRow) -> dict[str, object]:
    """Return the same for machines."""
    return {
        "reservation": row.id,
        "path": row.path,
        "holder": row.holder,
        "agent": row.agent,
        "reason": row.reason,
        "expires_at": row.expires_at,
    }


def _on(row: ReservationRow, path: str) -> bool:
    return row.path == path or (row.tree and covers(row.path, path))
