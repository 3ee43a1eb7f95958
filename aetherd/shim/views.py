"""What a uid cannot reach by itself, and what must be bound so that it can. For the daemon; blocks a little."""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def windows(uid: int, paths: Iterable[tuple[Path, bool]]) -> dict[str, Any] | None:
    """Return `SpawnRequest.windows` by which a uid reaches these (path, read-only); None when it does anyhow."""
    cover: set[Path] = set()
    binds: dict[Path, bool] = {}
    for path, readonly in paths:
        for real in {path, path.resolve()}:
            blocked = _blocked_ancestor(real, uid)
            if blocked is not None and real.exists():
                cover.add(blocked)
                binds[real] = readonly and binds.get(real, True)
    if not cover:
        return None
    kept = [
        path
        for path in sorted(binds)
        if not any(parent in binds and binds[parent] == binds[path] for parent in path.parents)
    ]
    return {
        "cover": [str(path) for path in sorted(cover)],
        "binds": [{"path": str(path), "readonly": binds[path]} for path in kept],
    }


def _blocked_ancestor(path: Path, uid: int) -> Path | None:
    """Return the topmost directory above the path that the uid may not walk through."""
    for directory in reversed(path.parents):
        try:
            found = directory.stat()
        except OSError:
            return None
        mine = found.st_uid == uid and found.st_mode & stat.S_IXUSR
        if not (mine or found.st_mode & stat.S_IXOTH):
            return directory
    return None
