"""When a provider's limit lifts, as its headers say."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from aetherd.operations.gateway import Headers

RETRY = b"x-should-retry"
SOON = timedelta(seconds=3)  # for less nobody is parked
FAR = timedelta(days=8)  # later is no reset that anybody waits for


def resets(headers: Headers, now: datetime | None = None) -> datetime | None:
    """Return when to ask again: of a plan's limit, else `retry-after`, else the latest of what was used up."""
    now = now or datetime.now(UTC)
    found = {name.decode("latin-1"): value.decode("latin-1").strip() for name, value in headers}
    plan = _moment(found.get("anthropic-ratelimit-unified-reset", ""), now)
    after = _moment(found.get("retry-after", ""), now, seconds=True)
    used = [
        moment
        for name, value in found.items()
        if name.startswith("anthropic-ratelimit-") and name.endswith("-reset")
        if found.get(name.removesuffix("reset") + "remaining") == "0" and (moment := _moment(value, now)) is not None
    ]
    moment = plan or after or max(used, default=None)
    return moment if moment is not None and now < moment < now + FAR else None


def parking(headers: Headers, lifts: datetime, now: datetime | None = None) -> Headers:
    """Return headers that keep a client from trying again by itself until then: its agent is parked instead."""
    if lifts - (now or datetime.now(UTC)) < SOON:
        return headers
    return (*(one for one in headers if one[0].lower() != RETRY), (RETRY, b"false"))


def _moment(text: str, now: datetime, *, seconds: bool = False) -> datetime | None:
    with suppress(ValueError, OverflowError, TypeError, OSError):
        if text.replace(".", "", 1).isdigit():
            return now + timedelta(seconds=float(text)) if seconds else datetime.fromtimestamp(float(text), UTC)
        found = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
