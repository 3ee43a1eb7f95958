"""What a usage limit does to a process: it waits, and is told when to go on.

No reset time is trusted to be the end of it: a limit that is hit again right after one lifts moves the next try on,
by more each time, so that an agent never asks its provider in a loop.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aetherd.core.clock import stamp
from aetherd.kernel.process.tables import ProcessRow

BACK_OFF_MIN = (1, 2, 4, 8, 16, 30)  # when nobody knows better, for each time in a row
GO_ON = (
    "The usage limit that stopped you has lifted. Go on with what you were doing, "
    "unless somebody has told you otherwise meanwhile."
)


class Resets:
    """When limits lift, by pid, as providers told somebody else: for runtimes that are told and do not tell."""

    def __init__(self) -> None:
        self._seen: dict[int, str] = {}

    def seen(self, pid: int, resets_at: datetime) -> None:
        """Remember a time."""
        self._seen[pid] = stamp(resets_at)

    def take(self, pid: int | None) -> str | None:
        """Return the time (ISO 8601) and forget it; None when nobody was told."""
        return self._seen.pop(pid or 0, None)


def park(row: ProcessRow, now: datetime, resets_at: str | None) -> None:
    """Write that a process has hit a limit, which lifts at a time (ISO 8601) if anybody was told."""
    row.limited_times += 1
    row.limited_at = row.limited_at or stamp(now)
    told = _moment(resets_at)
    row.limited_told = stamp(told) if told is not None and told > now else None
    known = row.limited_told is not None
    tries = row.limited_times - known  # the first time a reset time is believed
    later = now + timedelta(minutes=BACK_OFF_MIN[min(tries, len(BACK_OFF_MIN)) - 1]) if tries else now
    row.limited_until = stamp(max(told, later) if told is not None and known else later)


def going_on(row: ProcessRow) -> None:
    """Write that it is at work again, which may hit the same limit at once."""
    row.limited_until = None


def got_on(row: ProcessRow) -> None:
    """Write that the limit has lifted for it: it got something done."""
    row.limited_at = row.limited_until = row.limited_told = None
    row.limited_times = 0


def why(row: ProcessRow) -> str:
    """Say in words what a parked process waits for."""
    if row.limited_told == row.limited_until:
        return f"lifts at {row.limited_until}"
    known = "it was hit again" if row.limited_told else "nobody said when it lifts"
    return f"{known}; tried again at {row.limited_until}"


def by_itself(row: ProcessRow) -> str:
    """Say in words what a runtime waits for that does so in the middle of its turn."""
    return f"its runtime waits for a usage limit, which lifts at {row.limited_told}"


def left_s(row: ProcessRow, now: datetime) -> float:
    """Return how many seconds a parked process has to wait yet."""
    assert row.limited_until is not None
    return (datetime.fromisoformat(row.limited_until) - now).total_seconds()


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
