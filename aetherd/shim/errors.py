"""The errors of this package, and how the kernel's are said."""

import errno as errnos
import os


class ShimError(Exception):
    """Raised when a shim or the zygote cannot do what it was asked; says nothing about the process."""


class SpawnFailed(ShimError):
    """Raised when a process could not be started; nothing of it is left running.

    `step` is the part that failed ("exec", "chdir", "uid", "cgroup", "windows", …), `errno` the kernel's
    reason or 0.
    """

    def __init__(self, step: str, errno: int, message: str) -> None:
        super().__init__(message)
        self.step = step
        self.errno = errno


class ShimGone(ShimError):
    """Raised when a shim does not exist any more and left no record of an exit."""


def reason(number: int) -> str:
    """Return the kernel's words for an errno, in lower case: "no such file or directory"."""
    return os.strerror(number).lower() if number in errnos.errorcode else f"error {number}"
