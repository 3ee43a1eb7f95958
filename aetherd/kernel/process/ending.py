"""What the end of an incarnation means: the next one of a hand-over, or the end of the process."""

from __future__ import annotations

from dataclasses import dataclass

from aetherd.kernel.process.tables import ProcessRow
from aetherd.runtime import Decoder, Ended, Verdict
from aetherd.shim.client import Exit

QUICK_S = 3.0  # a TUI that ends sooner than this did not open


@dataclass(frozen=True, slots=True)
class Next:
    """What follows: with a `verdict` the process has ended, else another incarnation is launched.

    `parked`: not before its usage limit lifts. `back` says why a hand-over is called off, `lost` why nothing is
    known of the end.
    """

    verdict: Verdict | None = None
    parked: bool = False
    back: str | None = None
    lost: str | None = None


def after(
    row: ProcessRow, mode: str, exit: Exit, said: str, lived: float, decoder: Decoder, *, movable: bool, parks: bool
) -> Next:
    """Judge the exit of an incarnation that ran in `mode` for `lived` seconds and `said` this on standard error."""
    if row.ended_by is None and movable:
        if row.want != mode or (mode == "headless" and row.step is not None):
            return Next()  # the hand-over goes on, or was called off after its incarnation had ended
        if mode == "tui":
            if lived < QUICK_S and (exit.code or exit.signal):
                return Next(back=f"its terminal did not open: {said.strip()[-200:] or f'exit {exit.code}'}")
            return Next(back="its terminal was closed")
    verdict = decoder.judge(Ended(exit.code, exit.signal, said, row.ended_by is not None))
    if row.ended_by is None and parks and (row.limited_until is not None or verdict.outcome == "limited"):
        return Next(parked=True)
    return Next(verdict if verdict.outcome == "completed" else killed(row) or verdict)


def killed(row: ProcessRow) -> Verdict | None:
    """Return the verdict on a process that somebody ended; None for one that ended by itself."""
    return Verdict("killed", f"ended by {row.ended_by}") if row.ended_by is not None else None
