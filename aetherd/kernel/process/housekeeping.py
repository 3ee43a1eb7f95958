"""What ended processes leave on disk: secrets and doors go at once, output after a while; the event log remembers."""

from __future__ import annotations

import logging
import re
import shutil
from datetime import timedelta

import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.clock import stamp
from aetherd.kernel.process.states import ENDED
from aetherd.kernel.process.tables import IncarnationRow, ProcessRow
from aetherd.kernel.process.workshop import Workshop

logger = logging.getLogger(__name__)

SWEEP_S = 3600.0
_NAME = re.compile(r"^p(\d+)-(\d+)$")


async def forget_ended(workshop: Workshop) -> None:
    """Remove doors, secrets and pools that no living process has: a daemon killed at the end of one leaves them."""

    def living(session: Session) -> list[tuple[int | None, str]]:
        ended = [str(state) for state in ENDED]
        query = select(ProcessRow.pid, ProcessRow.secret).where(col(ProcessRow.state).not_in(ended))
        return list(session.exec(query))

    rows = await workshop.store.read(living)
    pids, keys = {pid for pid, _ in rows}, {key for _, key in rows}

    def remove() -> None:
        for pid in set(workshop.host.doors()) - pids:
            workshop.host.drop_door(pid)
        for key in workshop.vault.keys() - keys:
            workshop.vault.drop(key)
        for name in workshop.host.limiter.names() - {f"p{pid}" for pid in pids}:
            workshop.host.forget_pool(name)

    await anyio.to_thread.run_sync(remove)


async def sweep(workshop: Workshop) -> None:
    """Remove the output of incarnations that ended long ago, once an hour, for ever."""
    while True:
        try:
            if gone := await sweep_once(workshop):
                logger.info("removed the output of %d ended runs", gone)
        except Exception:  # next time, then: it must not end the daemon
            logger.exception("what ended runs left could not be removed")
        await workshop.clock.sleep(SWEEP_S)


async def sweep_once(workshop: Workshop) -> int:
    """Remove what is older than `output_days`; returns how many went."""
    before = stamp(workshop.clock.now() - timedelta(days=workshop.settings.output_days))

    def old(session: Session) -> set[tuple[int, int]]:
        query = select(IncarnationRow.pid, IncarnationRow.number).where(col(IncarnationRow.ended_at) < before)
        return set(session.exec(query))

    ended = await workshop.store.read(old)

    def remove() -> int:
        count = 0
        for place in workshop.host.shims.iterdir():
            found = _NAME.match(place.name)
            if found and (int(found[1]), int(found[2])) in ended:
                shutil.rmtree(place, ignore_errors=True)
                count += 1
        return count

    return await anyio.to_thread.run_sync(remove)
