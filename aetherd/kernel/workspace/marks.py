"""Paths that fs.* is changing or has just changed: a look leaves them to it. Safe in threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from aetherd.kernel.workspace.sight import covers


class Marks:
    """The paths of one workspace."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doing: Counter[str] = Counter()
        self._touched: set[str] = set()

    def take(self, paths: Iterable[str]) -> None:
        """They are about to be changed."""
        with self._lock:
            self._doing.update(paths)
            self._touched.update(self._doing)

    def settle(self, paths: Iterable[str]) -> None:
        """They were changed, or were not, and that is recorded."""
        with self._lock:
            self._doing -= Counter(paths)

    def begin(self) -> None:
        """Begin a look: what was settled before is its own."""
        with self._lock:
            self._touched = set(self._doing)

    def hide(self, path: str) -> bool:
        """Tell whether the look that has begun must leave a path alone."""
        return any(covers(above, path) for above in self._touched)
