"""The few system calls that Python does not have, each as a function that raises OSError."""

import ctypes
import errno
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_prctl_text = _libc["prctl"]  # a second prototype of the same call
_prctl_text.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
_libc.signal.restype = ctypes.c_void_p
_libc.syscall.restype = ctypes.c_long

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000

_CLONE3 = 435  # one number on every architecture
_CLONE_INTO_CGROUP = 0x200000000
_CLONE_NEWNS = 0x20000
_CLONE_PARENT = 0x8000
_CLONE = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine, 0)
_KEEP_SIZE_AND_PUNCH_HOLE = 0x1 | 0x2
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
NS_GET_USERNS = 0xB701
NAMESPACES = {
    "user": 0x10000000,
    "net": 0x40000000,
    "ipc": 0x8000000,
    "uts": 0x4000000,
    "cgroup": 0x2000000,
    "pid": 0x20000000,
    "mnt": _CLONE_NEWNS,
}
"""The kinds of namespaces, as the names under /proc/<pid>/ns and the flags of unshare(2) and setns(2)."""

_MOUNT_SETATTR = 442  # one number on every architecture
_AT_RECURSIVE = 0x8000


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def punch_hole(descriptor: int, offset: int, size: int) -> None:
    """Give the blocks of a file's range back to the file system; the file keeps its length."""
    _check(_libc.fallocate(descriptor, _KEEP_SIZE_AND_PUNCH_HOLE, offset, size))


def set_name(name: str) -> None:
    """Set the name that ps shows, at most 15 bytes."""
    _check(_prctl_text(_PR_SET_NAME, name.encode(), 0, 0, 0))


def become_subreaper() -> None:
    """Let orphans below this process become its children."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def die_with_parent(signal: int) -> None:
    """Have the kernel send this process a signal when its parent dies; a change of uid clears it."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0))


def default_signals() -> None:
    """Let every signal do what it does by default; `signal.signal` would take a millisecond for all of them."""
    for number in range(1, 65):
        _libc.signal(number, None)  # fails for those that cannot be changed


def fork_into(cgroup: int) -> int:
    """Fork as os.fork does, the child being born in a control group (cgroup v2), whose directory is open here.

    A process that joins one later waits until every processor has been seen (clone(2), CLONE_INTO_CGROUP). For
    a process of one thread: Python's own hooks of a fork do not run. OSError where the kernel has no such thing.
    """
    # flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
    arguments = (ctypes.c_uint64 * 11)(_CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, cgroup)
    pid: int = _libc.syscall(ctypes.c_long(_CLONE3), ctypes.byref(arguments), ctypes.c_long(88))
    _check(min(pid, 0))
    return pid


def fork_as_sibling() -> int:
    """Fork as os.fork does, the child being our own parent's; so what it ends with reaches that one directly.

    For a process of one thread: Python's own hooks of a fork do not run.
    """
    if not _CLONE:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    flags = ctypes.c_ulong(_CLONE_PARENT | signal.SIGCHLD)
    nothing = (ctypes.c_ulong(0),) * 4
    pid: int = _libc.syscall(ctypes.c_long(_CLONE), flags, *nothing)
    _check(min(pid, 0))
    return pid


def unshare(*kinds: str) -> None:
    """Leave namespaces for new ones; a process of one thread, since some belong to threads."""
    _check(_libc.unshare(sum(NAMESPACES[kind] for kind in kinds)))


def join(descriptor: int, kind: str) -> None:
    """Enter the namespace that is open here; one of pids holds for children only."""
    _check(_libc.setns(descriptor, NAMESPACES[kind]))


def take_no_privileges() -> None:
    """Let no program that is executed from here on gain rights by being executed."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def drop_capabilities() -> None:
    """Take every capability out of reach of what is executed later; nothing without the right to."""
    for number in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            return


def hide_memory() -> None:
    """Let nobody of our uid read this process's memory, until it executes."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))


def filter_calls(program: bytes) -> None:
    """Take a compiled BPF program on that says which system calls work; needs `take_no_privileges`."""
    code = ctypes.create_string_buffer(program, len(program))

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    given = _Program(len(program) // 8, ctypes.addressof(code))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(given), 0, 0))


def own_mounts() -> None:
    """Give this process mounts of its own: changes below stay unseen outside."""
    _check(_libc.unshare(_CLONE_NEWNS))
    # Slave rather than private: an unmount outside still reaches us, so we never keep a disk busy.
    mount(None, "/", None, MS_REC | MS_SLAVE, None)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None) -> None:
    """Call mount(2)."""
    encode = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _check(_libc.mount(encode[0], encode[1], encode[2], flags, encode[3]))


def make_readonly(path: str) -> None:
    """Make the mount at `path`, and all mounts below it, read-only and without set-uid programs."""
    attributes = (ctypes.c_uint64 * 4)(MS_RDONLY | MS_NOSUID, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR), ctypes.c_long(-1), ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_long(_AT_RECURSIVE), ctypes.byref(attributes), ctypes.c_long(32),
    )  # fmt: skip
    if result != 0 and ctypes.get_errno() == errno.ENOSYS:  # before Linux 5.12: the top mount only
        mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, None)
        return
    _check(result)
