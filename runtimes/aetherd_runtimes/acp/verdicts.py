"""What the end of a turn means: the stop reasons and errors of agents, and the limits in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aetherd_runtimes.acp.peer import Refused

ERROR_LIMIT = 1000
STOPS = {
    "end_turn": ("completed", None),
    "cancelled": ("interrupted", None),
    "max_tokens": ("failed", "the answer was cut: the model's token limit was reached"),
    "max_turn_requests": ("failed", "the turn was cut: its limit of model requests was reached"),
    "refusal": ("failed", "the model refused to go on"),
}
_LIMITED = re.compile(
    r"\b(429|529)\b|rate.?limit|usage.?limit|too many requests|quota|overloaded|resource.?exhausted|limit reached",
    re.IGNORECASE,
)
_WAIT = re.compile(
    r"(?:in|after)\s+((?:\d+(?:\.\d+)?\s*(?:d|h|m|s|days?|hours?|min(?:ute)?s?|sec(?:ond)?s?)\b[\s,]*)+)", re.I
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)")
_EPOCH = re.compile(r'"?resets?_?at"?\s*[:=]\s*"?(\d{10})\b', re.IGNORECASE)
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def of_stop(reason: Any) -> tuple[str, str | None]:
    """Return outcome and error for a stop reason."""
    return (STOPS.get(reason) if isinstance(reason, str) else None) or (
        "failed",
        f"the turn ended for an unknown reason: {reason}",
    )


def of_error(error: Refused, now: datetime | None = None) -> tuple[str, str, str | None]:
    """Return outcome, error and the time a limit lifts (ISO 8601), for an error that ended a turn."""
    text = readable(error)
    whole = f"{error.code} {text} {json.dumps(error.data, default=str)[:20_000]}"
    if not _LIMITED.search(whole):
        return "failed", text, None
    return "limited", text, lifts_at(whole, now or datetime.now(UTC))


def readable(error: Refused) -> str:
    """Return what a person wants to know of an error: its message and the text in its data."""
    details = _text_in(error.data)
    text = error.message if not details or details in error.message else f"{error.message}: {details}"
    return text.strip()[:ERROR_LIMIT]


def lifts_at(text: str, now: datetime) -> str | None:
    """Return when a limit lifts, if the text says so: a moment, an epoch, or how long from now."""
    if found := _MOMENT.search(text):
        try:
            return datetime.fromisoformat(found[0].replace("Z", "+00:00")).isoformat()
        except ValueError:
            return None
    if found := _EPOCH.search(text):
        return datetime.fromtimestamp(int(found[1]), UTC).isoformat()
    if found := _WAIT.search(text):
        seconds = sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(found[1]))
        return (now + timedelta(seconds=min(seconds, 366 * 86_400))).isoformat()
    return None


def _text_in(data: Any) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, Mapping):
        for name in ("details", "message", "error", "codexErrorInfo"):
            if found := _text_in(data.get(name)):
                return found
    return ""
