"""What this installation has: runtime adapters by entry point (third parties add theirs so), and the relay."""

from __future__ import annotations

import json
import logging
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import aetherd_mcp
from aetherd.core.config import Settings
from aetherd.operations.doors import Relay
from aetherd.operations.observed import Behaviour, Observations, Seen
from aetherd.runtime import Runtime
from aetherd_runtimes.acp_runtime import Configured

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
    for name, agent in settings.acp.items():
        adapter = Configured(name, agent.command, agent.env, agent.modes)
        found[adapter.name] = adapter  # also in the place of one of ours, if a person wants so
    return found


def observations() -> Observations:
    """Return what the conformance bench saw of the runtimes that come with aetherd: `make runtimes` writes it."""
    table = files("aetherd_runtimes").joinpath("matrix.json")
    if not table.is_file():
        return Observations()
    kept = json.loads(table.read_text("utf-8"))
    summaries, found = kept["behaviours"], Observations()
    for name, seen in kept["runtimes"].items():
        told = seen["observed"].items()
        words = (Behaviour(key, summaries.get(key, key), word["holds"], word["note"]) for key, word in told)
        found[name] = Seen(seen["version"], tuple(words))
    return found


def relay() -> Relay:
    """Return the MCP relay's command line and the paths it needs.

    It is imported, not run as a script, so that its compiled form is used: 3 ms and 2 MB less each time.
    """
    folder = Path(aetherd_mcp.__path__[0])
    python = Path(sys.executable).resolve()
    line = f"import sys;sys.path.append({str(folder)!r});import relay;relay.main()"
    command = (str(python), "-S", "-E", "-I", "-c", line)
    return Relay(command, (folder, Path(sys.base_prefix).resolve(), python))


def _options(settings: Settings, name: str) -> dict[str, Path]:
    if name == "claude-code" and settings.claude_path is not None:
        return {"path": settings.claude_path}
    return {}
