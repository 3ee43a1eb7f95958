"""The process itself: from a fork of the shim to the exec of the agent."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import struct
import termios

from aetherd.shim import syscalls
from aetherd.shim.errors import SpawnFailed, reason
from aetherd.shim.windows import open_windows

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_PIPE_SIZE = 1 << 18
_IUTF8 = 0o40000  # Python has no name for it


class Child:
    """Hold a started process: its pid and the shim's ends of its streams.

    For a terminal `stdin` and `stdout` are the same descriptor and `stderr` is -1. All are non-blocking.
    """

    __slots__ = ("os_pid", "stderr", "stdin", "stdout")

    def __init__(self, os_pid: int, stdin: int, stdout: int, stderr: int) -> None:
        self.os_pid = os_pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        for descriptor in {stdin, stdout, stderr} - {-1}:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)


def start(request: dict[str, Any]) -> Child:
    """Start the process a spawn request describes. Blocks until it executes.

    Raises SpawnFailed with the step that failed; then no process is left.
    """
    report, write = os.pipe()
    child = _start_pty(request, write) if request["stdio"] == "pty" else _start_pipes(request, write)
    os.close(write)
    with open(report, "rb") as file:
        said = file.read(65536)
    if not said:
        return child
    os.waitpid(child.os_pid, 0)
    failure = json.loads(said)
    raise SpawnFailed(failure["step"], failure["errno"], failure["message"])


def _start_pty(request: dict[str, Any], report: int) -> Child:
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", request["rows"], request["cols"], 0, 0))
    os_pid = _fork(request, report, (theirs, theirs, theirs))
    os.close(theirs)
    return Child(os_pid, ours, ours, -1)


def _start_pipes(request: dict[str, Any], report: int) -> Child:
    ours_in, theirs_in = os.pipe()[::-1]
    ours_out, theirs_out = os.pipe()
    ours_err, theirs_err = os.pipe()
    for descriptor in (ours_in, ours_out):
        with contextlib.suppress(OSError):  # more than this user may have: the usual 64 KiB do
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    os_pid = _fork(request, report, (theirs_in, theirs_out, theirs_err))
    for descriptor in (theirs_in, theirs_out, theirs_err):
        os.close(descriptor)
    return Child(os_pid, ours_in, ours_out, ours_err)


def _fork(request: dict[str, Any], report: int, ends: tuple[int, int, int]) -> int:
    """Fork the process, the leader of a session of its own, with these as its standard streams.

    By hand: subprocess and ptyprocess look a command up before uid and mounts are those of the agent, cannot say
    which step failed, and cost every shim a fifth of a megabyte.
    """
    shim = os.getpid()
    os_pid, groups = _divide(request["cgroups"])
    if os_pid != 0:
        return os_pid
    try:
        os.setsid()
        if request["stdio"] == "pty":
            fcntl.ioctl(ends[0], termios.TIOCSCTTY, 0)
        # Out of the way of 0 to 2 first, so that no dup2 overwrites what a later one needs.
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in ends]
        report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, 3)
        for number, end in enumerate(high):
            os.dup2(end, number)
        os.closerange(3, report)
        os.closerange(report + 1, 1 << 20)
        become({**request, "cgroups": groups}, report, shim)
    finally:
        os._exit(127)


def _divide(cgroups: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Fork, the child in the first control group if it can be born there; return also those it has yet to join."""
    if cgroups:
        with contextlib.suppress(OSError):  # v1, a kernel before 5.7, a filter of system calls: it joins by hand
            place = os.open(cgroups[0], os.O_PATH | os.O_CLOEXEC)
            try:
                return syscalls.fork_into(place), cgroups[1:]
            finally:
                os.close(place)
    return os.fork(), cgroups


def become(request: dict[str, Any], report: int, shim: int) -> NoReturn:
    """Turn this fresh fork into the process of the request; a failure goes to `report` as JSON."""
    step = "signals"
    what = ""
    try:
        # Twice: a step that hangs must not outlive the shim, and the change of uid clears it.
        syscalls.die_with_parent(signal.SIGKILL)
        _default_signals()
        if request["stdio"] == "pty":
            _utf8_terminal()
        step = "cgroup"
        for what in request["cgroups"]:
            _join(what)
        step, what = "windows", ""
        if request["windows"] is not None:
            open_windows(request["windows"]["cover"], request["windows"]["binds"])
        step = "rlimit"
        for what, (soft, hard) in request["rlimits"].items():
            resource.setrlimit(_limit(what), (soft, hard))
        step, what = "uid", f"{request['uid']}:{request['gid']}"
        _take_identity(request["uid"], request["gid"], request["groups"])
        os.umask(request["umask"])
        step, what = "parent", ""
        syscalls.die_with_parent(signal.SIGKILL)
        if os.getppid() != shim:
            raise OSError(3, "the shim is gone")
        step, what = "chdir", request["cwd"]
        os.chdir(what)
        step, what = "exec", request["argv"][0]
        _execute(request["argv"], request["env"])
    except BaseException as error:
        number = getattr(error, "errno", None) or 0
        message = _message(step, what, error, number)
        os.write(report, json.dumps({"step": step, "errno": number, "message": message}).encode()[:4096])
    os._exit(127)


def _message(step: str, what: str, error: BaseException, number: int) -> str:
    why = reason(number) if number else f"{type(error).__name__}: {error}"
    name = getattr(error, "filename", None) or what
    if step == "exec":
        if number == 2 and "/" in what and os.path.exists(what):
            why = "its interpreter does not exist"
        return f"cannot run {what!r}: {why}"
    doing = {
        "chdir": "enter",
        "cgroup": "join cgroup",
        "uid": "become uid",
        "rlimit": "set limit",
        "windows": "mount",
    }
    return f"cannot {doing.get(step, step)} {name!r}: {why}" if name else f"cannot start, {step}: {why}"


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    syscalls.default_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _utf8_terminal() -> None:
    """Let the line editor of the terminal erase whole characters."""
    attributes = termios.tcgetattr(0)
    attributes[0] |= _IUTF8
    termios.tcsetattr(0, termios.TCSANOW, attributes)


def _join(cgroup: str) -> None:
    descriptor = os.open(os.path.join(cgroup, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"0")
    finally:
        os.close(descriptor)


def _limit(name: str) -> int:
    return int(getattr(resource, "RLIMIT_" + name.upper().removeprefix("RLIMIT_")))


def _take_identity(uid: int | None, gid: int | None, groups: Sequence[int]) -> None:
    if uid is None and gid is None:
        return
    if os.geteuid() == 0:
        for descriptor in (0, 1, 2):
            # Otherwise opening /dev/stdout or the terminal by name is refused to the new uid.
            os.fchown(descriptor, -1 if uid is None else uid, -1)
        os.setgroups(groups)
    if gid is not None:
        os.setresgid(gid, gid, gid)
    if uid is not None:
        os.setresuid(uid, uid, uid)


def _execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    name = argv[0]
    candidates = [name]
    if "/" not in name:
        candidates = [os.path.join(place or ".", name) for place in env.get("PATH", os.defpath).split(":")]
    failure: OSError = FileNotFoundError(2, "")
    for candidate in candidates:
        try:
            os.execve(candidate, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            failure = error  # as a shell does: go on looking, and say this when nothing better comes
    raise failure
