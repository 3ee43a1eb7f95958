"""The process itself: from a fork of the shim to the exec of the agent."""

from __future__ import annotations

import _socket  # not socket: its enums and wrappers cost every shim a tenth of a megabyte
import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import struct
import termios

from aetherd.shim import enter, syscalls
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
    if child.os_pid:
        os.waitpid(child.os_pid, 0)
    failure = json.loads(said)
    raise SpawnFailed(failure["step"], failure["errno"], failure["message"])


def _start_pty(request: dict[str, Any], report: int) -> Child:
    if request["enter"] is not None:
        os_pid, ours = _send_in(request, report, None)
        return Child(os_pid, ours, ours, -1)
    ours, theirs = _terminal(request)
    os_pid = _fork(request, report, (theirs, theirs, theirs))
    os.close(theirs)
    return Child(os_pid, ours, ours, -1)


def _terminal(request: dict[str, Any]) -> tuple[int, int]:
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", request["rows"], request["cols"], 0, 0))
    return ours, theirs


def _start_pipes(request: dict[str, Any], report: int) -> Child:
    ours_in, theirs_in = os.pipe()[::-1]
    ours_out, theirs_out = os.pipe()
    ours_err, theirs_err = os.pipe()
    for descriptor in (ours_in, ours_out):
        with contextlib.suppress(OSError):  # more than this user may have: the usual 64 KiB do
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    ends = (theirs_in, theirs_out, theirs_err)
    os_pid = _fork(request, report, ends) if request["enter"] is None else _send_in(request, report, ends)[0]
    for descriptor in ends:
        os.close(descriptor)
    return Child(os_pid, ours_in, ours_out, ours_err)


def _fork(request: dict[str, Any], report: int, ends: tuple[int, int, int]) -> int:
    """Fork the process, the leader of a session of its own, with these as its standard streams.

    By hand: subprocess and ptyprocess look a command up before uid and mounts are those of the agent, cannot say
    which step failed, and cost every shim a fifth of a megabyte.
    """
    shim = os.getpid()
    os_pid, groups = divide(request["cgroups"])
    if os_pid != 0:
        return os_pid
    try:
        become({**request, "cgroups": groups}, _take_streams(request, report, ends), shim)
    finally:
        os._exit(127)


def _take_streams(request: dict[str, Any], report: int, ends: tuple[int, int, int]) -> int:
    """Lead a session with these as its standard streams; everything else is closed but what is returned."""
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
    return report


def _send_in(request: dict[str, Any], report: int, ends: tuple[int, int, int] | None) -> tuple[int, int]:
    """Have the process born in the namespaces of `enter`; returns its pid and, for a terminal, our end of it.

    A courier goes there and forks: a pid namespace holds for children only. What it forks is not its own child but
    ours, so that nobody stands between us and how it ends. The pid is 0 when it did not come so far.
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    courier, groups = divide(request["cgroups"])
    if courier == 0:
        try:
            _carry({**request, "cgroups": groups}, report, ends, theirs)
        finally:
            os._exit(127)
    theirs.close()
    said, more, _, _ = ours.recvmsg(8, _socket.CMSG_SPACE(4))
    ours.close()
    _, status = os.waitpid(courier, 0)
    if said:
        return struct.unpack("i", said)[0], struct.unpack("i", more[0][2][:4])[0] if more else -1
    if os.WIFSIGNALED(status):
        why = f"killed by signal {os.WTERMSIG(status)} on its way into the sandbox"
        os.write(report, json.dumps({"step": "enter", "errno": 0, "message": why}).encode())
    return 0, -1


def _carry(request: dict[str, Any], report: int, ends: tuple[int, int, int] | None, back: _socket.socket) -> NoReturn:
    """Go in and fork the process there; a failure goes to `report` as JSON."""
    step, what = "signals", ""
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        _default_signals()
        step = "cgroup"
        for what in request["cgroups"]:
            _join(what)
        step = "rlimit"
        _set_limits(request)
        step, what = "seccomp", request["seccomp"] or ""
        program = _read(what) if what else b""
        step, what = "enter", str(request["enter"]["pid"])
        if (adjust := request.get("oom_score_adj")) is not None:
            _prefer_to_kill(adjust)
        places = enter.open_places(request["enter"])
        enter.join(places, lambda: _take_identity(request["uid"], request["gid"], request["groups"], ends or ()))
        step, what = "terminal", ""
        more = []
        if ends is None:  # its own, so that it has a name there
            master, slave = _terminal(request)
            ends = (slave, slave, slave)
            more.append((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", master)))
        step = "fork"
        syscalls.hide_memory()  # from now on the agent sees us, and has the same uid
        os_pid = syscalls.fork_as_sibling()
        if os_pid:
            back.sendmsg((struct.pack("i", os_pid),), more)
            os._exit(0)
        _become_inside(request, _take_streams(request, report, ends), program)
    except BaseException as error:
        tell(report, step, what, error)
    os._exit(127)


def _become_inside(request: dict[str, Any], report: int, program: bytes) -> NoReturn:
    """Turn this fresh fork, which has its place and identity, into the process of the request."""
    step, what = "parent", ""
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        alive = select.poll()
        alive.register(report, 0)
        if alive.poll(0):  # nobody reads: the shim is gone, and getppid does not tell across pid namespaces
            raise OSError(3, "the shim is gone")
        if request["stdio"] == "pty":
            _utf8_terminal()
        os.umask(request["umask"])
        step, what = "chdir", request["cwd"]
        os.chdir(what)
        step, what = "seccomp", ""
        syscalls.take_no_privileges()
        if program:
            syscalls.filter_calls(program)
        step, what = "exec", request["argv"][0]
        _execute(request["argv"], request["env"])
    except BaseException as error:
        tell(report, step, what, error)
    os._exit(127)


def divide(cgroups: Sequence[str]) -> tuple[int, Sequence[str]]:
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
        if (adjust := request.get("oom_score_adj")) is not None:
            _prefer_to_kill(adjust)
        step = "cgroup"
        for what in request["cgroups"]:
            _join(what)
        step, what = "windows", ""
        if request["windows"] is not None:
            open_windows(request["windows"]["cover"], request["windows"]["binds"])
        step = "rlimit"
        _set_limits(request)
        step, what = "uid", f"{request['uid']}:{request['gid']}"
        _take_identity(request["uid"], request["gid"], request["groups"], (0, 1, 2))
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
        tell(report, step, what, error)
    os._exit(127)


def tell(report: int, step: str, what: str, error: BaseException) -> None:
    number = getattr(error, "errno", None) or 0
    message = _message(step, what, error, number)
    os.write(report, json.dumps({"step": step, "errno": number, "message": message}).encode()[:4096])


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
        "enter": "enter the sandbox of",
        "seccomp": "filter system calls by",
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


def _prefer_to_kill(adjust: int) -> None:
    """Have the kernel, when memory is full, end this program before what holds its sandbox or serves it."""
    with contextlib.suppress(OSError):  # no /proc, or ours is already higher
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, str(adjust).encode())
        finally:
            os.close(descriptor)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def _set_limits(request: dict[str, Any]) -> None:
    for name, (soft, hard) in request["rlimits"].items():
        try:
            resource.setrlimit(_limit(name), (soft, hard))
        except (OSError, ValueError) as error:
            raise OSError(getattr(error, "errno", None) or 22, str(error), name) from None


def _limit(name: str) -> int:
    return int(getattr(resource, "RLIMIT_" + name.upper().removeprefix("RLIMIT_")))


def _take_identity(uid: int | None, gid: int | None, groups: Sequence[int], streams: Sequence[int]) -> None:
    if uid is None and gid is None:
        return
    if os.geteuid() == 0:
        for descriptor in streams:
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
