"""Who survives whom: the daemon, the zygote, the shim and the process."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import anyio
import pytest
from shim_lab import Lab, eventually, output_until, until_exit

from aetherd.shim import frames
from aetherd.shim.client import (
    Remains,
    ShimError,
    ShimGone,
    SpawnRequest,
    Zygote,
    alive,
    open_shim,
    read_output,
    start_time_of,
)
from aetherd.shim.proc import stat

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("stdio", ["pty", "pipes"])
async def test_code_signal_and_the_full_tail_are_there_for_a_daemon_that_was_down(lab: Lab, stdio: str) -> None:
    for end, code, signum in (("exit 3", 3, None), ("kill -9 $$", None, 9), ("kill -TERM $$", None, 15)):
        script = f"for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done; {end}"
        before = time.time()
        place, spawned = await lab.start(["sh", "-c", script], stdio=stdio)
        await eventually(partial(_ended, place))
        shim = await lab.attach(place)
        assert isinstance(shim, Remains)
        said, ended = await until_exit(shim)
        assert (ended.code, ended.signal) == (code, signum)
        assert said.split(b"\n")[8].strip() == b"line 9"
        assert ended.end_offset == len(said)
        assert before - 1 <= ended.at <= time.time() + 1
        assert shim.hello.os_pid == spawned.os_pid
        assert not alive(spawned.os_pid, spawned.start_time, spawned.boot_id)
        await eventually(partial(_gone, spawned.shim_pid))


async def test_the_last_words_of_a_large_output_are_all_there(lab: Lab) -> None:
    for stdio in ("pty", "pipes"):
        _, shim = await lab.python("import sys; sys.stdout.write('z' * 3_000_000 + 'end')", stdio=stdio)
        said, _ = await until_exit(shim)
        assert len(said) == 3_000_003
        assert said.endswith(b"zend")


async def test_a_grandchild_that_holds_the_pipe_delays_the_exit_half_a_second_at_most(lab: Lab) -> None:
    for stdio in ("pty", "pipes"):
        started = time.monotonic()
        _, shim = await lab.open(["sh", "-c", "trap '' HUP; sleep 30 & echo bye"], stdio=stdio)
        said, ended = await until_exit(shim)
        assert (said.strip(), ended.code) == (b"bye", 0)
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("stdio", ["pty", "pipes"])
async def test_killing_the_shim_kills_the_process_and_leaves_no_false_record(lab: Lab, stdio: str) -> None:
    place, spawned = await lab.start(["sleep", "60"], stdio=stdio)
    shim = await lab.attach(place)
    os.kill(spawned.shim_pid, signal.SIGKILL)
    await eventually(lambda: not alive(spawned.os_pid, spawned.start_time, spawned.boot_id))
    with pytest.raises(ShimGone):
        await shim.read()
    with pytest.raises(ShimGone):
        await shim.send(1, b"x")
    with pytest.raises(ShimGone):
        await open_shim(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="changes uid")
async def test_killing_the_shim_kills_a_process_of_another_uid_too(lab: Lab) -> None:
    _, spawned = await lab.start(["sleep", "60"], uid=65534, gid=65534)
    os.kill(spawned.shim_pid, signal.SIGKILL)
    await eventually(lambda: not alive(spawned.os_pid, spawned.start_time, spawned.boot_id))


async def test_a_terminated_session_does_not_take_the_shim_along(lab: Lab) -> None:
    script = "trap 'echo asked; exit 4' TERM; echo ready; while :; do sleep 0.05; done"
    place, spawned = await lab.start(["sh", "-c", script])
    shim = await lab.attach(place)
    said = await output_until(shim, b"ready\n")
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(spawned.shim_pid, signum)
    os.kill(spawned.os_pid, signal.SIGTERM)
    more, ended = await until_exit(shim)
    assert (said + more, ended.code) == (b"ready\nasked\n", 4)


async def test_killing_the_zygote_leaves_shims_alive_and_the_next_spawn_gets_a_new_one(lab: Lab) -> None:
    _, shim = await lab.open(["cat"], stdio="pty")
    old = lab.zygote.os_pid
    assert old is not None
    os.kill(old, signal.SIGKILL)
    await eventually(partial(_gone, old))
    assert await shim.send(1, b"still here\n") == "accepted"
    await output_until(shim, b"still here")
    _, after = await lab.open(["echo", "hello"])
    assert (await until_exit(after))[0] == b"hello\n"
    assert lab.zygote.os_pid not in (None, old)


async def test_a_zygote_without_a_lease_ends_and_its_shims_live_on(lab: Lab, tmp_path: Path) -> None:
    zygote = await Zygote.start(tmp_path, name="short", lease=0.2)
    pid = zygote.os_pid
    request = lab.request(["cat"])
    lab.started.append(await zygote.spawn(request))
    await anyio.sleep(0.4)  # the lease is held: time passes and nothing happens
    assert pid is not None
    assert start_time_of(pid) is not None
    await zygote.aclose()
    await eventually(partial(_gone, pid))
    assert not list(tmp_path.glob("short*.sock"))
    shim = await lab.attach(Path(request.directory))
    assert await shim.send(1, b"alive\n") == "accepted"
    await output_until(shim, b"alive")
    with pytest.raises(ShimError, match="closed"):
        await zygote.spawn(lab.request(["true"]))


async def test_starts_at_the_same_time_end_up_with_one_zygote(tmp_path: Path) -> None:
    zygotes = await asyncio.gather(*(Zygote.start(tmp_path, name="race") for _ in range(8)))
    pids = {zygote.os_pid for zygote in zygotes}
    for zygote in zygotes:
        await zygote.aclose()
    [pid] = pids
    assert pid is not None
    os.kill(pid, signal.SIGTERM)


async def test_the_socket_of_a_killed_zygote_is_in_nobodys_way_and_long_paths_work(tmp_path: Path) -> None:
    run_dir = tmp_path / ("long" * 40)
    run_dir.mkdir(mode=0o700)
    for _ in range(2):
        zygote = await Zygote.start(run_dir, name="again")
        place = run_dir / f"{zygote.os_pid}"
        place.mkdir(mode=0o700)
        await zygote.spawn(SpawnRequest(str(place), ["true"], {"PATH": os.environ["PATH"]}, "/"))
        await eventually((place / "exit.json").exists)
        assert zygote.os_pid is not None
        os.kill(zygote.os_pid, signal.SIGKILL)
        await eventually(partial(_alone, zygote))
        await zygote.aclose()


async def test_a_daemon_killed_in_the_middle_of_spawning_loses_no_process(lab: Lab, tmp_path: Path) -> None:
    place = lab.directory()
    code = f"""
import asyncio, os
from pathlib import Path
from aetherd.shim.client import SpawnRequest, Zygote
async def main():
    zygote = await Zygote.start(Path({str(tmp_path)!r}), name="test")
    request = SpawnRequest({str(place)!r}, ["cat"], dict(PATH=os.environ["PATH"]), "/")
    asyncio.get_running_loop().call_later(0.001, os._exit, 9)
    await zygote.spawn(request)
asyncio.run(main())
"""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], timeout=20)
    record = place / "shim.json"
    if (place / "out.log").exists() or record.exists():
        await eventually(record.exists)
        shim = await lab.attach(place)
        assert await shim.send(1, b"adopted\n") == "accepted"
        await output_until(shim, b"adopted")
        await shim.close_stdin(2)
        await until_exit(shim)


async def test_orphans_of_the_process_are_reaped(lab: Lab) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do (sleep 0.05 & ); done; echo ready; cat"
    _, shim = await lab.open(["sh", "-c", script])
    await output_until(shim, b"ready")
    pid = shim.hello.shim_pid

    def children() -> list[str]:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    await eventually(lambda: children() == [str(shim.hello.os_pid)])


@pytest.mark.skipif(os.geteuid() != 0, reason="changes uid")
async def test_another_user_gets_no_answer_from_shim_or_zygote(lab: Lab) -> None:
    place, _ = await lab.start(["cat"])
    code = """
import os, socket, sys
lines = []
for number in sys.argv[1:]:
    line = socket.socket(socket.AF_UNIX); lines.append(line)
os.setresuid(65534, 65534, 65534)
for line, number in zip(lines, sys.argv[1:]):
    try:
        line.connect(number)
        line.settimeout(3)
        print(len(line.recv(100)))
    except OSError as error: print(type(error).__name__)
"""
    sockets = [place / "s", next(lab.root.glob("*.sock"))]
    # With the modes as they are the file system refuses; with open modes the peer check must.
    for mode, expected in ((0o600, ["PermissionError"] * 2), (0o666, ["0"] * 2)):
        for path in sockets:
            path.chmod(mode)
        for parent in (place, *place.parents):
            if not parent.stat().st_mode & 0o001:
                parent.chmod(0o755)
        shown = await asyncio.to_thread(
            subprocess.run, ["/usr/bin/env", "python3", "-c", code, *map(str, sockets)],
            capture_output=True, text=True, timeout=20, env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert shown.stdout.replace("ConnectionResetError", "0").split() == expected, shown.stderr


async def test_garbage_on_the_socket_of_the_zygote_harms_nobody(lab: Lab) -> None:
    path = next(lab.root.glob("*.sock"))
    for garbage in (
        b"\xff" * 100_000,
        frames.frame(frames.SPAWN, b"not json"),
        frames.frame(frames.SPAWN, b"[" * 100_000),
        frames.frame(frames.SPAWN, b"[1]"),
        frames.frame(frames.SPAWN, json.dumps({"id": {"a": 1}, "argv": 5}).encode()),
        frames.frame(0xEE, b"from the future"),
        frames.HEADER.pack(frames.SPAWN, 2**32 - 1),
        frames.HEADER.pack(frames.SPAWN, 1000) + b"half a frame",
    ):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path)) if len(str(path)) < 107 else pytest.skip("path too long for this test")
            line.sendall(garbage)
    pid = lab.zygote.os_pid
    _, shim = await lab.open(["echo", "fine"])
    assert (await until_exit(shim))[0] == b"fine\n"
    assert lab.zygote.os_pid == pid


async def test_a_step_that_hangs_ends_in_an_error_and_no_late_process(lab: Lab, tmp_path: Path) -> None:
    fifo = tmp_path / "cgroup.procs"
    os.mkfifo(fifo)  # opening it for writing waits for a reader
    with anyio.fail_after(20), pytest.raises(ShimError, match="ended before its process ran"):
        await lab.zygote.spawn(lab.request(["true"], cgroups=[str(tmp_path)]), deadline=1.0)


async def test_a_shim_ends_with_its_process_when_its_directory_was_removed(lab: Lab) -> None:
    place, spawned = await lab.start(["sleep", "60"])
    shutil.rmtree(place)
    os.kill(spawned.os_pid, signal.SIGKILL)
    await eventually(partial(_gone, spawned.shim_pid))


async def test_a_process_may_leave_its_terminal_and_come_back(lab: Lab) -> None:
    code = """
import fcntl, os, termios, time
name = os.ttyname(0)
os.write(1, b"before ")
for fd in (0, 1, 2): os.close(fd)
time.sleep(0.3)
fd = os.open(name, os.O_RDWR)
os.write(fd, b"after")
"""
    _, shim = await lab.python(code, stdio="pty")
    said, ended = await until_exit(shim)
    assert said == b"before after"
    assert ended.code == 0


async def test_output_is_not_lost_when_the_shim_ends_before_anybody_asked_for_it(lab: Lab) -> None:
    place, spawned = await lab.start(["sh", "-c", "read go; echo words"], stdio="pipes")
    shim = await lab.attach(place, None)
    assert await shim.send(1, b"\n") == "accepted"
    await eventually(partial(_gone, spawned.shim_pid))
    await shim.close_stdin(2)  # so it is found out
    await shim.attach(0)
    said, ended = await until_exit(shim)
    assert (said, ended.code) == (b"words\n", 0)


async def test_no_shim_and_no_record_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ShimGone):
        await open_shim(tmp_path)
    with pytest.raises(ShimGone):
        await open_shim(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        read_output(tmp_path, 0, 1)


async def test_identity_is_pid_start_time_and_boot(lab: Lab) -> None:
    _, spawned = await lab.start(["sleep", "60"])
    assert alive(spawned.os_pid, spawned.start_time, spawned.boot_id)
    assert not alive(spawned.os_pid, spawned.start_time + 1, spawned.boot_id)
    assert not alive(spawned.os_pid, spawned.start_time, "another boot")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
async def test_a_full_disk_makes_the_process_wait_and_loses_nothing(lab: Lab, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], check=True)
    try:
        (disk / "ballast").write_bytes(b"b" * 1_000_000)
        place = disk / "p"
        place.mkdir(mode=0o700)
        code = "import os\nfor n in range(1500): os.write(1, b'%08d\\n' % n * 110)\nraise SystemExit(5)"
        _, spawned = await lab.start([sys.executable, "-c", code], directory=str(place))
        await eventually(lambda: read_output(place, 0, 0)[3] >= 900_000)
        await anyio.sleep(0.3)
        assert alive(spawned.os_pid, spawned.start_time, spawned.boot_id)
        (disk / "ballast").unlink()
        said, ended = await until_exit(await lab.attach(place))
        assert said == b"".join(b"%08d\n" % number * 110 for number in range(1500))
        assert ended.code == 5
    finally:
        await eventually(
            lambda: subprocess.run(["umount", str(disk)], check=False, capture_output=True).returncode == 0
        )


def _ended(place: Path) -> bool:
    return (place / "exit.json").exists() and not (place / "s").exists()


def _gone(pid: int) -> bool:
    found = stat(pid)
    return found is None or found[0] in "ZX"


def _alone(zygote: Zygote) -> bool:
    return zygote.os_pid is None
