"""Which system calls work in a sandbox: a BPF program of our own, much like the one that Docker uses by default.

Denied is what reaches past the sandbox's walls or widens the kernel an agent can attack: mounts, namespaces, keys,
modules, tracing of the kernel, clocks, io_uring. Files, processes, threads, sockets and ptrace work as everywhere.
"""

from __future__ import annotations

import errno
import platform
import struct
from functools import cache

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH, _FIRST = 0, 4, 16  # offsets into seccomp_data: call, architecture, low half of the first argument
_X32 = 0x40000000
_NAMESPACES = 0x7E020000  # CLONE_NEW*: user, pid, net, ipc, uts, cgroup, mounts
_FAMILIES = (38, 40)  # AF_ALG: the kernel's ciphers; AF_VSOCK: to the hypervisor, past any network namespace

# audit architecture, then the numbers of clone, clone3 and socket
_MACHINES = {"x86_64": (0xC000003E, 56, 435, 41), "aarch64": (0xC00000B7, 220, 435, 198)}

_DENIED = {  # name: number on x86_64, on aarch64 (0: it has none)
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, 0),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, 0),
    "iopl": (172, 0),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, 0),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, 0),
    "userfaultfd": (323, 282),
    "ustat": (136, 0),
    "vhangup": (153, 58),
}


@cache
def program(machine: str | None = None) -> bytes | None:
    """Return the compiled filter for a machine (default: this one), or None for one we do not know."""
    name = machine or platform.machine()
    if name not in _MACHINES:
        return None
    arch, clone, clone3, socket = _MACHINES[name]
    column = list(_MACHINES).index(name)
    refuse, unknown = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    code = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, unknown),  # 32-bit programs: their numbers mean other calls
        (_LOAD, 0, 0, _NUMBER),
    ]
    if name == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, unknown)]
    # Without clone3, whose flags lie where no filter can look, the C library takes clone.
    code += [(_EQUAL, 0, 1, clone3), (_RETURN, 0, 0, unknown)]
    code += [
        (_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, _FIRST),
        (_ANY_BIT, 0, 1, _NAMESPACES),
        (_RETURN, 0, 0, refuse),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code += [(_EQUAL, 0, 3 + len(_FAMILIES), socket), (_LOAD, 0, 0, _FIRST)]
    for index, family in enumerate(_FAMILIES):
        code.append((_EQUAL, len(_FAMILIES) - index, 0, family))
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, refuse)]
    for number in (numbers[column] for numbers in _DENIED.values() if numbers[column]):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in code)
