"""Who a process is: its pid alone is not enough, because the kernel uses numbers again."""

import functools
import os


def stat(os_pid: int) -> tuple[str, int, int] | None:
    """Return (state letter, parent's pid, start time in clock ticks since boot), or None when it is gone."""
    try:
        return _parsed(_read(f"/proc/{os_pid}/stat"))
    except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        return None


def start_time_of(os_pid: int) -> int | None:
    """Return field 22 of /proc/<pid>/stat, in clock ticks since boot, or None without such a process."""
    found = stat(os_pid)
    return None if found is None else found[2]


def start_time_in(process: int) -> int | None:
    """Return the same for the process whose directory of /proc is open here, or None when it is gone or a zombie."""
    try:
        state, _, start_time = _parsed(_read("stat", process))
        return None if state in "ZX" else start_time
    except (FileNotFoundError, ProcessLookupError):
        return None


@functools.cache
def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def _parsed(text: bytes) -> tuple[str, int, int]:
    # The name in parentheses may hold spaces and parentheses, so count from its end.
    fields = text.rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[1]), int(fields[19])


def _read(path: str, beneath: int | None = None) -> bytes:
    """Return a small file of /proc, without the layers of a file object: a shim copies each page it touches."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=beneath)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def alive(os_pid: int, start_time: int, boot: str) -> bool:
    """Tell whether exactly this process still runs: no other with its number, and no zombie."""
    found = stat(os_pid)
    return boot == boot_id() and found is not None and found[2] == start_time and found[0] not in "ZX"
