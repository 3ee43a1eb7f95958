"""What agents say to models and what these answer: kept only for agents a person named, without secrets, bounded."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable, Collection
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from aetherd.core.clock import Clock, stamp
from aetherd.operations.operation import Call

logger = logging.getLogger(__name__)

MOST = 1024 * 1024  # bytes kept of a request, and of its answer
FILE = 32 * 1024 * 1024  # bytes of an agent's file; then the one before is replaced by it
HIDDEN = "[redacted]"
SECRETS = re.compile(
    r"(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|AKIA[A-Z0-9]{16}|ae[opst]_[A-Za-z0-9_-]{20,}|(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-{1,4}[^-]+)*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
    r"|(?i:(?<=bearer )[A-Za-z0-9._~+/-]{12,}=*)"
    r"|(?i:(?:passw(?:or)?d|secret|api_?key|token)[\"'\\]*\s*[:=]\s*[\"'\\]*)[^\s\"'\\,}]{6,}"
)


class Traces:
    """Keeps the calls of agents that are traced."""

    def __init__(
        self, place: Path, clock: Clock, traced: Callable[[str, str, str], bool], known: Callable[[Call], list[str]]
    ) -> None:
        self._place, self._clock, self._traced, self._known = place, clock, traced, known
        self._lock = anyio.Lock()  # held while a line is written

    def seen(
        self, call: Call, stop: tuple[str, str], request: bytes, status: int, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        """Return the same chunks; those of a traced agent are kept on their way."""
        if call.agent is None or not self._traced(call.agent, call.user, call.org):
            return chunks
        return self._keeping(call, stop, request, status, chunks)

    async def _keeping(
        self, call: Call, stop: tuple[str, str], request: bytes, status: int, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        answer = bytearray()
        at = stamp(self._clock.now())
        try:
            async for data in chunks:
                answer += data[: MOST - len(answer)]
                yield data
        finally:
            entry = {"at": at, "pid": call.pid, "provider": stop[0], "model": stop[1], "status": status}
            assert call.agent is not None
            given = (self._place, call.agent, entry, request, bytes(answer), self._known(call))
            with anyio.CancelScope(shield=True):
                async with self._lock:
                    try:
                        await anyio.to_thread.run_sync(keep, *given)
                    except OSError as exc:
                        logger.warning("a traced call of %s is not kept: %s", call.agent, exc)


def redacted(text: str, known: Collection[str] = ()) -> str:
    """Return the text without what looks like a secret, and without those that are known."""
    for secret in known:
        text = text.replace(secret, HIDDEN)
    return SECRETS.sub(HIDDEN, text)


def keep(place: Path, agent: str, entry: dict[str, Any], request: bytes, answer: bytes, known: Collection[str]) -> None:
    """Add one call to an agent's file below `place`; blocking."""
    bodies = {
        name: redacted(body[:MOST].decode("utf-8", "replace"), known)
        for name, body in (("request", request), ("answer", answer))
    }
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"{agent}.jsonl"
    line = json.dumps(entry | bodies, ensure_ascii=False) + "\n"
    if path.exists() and path.stat().st_size + len(line) > FILE:
        path.replace(path.with_suffix(".old.jsonl"))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
        file.write(line)
