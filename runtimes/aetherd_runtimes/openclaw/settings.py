"""What the adapter wrote down for one incarnation of the bridge."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal

PROVIDER = "aether-models"  # what the configuration calls the way to models
AGENT = "main"  # the one agent of a gateway of its own


@dataclass(frozen=True, slots=True)
class Settings:
    """All the bridge knows; nothing of it is secret."""

    argv: tuple[str, ...]  # OpenClaw's command line, without its subcommand
    home: str  # its own directory: configuration, state, the workspace with its instructions
    config: dict[str, Any]  # openclaw.json, but for the port
    session: str  # the conversation; its key in the gateway is made of it
    cwd: str
    mode: Literal["headless", "tui"] = "headless"
    model: str = ""
    version: str = "0"
    idle_exit_s: float = 0.0
    libraries: tuple[str, ...] = ()  # directories to import from

    @property
    def key(self) -> str:
        """The conversation's name in the gateway."""
        return f"agent:{AGENT}:{self.session}"

    @property
    def transcript(self) -> str:
        """The file that says what happened in the terminal."""
        return f"{self.home}/transcript.jsonl"


def read(path: str) -> Settings:
    """Read the settings."""
    with open(path, encoding="utf-8") as file:
        raw = json.load(file)
    known = {field.name for field in fields(Settings)}
    lists = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    return Settings(**{name: value for name, value in {**raw, **lists}.items() if name in known})
