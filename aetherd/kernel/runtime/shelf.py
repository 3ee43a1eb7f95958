"""Where runtimes are: `<name>/<version>/`, which of them is `current`, and what is being made. All of it blocks."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from aetherd.kernel.runtime.sealed import head_of

CURRENT, MAKING, LOCK = "current", ".making-", "lock"
TOOLS = ".tools"  # Node and npm, each once for all runtimes


class Shelf:
    """The directory `runtimes`: everybody may read it, only the daemon writes."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def open(self) -> None:
        """Make it, and clear away what an earlier daemon was making when it was killed."""
        for one in (self.place, self.place / TOOLS):
            one.mkdir(mode=0o755, parents=True, exist_ok=True)
            one.chmod(0o755)
        for left in self.place.glob(f"{MAKING}*"):
            _stop(left / LOCK)
            shutil.rmtree(left, ignore_errors=True)

    def making(self) -> Path:
        """Return an empty directory that is cleared at the next start unless it was `kept`."""
        return Path(tempfile.mkdtemp(prefix=MAKING, dir=self.place))

    def tool(self, name: str, version: str) -> Path:
        """Return where a version of Node or npm is, or would be."""
        return self.place / TOOLS / f"{name}-{version}"

    def current(self, name: str) -> Path | None:
        """Return the directory of the version that is used; None when there is none."""
        link = self.place / name / CURRENT
        try:
            target = os.readlink(link)
        except OSError:
            return None
        return self.place / name / target

    def version(self, name: str) -> str | None:
        """Return the version that is used, also when it is broken."""
        found = self.current(name)
        return None if found is None else str((head_of(found) or {}).get("version", found.name.partition("+")[0]))

    def keep(self, made: Path, name: str, version: str) -> Path:
        """Give a sealed directory its place and, in one step, make it the one that is used."""
        folder = self.place / name
        folder.mkdir(mode=0o755, exist_ok=True)
        folder.chmod(0o755)
        place, again = folder / version, 0
        while place.exists():  # a repair: what runs from the old one goes on to
            again += 1
            place = folder / f"{version}+{again}"
        made.rename(place)
        link = folder / f".{CURRENT}"
        link.unlink(missing_ok=True)
        link.symlink_to(place.name)
        link.replace(folder / CURRENT)
        _flush(folder)
        return place

    def keep_tool(self, made: Path, name: str, version: str) -> Path:
        """Give a tool its place; what was there before goes."""
        place = self.tool(name, version)
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
        return place

    def prune(self, name: str) -> None:
        """Remove the versions that are not used any more; call it only when nothing runs from there."""
        used = self.current(name)
        for one in (self.place / name).iterdir():
            if one != used and one.is_dir() and not one.is_symlink():
                shutil.rmtree(one, ignore_errors=True)

    def prune_tools(self, wanted: Collection[str]) -> None:
        """Remove the tools that no pin names any more, or all when no runtime is installed; what links to one stays."""
        used = any(one.is_dir() and not one.name.startswith(".") for one in self.place.iterdir())
        for one in (self.place / TOOLS).iterdir():
            if not used or one.name not in wanted:
                shutil.rmtree(one, ignore_errors=True)

    def remove(self, name: str) -> int:
        """Remove a runtime with all its versions; returns the bytes that are free again."""
        folder = self.place / name
        freed = sum(int((head_of(one) or {}).get("bytes", 0)) for one in folder.glob("*/") if not one.is_symlink())
        with suppress(FileNotFoundError):
            (folder / CURRENT).unlink()
        shutil.rmtree(folder)
        return freed


def _stop(lock: Path) -> None:
    """End what still holds the lock: an npm that outlived the daemon that started it."""
    with suppress(OSError, ValueError), lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # held, so the pid in it is still that process
            os.killpg(int(file.read()), signal.SIGKILL)
            fcntl.flock(file, fcntl.LOCK_EX)  # gone as soon as it is


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
