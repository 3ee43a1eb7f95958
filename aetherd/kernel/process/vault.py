"""The environment and token of a process: kept in a 0600 file, never in a row, an event or an argv."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aetherd.operations.gateway import HELD


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a process is started with that nobody else may read."""

    env: dict[str, str]
    token: str


class Vault:
    """One file per process under `secrets/process`."""

    def __init__(self, home: Path) -> None:
        self._place = home / "secrets" / "process"

    def stored(self, names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
        """Read what the owner keeps in `secrets/NAME` for a runtime; nothing when any of it was given.

        What the model gateway holds is put into no environment.
        """
        if any(name in given for name in names):
            return {}
        files = [file for name in names if name not in HELD and (file := self._place.parent / name).is_file()]
        return {file.name: value for file in files if (value := file.read_text("utf-8", "replace").strip())}

    def keep(self, key: str, secrets: Secrets) -> None:
        """Write the file atomically."""
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._place / f".{key}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"env": secrets.env, "token": secrets.token}, file)
        temporary.replace(self._place / f"{key}.json")

    def keys(self) -> set[str]:
        """Return the key of every file, also of one that was never finished."""
        return {place.name.strip(".").partition(".")[0] for place in self._place.glob("*")}

    def take(self, key: str) -> Secrets:
        """Read the file; raises FileNotFoundError."""
        return Secrets(**json.loads((self._place / f"{key}.json").read_text()))

    def drop(self, key: str) -> None:
        """Forget it."""
        for name in (f"{key}.json", f".{key}.new"):
            (self._place / name).unlink(missing_ok=True)
