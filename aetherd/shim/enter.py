"""The way into a sandbox from outside: a process leaves this machine's namespaces for those of another one.

The order is the kernel's. bwrap nests two user namespaces: the outer one owns mounts, pids and the rest, processes
live in the inner one, and who joined that first may not join the rest any more. As root we join everything but the
user namespace as root, become the uid, and then join that: its owner is that uid. Without root the owners come first.
"""

from __future__ import annotations

import fcntl
import os

from aetherd.shim import syscalls
from aetherd.shim.proc import start_time_in

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def open_places(enter: Mapping[str, int]) -> dict[str, int]:
    """Return descriptors of the namespaces of {"pid", "start_time"} that are not ours, by kind.

    Raises OSError when exactly this process is not there any more.
    """
    process = os.open(f"/proc/{enter['pid']}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if start_time_in(process) != enter["start_time"]:
            raise OSError(3, "the sandbox is gone")
        found = {}
        for kind in syscalls.NAMESPACES:
            try:
                ours = os.stat(f"/proc/self/ns/{kind}").st_ino
                descriptor = os.open(f"ns/{kind}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
            except FileNotFoundError:  # a kernel without this kind
                continue
            if os.fstat(descriptor).st_ino == ours:
                os.close(descriptor)
            else:
                found[kind] = descriptor
        return found
    finally:
        os.close(process)


def join(places: dict[str, int], become: Callable[[], None]) -> None:
    """Enter them all; `become` takes the identity on, where root does that. This process itself keeps its pid.

    For a process of one thread. Closes the descriptors.
    """
    inner = places.pop("user", None)
    if os.geteuid() == 0:
        _join(places)
        syscalls.drop_capabilities()
        become()
    else:
        for kind in ("net", "mnt"):  # each by the rights of who made it: the keeper the one, bwrap the other
            if kind in places:
                _join_owner(places[kind])
                _join({kind: places.pop(kind)} if kind == "net" else places)
    if inner is not None:
        syscalls.join(inner, "user")
        os.close(inner)
    syscalls.drop_capabilities()


def _join(places: dict[str, int]) -> None:
    for kind in [kind for kind in syscalls.NAMESPACES if kind in places]:  # mnt last: then /proc is another
        descriptor = places.pop(kind)
        syscalls.join(descriptor, kind)
        os.close(descriptor)


def _join_owner(place: int) -> None:
    owner = fcntl.ioctl(place, syscalls.NS_GET_USERNS)
    try:
        if os.fstat(owner).st_ino != os.stat("/proc/self/ns/user").st_ino:
            syscalls.join(owner, "user")
    finally:
        os.close(owner)
