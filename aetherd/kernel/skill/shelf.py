"""Where versions are kept: `skills/<id>/<number>`, written once and never again. Blocking."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from aetherd.kernel.skill import tree as trees
from aetherd.kernel.skill.tree import Tree

UNFINISHED = ".new-"


class Shelf:
    """The directory of all skills."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def open(self) -> None:
        """Make it, and clear away what a kill of the daemon left unfinished; agents pass through, and cannot list."""
        self.place.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.place.chmod(0o711)
        for left in self.place.glob(f"{UNFINISHED}*"):
            clear(left)

    def version(self, skill: str, number: int) -> Path:
        """Return the directory of a version."""
        return self.place / skill / str(number)

    def put(self, skill: str, number: int, tree: Tree) -> None:
        """Write a version, whole or not at all; what stands there has no row, so a kill left it."""
        unfinished = self.place / f"{UNFINISHED}{secrets.token_hex(6)}"
        target = self.version(skill, number)
        try:
            trees.write(tree, unfinished)
            target.parent.mkdir(mode=0o711, exist_ok=True)
            target.parent.chmod(0o711)
            clear(target)
            unfinished.chmod(0o755)  # a directory is renamed only by who may write in it
            unfinished.rename(target)
            target.chmod(0o555)
        except BaseException:
            clear(unfinished)
            raise

    def drop(self, skill: str, number: int | None = None) -> None:
        """Remove a version, or all of a skill."""
        clear(self.place / skill if number is None else self.version(skill, number))


def clear(place: Path) -> None:
    """Remove a directory of read-only directories."""
    if not place.is_dir() or place.is_symlink():
        return
    for folder, _, _ in os.walk(place):
        os.chmod(folder, 0o700)
    shutil.rmtree(place, ignore_errors=True)
