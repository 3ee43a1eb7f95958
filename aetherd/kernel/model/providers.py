"""Who can be asked: providers by name, where they are, and where their keys are from.

A key leaves this module only on its way to the provider.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from aetherd.core.errors import Forbidden, NotFound
from aetherd.kernel.model.dialects import Dialect
from aetherd.kernel.model.models import KeyKind
from aetherd.operations.gateway import ADDRESSES, CREDENTIALS

USUAL: Mapping[str, str] = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
    "ollama": "http://127.0.0.1:11434",
}
FRESH_S = 1.0  # what a person puts into a file is used after so long
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
KINDS: Mapping[str, KeyKind] = {"CLAUDE_CODE_OAUTH_TOKEN": "claude", "ANTHROPIC_AUTH_TOKEN": "bearer"}


@dataclass(frozen=True, slots=True)
class Key:
    """A provider's key and where it is from."""

    value: str
    kind: KeyKind
    source: str

    def __repr__(self) -> str:
        """Never show it, in a log neither."""
        return f"Key({self.kind}, {self.source})"


@dataclass(frozen=True, slots=True)
class Place:
    """A provider as it can be reached now."""

    name: str
    dialect: Dialect
    base_url: str
    key: Key | None
    settled: bool  # a person said where it is, or gave a key: without a key it is asked all the same

    @property
    def note(self) -> str:
        """What is missing; empty when nothing."""
        if self.key is not None or self.settled:
            return ""
        names = CREDENTIALS.get(self.name, ())
        if self.name == "ollama":
            return "not set up; `aetherctl model configure ollama --base-url http://127.0.0.1:11434` uses one"
        file = f", or keep it in the file secrets/{names[0]} of aetherd's home" if names else ""
        return f"no key for {self.name}; give one by `aetherctl model configure {self.name}` (api_key){file}"


class Book:
    """The providers of a house: those everybody knows, and those that were configured."""

    def __init__(self, home: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._secrets, self._environment = home / "secrets", environment
        self.configured: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}  # (user, org) -> name -> settings
        self._files: dict[Path, tuple[int, str]] = {}  # modification time and content: read again when changed
        self._places: dict[tuple[str, str, str], tuple[float, Place]] = {}  # looked at again after FRESH_S

    def names(self, user: str, org: str) -> list[str]:
        """Return all names."""
        return list(dict.fromkeys([*USUAL, *self.configured.get((user, org), ())]))

    def dialect(self, name: str) -> Dialect | None:
        """Return what a provider of anybody's speaks, for whom nobody is known yet; None when there is no such."""
        found = next((one[name] for one in self.configured.values() if name in one), None)
        return None if found is None and name not in USUAL else _dialect(name, found or {})

    def place(self, name: str, user: str, org: str) -> Place:
        """Return a provider as it is now; raises `NotFound`."""
        own = self.configured.get((user, org), {}).get(name)
        if own is None and name not in USUAL:
            known = ", ".join(self.names(user, org))
            raise NotFound(f"no provider named {name[:40]!r}; there are: {known}", kind="provider", id=name[:40])
        settings = own or {}
        given = self._outside(ADDRESSES.get(name))
        if name == "ollama" and given and "://" not in given:
            given = f"http://{given}"
        base = settings.get("base_url") or given or USUAL.get(name, "")
        dialect = _dialect(name, settings)
        return Place(
            name,
            dialect,
            base,
            self._key(name, user, org, house=not settings.get("base_url")),
            bool(own and own.get("base_url")) or bool(given),
        )

    def address(self, name: str | None, user: str, org: str) -> str:
        """Return the address somebody gave a provider; empty for its usual one."""
        return str(self.configured.get((user, org), {}).get(name or "", {}).get("base_url", ""))

    def ready(self, user: str, org: str) -> frozenset[str]:
        """Return those that can be asked."""
        return frozenset(name for name in self.names(user, org) if not self.place(name, user, org).note)

    def awaited(self) -> bool:
        """Tell whether somebody can ask a model now. Blocking."""
        return any(self.ready(*whose) for whose in ({("", "")} | self.configured.keys()))

    def usable(self, name: str, user: str, org: str) -> Place:
        """Return a provider that can be asked; raises `NotFound`, `Forbidden`."""
        now = time.monotonic()
        at, place = self._places.get((name, user, org), (0.0, None))
        if place is None or now - at > FRESH_S:
            place = self.place(name, user, org)
            if place.note:
                raise Forbidden(place.note, provider=name)
            self._places[name, user, org] = now, place
        return place

    def changed(self) -> None:
        """Look at every place again."""
        self._places.clear()

    def keep(self, name: str, user: str, org: str, key: str, kind: KeyKind) -> None:
        """Write a key to its file, 0600; an empty one is forgotten. Blocking."""
        path = self._path(name, user, org)
        if not key:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"key": key, "kind": kind}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def _key(self, name: str, user: str, org: str, *, house: bool) -> Key | None:
        """Return the key given for it, else one of the house; which goes to no address that somebody set here."""
        if text := self._read(self._path(name, user, org)):
            found = json.loads(text)
            return Key(found["key"], found["kind"], "configured")
        if not house:
            return None
        for variable in CREDENTIALS.get(name, ()):
            if value := self._read(self._secrets / variable):
                return Key(value, KINDS.get(variable, "key"), "file")
        for variable in CREDENTIALS.get(name, ()):
            if value := self._environment.get(variable, "").strip():
                return Key(value, KINDS.get(variable, "key"), "environment")
        return None

    def _outside(self, variable: str | None) -> str:
        """Return an address that is kept in a file or in the daemon's environment."""
        if variable is None:
            return ""
        return self._read(self._secrets / variable) or self._environment.get(variable, "").strip()

    def _read(self, path: Path) -> str:
        """Return what a small file of ours holds; looked at for each use, read when it has changed."""
        try:
            changed = path.stat().st_mtime_ns
            known = self._files.get(path)
            if known is None or known[0] != changed:
                known = self._files[path] = (changed, path.read_text("utf-8", "replace").strip())
            return known[1]
        except OSError:
            self._files.pop(path, None)
            return ""

    def _path(self, name: str, user: str, org: str) -> Path:
        return self._secrets / "models" / f"{org}.{user}.{name}.json"


def _dialect(name: str, settings: Mapping[str, Any]) -> Dialect:
    """Return what a provider speaks: as it was configured, else its own, else what most do."""
    if given := settings.get("dialect"):
        return cast("Dialect", given)
    return next((one for one in DIALECTS if one == name), "openai")
