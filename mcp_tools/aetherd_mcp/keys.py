"""The keys of the house that what clients hold for it is sealed under; they outlive a restart."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def key_at(path: Path) -> bytes:
    """Read a key of 32 bytes, or make one; blocking."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, secrets.token_bytes(32))
            with suppress(FileExistsError):
                os.link(temporary, path)  # whole or not at all, and never over an older one
        finally:
            os.close(file)
            temporary.unlink()
    return path.read_bytes()
