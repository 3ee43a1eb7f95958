"""What one sandbox is made from, and what it gives: told by the process room, known to every tier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aetherd.operations.errands import Mount

Tier = Literal["docker", "bwrap", "host"]
"""Ways to put walls around a process; host has none."""
HTTP_PORT = 3001
"""Port of 127.0.0.1 inside that leads to the socket `h` of the door's directory."""
PROXY_PORT = 3002
"""Port of 127.0.0.1 inside that leads to the socket `x` of the door's directory."""
DOOR = Path("/run/aether")
"""Where a sandbox sees the door's directory; in tier host it is where it is."""
OWN = "d"
"""Directory below the door's that belongs to the programs inside: they may listen there, we may connect."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One process's sandbox, before it is made. Every path is the same inside and outside, but for the door.

    `uid` None: the daemon's own. `mounts` are shared directories, `needs` what it reads (runtime, relay), `ports`
    further loopback ports that lead to the door directory's sockets `t<port>`, `limits` and `wish` the JSON forms
    of the process room's Limits and SandboxWish, `devices` device files it may use, `gpus` the uuids of its GPUs.
    `alone`: it has no way out, for a command that belongs to no process; its pid is then a number below zero.
    """

    pid: int
    agent: str
    uid: int | None
    home: Path
    config: Path
    cwd: Path
    door: Path
    mounts: Sequence[Mount] = ()
    needs: Sequence[Path] = ()
    ports: Sequence[int] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    wish: Mapping[str, Any] = field(default_factory=dict)
    devices: Sequence[Path] = ()
    gpus: Sequence[str] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Devices:
    """Devices that a process was given: their files in /dev, and the uuids of those that are GPUs."""

    files: Sequence[Path] = ()
    gpus: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Inside:
    """How a program gets into a sandbox that stands.

    `enter` is `SpawnRequest.enter` ({"pid", "start_time"} of its first process), `seccomp` the path of a filter it
    takes on, `env` what everything inside has on top of its own, `python` the interpreter to use instead of ours.
    """

    enter: Mapping[str, int]
    seccomp: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
