"""Sandboxes that a keeper holds: born inside, doors that outlive the other side, and nothing left of them."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from shim_lab import Lab, output_until

from aetherd.kernel.sandbox.seccomp import program
from aetherd.shim.client import Exit, Held, HoldRequest, SpawnFailed, alive, find_held, release
from aetherd.shim.frames import READY_FD, STATUS_FD

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]
UID = 20017
WALLS = [
    "bwrap", "--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
    "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp",
    "--json-status-fd", str(STATUS_FD), "--", "/bin/sh", "-c", f"echo ready >&{READY_FD}; exec sleep infinity",
]  # fmt: skip
ROOT = os.geteuid() == 0


class Room:
    """One sandbox and what runs in it."""

    def __init__(self, lab: Lab, held: Held, place: Path, door: Path) -> None:
        self.lab, self.held, self.place, self.door = lab, held, place, door
        self.filter = lab.root / "calls.bpf"
        self.filter.write_bytes(program() or b"")

    def options(self, **more: Any) -> dict[str, Any]:
        identity = {"uid": UID, "gid": UID} if ROOT else {}
        return {"enter": self.held.enter, "seccomp": str(self.filter), "cwd": "/tmp", **identity, **more}

    async def sh(self, script: str, **more: Any) -> Any:
        _, shim = await self.lab.open(["/bin/sh", "-c", script], **self.options(**more))
        return shim


@asynccontextmanager
async def sandbox(lab: Lab, **more: Any) -> AsyncIterator[Room]:
    place, door = lab.directory(), lab.directory()
    door.chmod(0o755)
    identity = {"uid": UID, "gid": UID} if ROOT else {}
    more.setdefault("argv", WALLS)
    request = HoldRequest(str(place), str(door), {3001: "h"}, env={"PATH": "/usr/bin:/bin"}, **identity, **more)
    held = await lab.zygote.hold(request)
    try:
        yield Room(lab, held, place, door)
    finally:
        assert await anyio.to_thread.run_sync(release, place)


async def ending(shim: Any) -> Exit:
    with anyio.fail_after(10):
        while not isinstance(item := await shim.read(), Exit):
            pass
    return item


@contextmanager
def echo(path: Path) -> Iterator[None]:
    """Answer everything with itself."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        path.unlink()
        thread.join(5)


async def test_a_process_is_born_inside_without_rights_and_its_end_is_its_own(lab: Lab) -> None:
    async with sandbox(lab) as room:
        shim = await room.sh(
            "grep -hE 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; echo $(echo /proc/[0-9]*)"
        )
        text = (await output_until(shim, b"/proc/1 ")).decode()
        assert text.split()[:8] == [
            "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2",
        ]  # fmt: skip
        assert len(text.split()[8:]) <= 5  # init, sleep, the shell and its children: nothing of this machine
        assert (await ending(await room.sh("exit 7"))).code == 7
        assert (await ending(await room.sh("kill -9 $$"))).signal == signal.SIGKILL


async def test_a_terminal_of_a_sandbox_has_a_name_and_job_control_there(lab: Lab) -> None:
    async with sandbox(lab) as room:
        _, shim = await lab.open(
            ["/bin/bash", "-c", "set -m; tty; stty size; echo mine; read x"], **room.options(stdio="pty", rows=31)
        )
        assert (await output_until(shim, b"mine")).startswith(
            b"/dev/pts/0\r\n31 80\r\n"
        )  # the terminal is the shell's again
        await shim.resize(40, 90)
        await shim.send(1, b"\x03")
        assert (await ending(shim)).signal in (signal.SIGINT, None)


async def test_a_filter_refuses_what_reaches_past_the_walls(lab: Lab) -> None:
    calls = (
        "import socket, os\nfor name in (38, 40):\n try: socket.socket(name, 1)\n except OSError as e: print(e.errno)\n"
    )
    async with sandbox(lab) as room:
        shim = await room.sh(f"unshare -U true; python3 -c '{calls}'; mount -t tmpfs x /tmp; echo end", stdio="pty")
        text = (await output_until(shim, b"end")).decode()
        assert "unshare failed: Operation not permitted" in text
        assert text.count("1\r\n") >= 2
        assert "permission denied" in text.lower() or "must be superuser" in text


async def test_a_door_waits_for_the_other_side_and_outlives_it(lab: Lab) -> None:
    talk = (
        "import socket\nfor n in range(3):\n s = socket.create_connection(('127.0.0.1', 3001))\n"
        " s.sendall(b'x' * 3_000_000 if n == 1 else b'ask'); s.shutdown(1)\n d = b''\n"
        " while (p := s.recv(1 << 16)): d += p\n print('got', len(d), flush=True); input()\n"
    )
    async with sandbox(lab) as room:
        _, shim = await lab.open(["/usr/bin/python3", "-c", talk], **room.options(env={"PATH": "/usr/bin"}))
        # Nobody listens when it connects; then one does, is gone, and another one comes.
        for number, size in enumerate((3, 3_000_000, 3), start=1):
            with echo(room.door / "h"):
                assert b"got %d" % size in await output_until(shim, b"got %d\n" % size)
            await shim.send(number, b"\n")
        assert (await ending(shim)).code == 0


async def test_the_end_of_a_keeper_is_the_end_of_everything_inside(lab: Lab) -> None:
    async with sandbox(lab) as room:
        shim = await room.sh("setsid sleep 1000 & echo up; sleep 1000")
        await output_until(shim, b"up")
        assert find_held(room.place) == room.held
        os.kill(room.held.keeper_pid, signal.SIGKILL)
        assert (await ending(shim)).signal == signal.SIGKILL
        with anyio.fail_after(5):
            while alive(room.held.init_pid, room.held.init_start_time, room.held.boot_id):
                await anyio.sleep(0.005)
        assert find_held(room.place) is None
        with pytest.raises(SpawnFailed, match="cannot enter the sandbox"):
            await room.sh("true")


async def test_a_sandbox_that_cannot_be_made_says_why_and_leaves_nothing(lab: Lab) -> None:
    for argv, why in (
        (["bwrap", "--bind", "/nowhere", "/x", *WALLS[1:]], "/nowhere"),
        (["no-such-bwrap"], "cannot run"),
    ):
        with pytest.raises(SpawnFailed, match=why):
            async with sandbox(lab, argv=argv):
                pass


@pytest.mark.skipif(not ROOT, reason="only root can become another user to try it")
def test_all_of_this_works_without_root() -> None:
    """Run this file again as nobody, with an interpreter and sources that it can reach."""
    python = Path("/usr/bin/python3")
    if (
        not python.exists()
        or subprocess.run([python, "-c", "import sys; assert sys.version_info >= (3, 11)"]).returncode
    ):
        pytest.skip("no python 3.11 that everybody can run")
    here = Path(__file__).resolve()
    packages = next(Path(place) for place in sys.path if place.endswith("site-packages"))
    for open_ in (here, packages):
        if not all(parent.stat().st_mode & stat.S_IXOTH for parent in open_.parents):
            pytest.skip(f"{open_} is closed to others")
    with tempfile.TemporaryDirectory() as place:  # a short path: sockets have names of at most 107 bytes
        os.chmod(place, 0o777)
        env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{packages}:{here.parents[2]}", "HOME": place}
        line = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={place}/t", str(here), "-k", "not root"]
        ran = subprocess.run(
            [python, *line],
            env=env, cwd=here.parents[2], user=65534, group=65534, extra_groups=[],
            capture_output=True, text=True, timeout=90,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
