"""The /etc of bubblewrap's sandboxes: a copy of what programs need of this machine's, and of nothing else.

One directory that is bound once: thirty binds would cost each sandbox ten milliseconds. It is renewed in place, file
by file, because sandboxes that stand look into it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

NAMES = (
    "X11", "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "chromium", "chromium.d",
    "claude-code", "debian_version", "fonts", "gitconfig", "host.conf", "hosts", "inputrc", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime", "magic", "mailcap", "mime.types", "nsswitch.conf",
    "os-release", "perl", "pki", "profile", "profile.d", "protocols", "python3", "services", "shells", "ssl",
    "terminfo", "timezone", "vim", "xdg",
)  # fmt: skip
"""How programs look and speak, whom to trust, and this machine's rules for agents."""
OWN = ("group", "passwd")
"""Files that every sandbox has its own over."""


def renew(place: Path, source: Path = Path("/etc")) -> None:
    """Make the copy, or bring it up to date; what only some may read is left out. Blocks for some 50 ms."""
    _directory(place)
    for name in NAMES:
        _copy(source / name, place / name)
    for name in OWN:
        (place / name).touch()


def _copy(source: Path, target: Path) -> None:
    try:
        found = source.lstat()
        if stat.S_ISDIR(found.st_mode):
            _directory(target)
            for name in os.listdir(source):
                _copy(source / name, target / name)
        elif stat.S_ISLNK(found.st_mode):
            if not target.is_symlink() or os.readlink(target) != os.readlink(source):
                _replace(target, lambda partial: partial.symlink_to(os.readlink(source)))
        elif stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IROTH and not _same(found, target):
            _replace(target, lambda partial: shutil.copy2(source, partial))
    except (FileNotFoundError, PermissionError):  # gone while we looked, or closed to us: to an agent as well
        return


def _directory(place: Path) -> None:
    place.mkdir(exist_ok=True)
    place.chmod(0o755)


def _same(found: os.stat_result, target: Path) -> bool:
    try:
        there = target.lstat()
    except FileNotFoundError:
        return False
    return (there.st_size, there.st_mtime_ns) == (found.st_size, found.st_mtime_ns)


def _replace(target: Path, make: Callable[[Path], object]) -> None:
    partial = target.with_name(f".{target.name}.new")
    partial.unlink(missing_ok=True)
    make(partial)
    partial.replace(target)
