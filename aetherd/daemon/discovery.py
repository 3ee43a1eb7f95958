"""Runtime adapters by entry point; third parties add theirs the same way."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points
from pathlib import Path

from aetherd.core.config import Settings
from aetherd.runtime import Runtime

logger = logging.getLogger(__name__)


def runtimes(settings: Settings) -> dict[str, Runtime]:
    """Return every adapter that can be loaded; a broken one is reported and left out."""
    found: dict[str, Runtime] = {}
    for entry in entry_points(group="aetherd.runtimes"):
        try:
            adapter = entry.load()
            options = _options(settings, entry.name)
            found[entry.name] = adapter(**options)
        except Exception:
            logger.exception("runtime %s cannot be loaded", entry.name)
    return found


def _options(settings: Settings, name: str) -> dict[str, Path]:
    if name == "claude-code" and settings.claude_path is not None:
        return {"path": settings.claude_path}
    return {}
