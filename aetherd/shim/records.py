"""What the daemon and a shim tell each other, as plain frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """Say what a shim runs, where and with what rights.

    `directory` exists, is private to the daemon and has never held a shim. `env` is the whole environment:
    nothing is inherited. `uid` and `gid` None keep the daemon's; `groups` are its supplementary groups. `cgroups`
    are directories whose `cgroup.procs` the process joins before it executes. `windows` is `{"cover":
    [directory], "binds": [{"path", "readonly"}]}`: the process sees each covered directory empty but for the
    bound paths (root only). `rlimits` maps a name such as "nofile" or "RLIMIT_NOFILE" to (soft, hard), -1 for
    no limit. Sizes are bytes: `lossless_cap` bounds unacknowledged output of pipes, `ring` the output kept of a
    terminal, `stderr_ring` the standard error kept of pipes. `oom_score_adj` is that of proc(5).

    `enter` names a process, {"pid", "start_time"}, in whose namespaces this one is born: then `windows` is None,
    cwd, argv and a terminal are those of that place, and uid and gid are given. `seccomp` is the path of a compiled
    BPF program that holds from the exec on.
    """

    directory: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    stdio: str = "pipes"
    rows: int = 24
    cols: int = 80
    uid: int | None = None
    gid: int | None = None
    groups: Sequence[int] = ()
    cgroups: Sequence[str] = ()
    windows: Mapping[str, Any] | None = None
    rlimits: Mapping[str, Sequence[int]] = field(default_factory=dict)
    oom_score_adj: int | None = None
    lossless_cap: int = 256 << 20
    ring: int = 64 << 20
    stderr_ring: int = 4 << 20
    umask: int = 0o022
    enter: Mapping[str, int] | None = None
    seccomp: str | None = None


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """Say what a keeper holds: a sandbox that it makes by running `argv`, or one that stands already.

    `directory` exists, is private to the daemon and gets holder.json. `argv` is bwrap's command line, run in a network
    namespace of its own and with the same rights as a SpawnRequest's; `files` maps descriptors it finds open (10 and
    above) to paths. Or `adopt` names the first process of a sandbox ({"pid", "start_time"}), into whose network
    namespace the keeper goes. `door` is a directory, and `doors` maps TCP ports of 127.0.0.1 inside to the names of
    unix sockets there; they may come and go.
    """

    directory: str
    door: str
    doors: Mapping[int, str]
    argv: Sequence[str] | None = None
    adopt: Mapping[str, int] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    gid: int | None = None
    groups: Sequence[int] = ()
    cgroups: Sequence[str] = ()
    windows: Mapping[str, Any] | None = None
    files: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """Name a sandbox that stands, by its keeper and its first process; start times as in Spawned."""

    keeper_pid: int
    keeper_start_time: int
    boot_id: str
    init_pid: int
    init_start_time: int

    @property
    def enter(self) -> dict[str, int]:
        """What a SpawnRequest enters it by."""
        return {"pid": self.init_pid, "start_time": self.init_start_time}


@dataclass(frozen=True, slots=True)
class Spawned:
    """Name a process that was just started: `start_time` is field 22 of its /proc stat, in clock ticks."""

    os_pid: int
    start_time: int
    shim_pid: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class Exit:
    """Tell how a process ended: `code` or `signal`, bytes of output in all, and the time (Unix seconds)."""

    code: int | None
    signal: int | None
    end_offset: int
    at: float


@dataclass(frozen=True, slots=True)
class Hello:
    """Describe a shim and its process as they were when the connection opened.

    Offsets count bytes of output since the process started: `first_offset` is the oldest still kept,
    `end_offset` one past the newest. `last_input` is the highest input id accepted, 0 for none.
    """

    protocol: int
    shim_pid: int
    os_pid: int
    start_time: int
    boot_id: str
    stdio: str
    first_offset: int
    end_offset: int
    stderr_end: int
    last_input: int
    stdin_open: bool
    rows: int
    cols: int
    exit: Exit | None


@dataclass(frozen=True, slots=True)
class Output:
    """Carry bytes of output and the absolute offset of the first one."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Blocked:
    """Tell that the process has to wait because output is not acknowledged (or the disk is full)."""

    blocked: bool
    unacked: int


def exit_from(fields: Mapping[str, Any]) -> Exit:
    """Return the exit in a JSON object; unknown fields are ignored. Raises KeyError when one is missing."""
    return Exit(fields["code"], fields["signal"], fields["end_offset"], fields["at"])


def hello_from(fields: Mapping[str, Any]) -> Hello:
    """Return the HELLO in a JSON object; unknown fields are ignored. Raises KeyError when one is missing."""
    plain = {name: fields[name] for name in Hello.__dataclass_fields__ if name != "exit"}
    ended = fields.get("exit")
    return Hello(**plain, exit=None if ended is None else exit_from(ended))
