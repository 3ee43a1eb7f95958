"""Small pictures of all desktops, once a second while somebody watches; frames, so they are never stored."""

from __future__ import annotations

import base64
import logging
from functools import partial

import anyio
import anyio.to_thread

from aetherd.core.clock import Clock
from aetherd.core.errors import AetherError
from aetherd.events import Frame, Hub
from aetherd.kernel.desktop.living import Alive, Living
from aetherd.kernel.desktop.paint import THUMBNAIL, encode

logger = logging.getLogger(__name__)
EVERY_S = 1.0
QUALITY = 60
AGAIN = 10  # without a change it is shown all the same every so many times, for who has just come


async def show(hub: Hub, clock: Clock, living: Living, limiter: anyio.CapacityLimiter) -> None:
    """Show thumbnails for ever."""
    count = 0
    while True:
        await clock.sleep(EVERY_S)
        count += 1
        async with anyio.create_task_group() as group:
            for alive in list(living.all.values()):
                if alive.ready.is_set() and hub.watched(_frame(alive, {})):
                    group.start_soon(_one, hub, alive, limiter, count % AGAIN == 0)


async def _one(hub: Hub, alive: Alive, limiter: anyio.CapacityLimiter, anyhow: bool) -> None:
    try:
        seen = await alive.screen.look()
        if seen.version == alive.shown and not anyhow:
            return
        alive.shown = seen.version
        work = partial(encode, seen.pixels, seen.size, THUMBNAIL, "jpeg", QUALITY)
        data, (width, height) = await anyio.to_thread.run_sync(work, limiter=limiter)
    except AetherError as exc:  # it is ending, say, or its server says what it may not
        logger.debug("no thumbnail of process %d: %s", alive.row.pid, exc.message)
        return
    shown = {"jpeg": base64.b64encode(data).decode(), "width": width, "height": height}
    hub.publish_frame(_frame(alive, shown))


def _frame(alive: Alive, data: dict[str, object]) -> Frame:
    row = alive.row
    return Frame(kind="desktop", pid=row.pid, agent=row.agent, user=row.user, org=row.org, data=data)
