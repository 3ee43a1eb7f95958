"""Nothing outside the home is ever read or written: the corpus, the race, odd files, foreign uids."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound
from aetherd.kernel.fs.beneath import inside
from aetherd.kernel.fs.ports import Place
from aetherd.kernel.fs.staged import Staged

pytestmark = pytest.mark.anyio

REFUSED = (Invalid, Forbidden, NotFound, Conflict, Exhausted)  # every one is a 4xx
CORPUS = [
    "..", "../", "../..", "../outside", "a/../../outside", "./../outside", "a/../../../../../etc/passwd",
    "/etc/passwd", "//etc/passwd", "/", "out/secret", "outfile", "abs/passwd", "proc/root/etc/passwd",
    "fd/0", "up/secret", "loop", "loop/x", "x\0y", "\0", "n" * 300, "d/" * 2000 + "x", "%2e%2e/outside",
    "..%2foutside", "%2e%2e%2foutside", "..\\outside", "..\\..\\etc\\passwd", "‥/outside", "．．/outside",
    "․․/outside", "../outside\u202e", "a/./../../outside", "....//outside", "~/x", "~root", "\ud800",
    "nul\0/../outside",
]  # fmt: skip


def _bait(home: Path) -> Path:
    outside = home.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("SECRET")
    outside.chmod(0o777)
    for name, target in {
        "out": str(outside), "outfile": str(outside / "secret"), "abs": "/etc", "proc": "/proc/self",
        "fd": "/proc/self/fd", "up": "../outside", "loop": "loop",
    }.items():  # fmt: skip
        (home / name).symlink_to(target)
    (home / "a").mkdir()
    if os.geteuid() == 0:
        os.chown(home / "a", 20_101, 20_101)
    return outside


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: ascii(path)[:40])
async def test_no_path_leads_out(files: Any, path: str) -> None:
    outside = _bait(files.home)
    before = {entry: entry.stat().st_mtime_ns for entry in (outside, outside / "secret", files.home.parent)}

    async def body() -> AsyncIterator[bytes]:
        yield b"PWNED"

    attempts: list[tuple[str, dict[str, Any]]] = [
        ("read", {}), ("list", {}), ("write", {"content": "PWNED"}),
        ("write", {"content": "PWNED", "mode": "append"}), ("edit", {"old": "SECRET", "new": "PWNED"}),
        ("mkdir", {}), ("search", {"content": "SECRET"}), ("copy", {"to": "copied"}),
        ("watch", {"timeout_s": 0.01}), ("remove", {"recursive": True}), ("move", {"to": "moved"}),
    ]  # fmt: skip
    for verb, raw in attempts:
        with contextlib.suppress(*REFUSED):
            result = await files(verb, path=path, **raw)
            if verb == "watch":
                result = [item async for item in result]
            assert "SECRET" not in str(result), verb
    await files("write", path="mine", content="x")
    for verb in ("move", "copy"):
        with contextlib.suppress(*REFUSED):
            await files(verb, path="mine", to=path)
    for work in (
        files.service.bodies.open_file(files.as_agent(), "ann", path),
        files.service.bodies.put_file(files.as_agent(), "ann", path, body()),
    ):
        with contextlib.suppress(*REFUSED):
            await work
    assert (outside / "secret").read_text() == "SECRET"
    assert {entry: entry.stat().st_mtime_ns for entry in before} == before


async def test_an_absolute_path_is_told_its_relative_form(files: Any) -> None:
    with pytest.raises(Invalid, match="relative to the agent's home"):
        await files("read", path="/etc/passwd")


async def test_links_that_stay_inside_are_followed(files: Any) -> None:
    await files("write", path="d/f", content="inside")
    (files.home / "l").symlink_to("d")
    (files.home / "d/up").symlink_to("../d/f")
    assert (await files("read", path="l/up")).text == "inside"


class Swapper:
    """Swap a directory with a link that leads out, as fast as can be."""

    def __init__(self, home: Path, outside: Path) -> None:
        (home / "real").mkdir()
        (home / "real/f").write_text("inside")
        (home / "real").chmod(0o777)
        (home / "evil").symlink_to(outside)
        (home / "swap").symlink_to("real")
        self.home, self.stopping = home, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        descriptor = os.open(self.home, os.O_RDONLY)
        names = ["real", "evil"]
        while not self.stopping.is_set():
            for target in names:
                temporary = "swap.new"
                os.symlink(target, temporary, dir_fd=descriptor)
                os.rename(temporary, "swap", src_dir_fd=descriptor, dst_dir_fd=descriptor)
        os.close(descriptor)

    def __enter__(self) -> Swapper:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()


def _naive(home: Path, path: str) -> str | None:
    """Check by name, then open by name: what must not be done."""
    if not (home / path).resolve().is_relative_to(home.resolve()):
        return None
    return (home / path).read_text()


async def test_a_race_with_a_link_never_escapes_though_the_naive_way_does(files: Any) -> None:
    outside = files.home.parent / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    (outside / "f").write_text("SECRET")
    naive = tries = reads = 0
    with Swapper(files.home, outside):
        until = time.monotonic() + 2
        while time.monotonic() < until or (naive == 0 and time.monotonic() < until + 20):
            tries += 1
            with contextlib.suppress(OSError, RuntimeError):
                naive += _naive(files.home, "swap/f") == "SECRET"
        until = time.monotonic() + 2
        call = files.as_agent()
        while time.monotonic() < until:
            try:
                content = await files("read", call, path="swap/f")
                assert content.text != "SECRET"
                reads += 1
                await files("write", call, path="swap/g", content="x")
                await files("remove", call, path="swap/g")
            except (Forbidden, NotFound, Conflict):
                pass
    assert naive > 0, f"the control did not escape in {tries} tries: the race proves nothing"
    assert reads > 0
    assert os.listdir(outside) == ["f"]


async def test_pipes_sockets_devices_and_directories_are_refused_without_hanging(files: Any) -> None:
    os.mkfifo(files.home / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        directory = os.open(files.home, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{directory}/socket")
        os.close(directory)
        names = ["pipe", "socket"]
        if os.geteuid() == 0:
            os.mknod(files.home / "zero", 0o020666, os.makedev(1, 5))
            names.append("zero")
        with fail_after(5):
            for name in names:
                for verb, raw in (
                    ("read", {}), ("write", {"content": "x"}), ("write", {"content": "x", "mode": "append"}),
                    ("edit", {"old": "a", "new": "b"}), ("copy", {"to": "c"}),
                    ("search", {"content": "x"}),
                ):  # fmt: skip
                    with pytest.raises(Invalid, match="not a regular file"):
                        await files(verb, path=name, **raw)
            assert {entry.kind for entry in (await files("list")).entries} == {"other"}
            assert (await files("search", content="x")).files == 0
    with pytest.raises(Conflict, match="directory"):
        await files("read", path=".")


async def test_a_sparse_terabyte_is_read_in_bounds(files: Any) -> None:
    with (files.home / "huge").open("wb") as file:
        file.truncate(1 << 40)
    (files.home / "huge").chmod(0o666)
    with fail_after(10):
        part = await files("read", path="huge", offset=(1 << 40) - 10, limit=1_048_576)
        assert (part.size, part.next_offset, part.eof) == (1 << 40, 1 << 40, True)
        with pytest.raises(Invalid, match="can be edited"):
            await files("edit", path="huge", old="a", new="b")
        assert not (await files("search", content="needle")).complete
        with pytest.raises(Invalid, match="too big"):
            await files("copy", path="huge", to="h")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_what_is_made_belongs_to_the_agent(files: Any) -> None:
    await files("write", path="d/f", content="x")
    await files("copy", path="d", to="e")
    await files.service.bodies.put_file(files.as_owner(), "ann", "u/p", _one())
    for name in ("d", "d/f", "e", "e/f", "u", "u/p"):
        status = (files.home / name).stat()
        assert (status.st_uid, status.st_gid) == (20_101, 20_101), name
    assert (files.home / "d/f").stat().st_mode & 0o777 == 0o644


async def _one() -> AsyncIterator[bytes]:
    yield b"1"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_hard_link_to_what_the_agent_cannot_open_is_not_opened_for_it(files: Any) -> None:
    secret = files.home.parent / "secret"
    secret.write_text("SECRET")
    secret.chmod(0o600)
    os.link(secret, files.home / "hard")
    with pytest.raises(Forbidden, match="no permission"):
        await files("read", path="hard")
    with pytest.raises(Forbidden):
        await files("edit", path="hard", old="SECRET", new="x")
    assert (await files("search", content="SECRET")).matches == []
    assert secret.read_text() == "SECRET"
    # The thread that acted as the agent is the daemon's again.
    with inside(Place.home(files.agents.homes["ann"])):
        pass
    assert secret.read_text() == "SECRET"


async def test_a_write_killed_at_any_moment_leaves_the_old_or_the_new_file(files: Any) -> None:
    await files("write", path="f", content="old" * 100_000)
    home = files.agents.homes["ann"]
    for delay in (0.0, 0.001, 0.003, 0.01):
        child = os.fork()
        if child == 0:
            try:
                with inside(Place.home(home)) as root, root.parent("f") as (directory, name):
                    while True:
                        staged = Staged(directory)
                        staged.write(b"new" * 100_000)
                        staged.commit(name, replace=True, mode=0o644)
                        staged.close()
            finally:
                os._exit(1)
        threading.Event().wait(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert (files.home / "f").read_bytes() in (b"old" * 100_000, b"new" * 100_000)
    assert [entry.path for entry in (await files("list", hidden=True)).entries] == ["f"]
