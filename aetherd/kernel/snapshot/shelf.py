"""Where snapshots are on the disk: manifests, objects, and directories that are being built. Blocking."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from aetherd.core.errors import Conflict
from aetherd.kernel.snapshot import manifest as wire
from aetherd.kernel.snapshot.manifest import Manifest
from aetherd.kernel.snapshot.objects import Objects, sync


class Shelf:
    """`$AETHER_HOME/snapshots`."""

    def __init__(self, home: Path) -> None:
        self.place = home / "snapshots"
        self.objects = Objects(self.place / "objects")
        self.work = self.place / "work"
        self._manifests = self.place / "manifests"

    def open(self) -> None:
        """Make the directories, closed to everybody else."""
        for place in (self.place, self._manifests, self.work):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.chmod(0o700)
        self.objects.open()

    def keep(self, key: str, manifest: Manifest) -> str:
        """Write a manifest, whole or not at all; returns its hash."""
        data = wire.encode(manifest)
        path = self._manifests / key
        temporary = path.with_name(f".{key}.new")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
        sync(self._manifests)
        return hashlib.sha256(data).hexdigest()

    def load(self, key: str, digest: str) -> Manifest:
        """Read a manifest; `Conflict` when it is torn, changed or not safe."""
        try:
            data = (self._manifests / key).read_bytes()
        except OSError as exc:
            raise Conflict(f"snapshot {key} cannot be read: {exc.strerror}", snapshot=key) from exc
        try:
            return wire.decode(data, digest)
        except Conflict as exc:
            exc.data.setdefault("snapshot", key)
            raise

    def drop(self, key: str) -> None:
        """Remove a manifest; its objects go when nothing else needs them."""
        for name in (key, f".{key}.new"):
            (self._manifests / name).unlink(missing_ok=True)

    def forget_others(self, keys: set[str]) -> None:
        """Remove manifests that no row tells of."""
        for path in self._manifests.iterdir():
            if path.name not in keys:
                path.unlink(missing_ok=True)

    def needed(self) -> set[str]:
        """Return the objects that manifests name; raises when one cannot be read, so that nothing is cleared then."""
        found: set[str] = set()
        for path in self._manifests.iterdir():
            found |= wire.named(path.read_bytes())
        return found
