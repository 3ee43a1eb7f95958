"""Logging: human lines on a terminal, JSON elsewhere, always on stderr because stdout belongs to protocols."""

from __future__ import annotations

import json
import logging
import sys

from aetherd.core.context import origin

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "actor", "call", "color_message"}


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        current = origin.get()
        record.actor, record.call = current.actor, current.call
        return True


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "actor": getattr(record, "actor", None),
            "call": getattr(record, "call", None),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _PLAIN})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def setup(level: str) -> None:
    """Install the one handler of the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Context())
    human = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(human if sys.stderr.isatty() else _Json())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("mcp", "uvicorn.access", "sse_starlette", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
