"""How a process starts: with exactly what was asked for, or with a clear error and nothing left."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from shim_lab import Lab, eventually, until_exit

from aetherd.shim.client import Remains, Spawned, SpawnFailed, Zygote, alive, claim
from aetherd.shim.tree import Trees

pytestmark = pytest.mark.anyio
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes uid or mounts")
STRANGER = 65534


@pytest.mark.parametrize("stdio", ["pty", "pipes"])
async def test_an_unknown_command_fails_at_once_and_says_which(lab: Lab, stdio: str) -> None:
    request = lab.request(["claudee"], stdio=stdio)
    started = time.monotonic()
    with pytest.raises(SpawnFailed, match="cannot run 'claudee': no such file or directory") as caught:
        await lab.zygote.spawn(request)
    assert time.monotonic() - started < 1
    assert (caught.value.step, caught.value.errno) == ("exec", 2)
    assert list(Path(request.directory).iterdir()) == []


async def test_a_place_that_was_claimed_gets_no_shim(lab: Lab) -> None:
    request = lab.request(["/bin/sleep", "1000"])
    assert claim(Path(request.directory))
    with pytest.raises(SpawnFailed, match="already has a shim"):
        await lab.zygote.spawn(request)
    assert not claim(Path(request.directory))
    assert claim(Path(request.directory) / "nowhere")


async def test_each_failing_step_is_named(lab: Lab) -> None:
    for options, step in (
        ({"cwd": "/nowhere"}, "chdir"),
        ({"cgroups": ["/nowhere"]}, "cgroup"),
        ({"rlimits": {"nofile": [5, 4]}}, "rlimit"),
        ({"windows": {"cover": ["/nowhere"], "binds": []}}, "windows"),
        ({"directory": "/nowhere"}, "directory"),
        ({"stdio": "telegraph"}, "request"),
        ({"env": {"A": "nul\0"}}, "request"),
    ):
        with pytest.raises(SpawnFailed) as caught:
            await lab.zygote.spawn(lab.request(["true"], **options))
        assert caught.value.step == step


async def test_a_script_without_its_interpreter_is_told_apart_from_a_missing_one(lab: Lab, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/nowhere/sh\n")
    script.chmod(0o755)
    with pytest.raises(SpawnFailed, match="its interpreter does not exist"):
        await lab.zygote.spawn(lab.request([str(script)]))


async def test_a_directory_serves_one_shim_only(lab: Lab) -> None:
    place, spawned = await lab.start(["sleep", "60"])
    with pytest.raises(SpawnFailed, match="already has a shim"):
        await lab.zygote.spawn(lab.request(["true"], directory=str(place)))
    assert alive(spawned.os_pid, spawned.start_time, spawned.boot_id)


async def test_the_command_is_looked_up_in_the_path_of_the_process(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "onlyhere"
    script.write_text("#!/bin/sh\necho found $0\n")
    script.chmod(0o755)
    for stdio in ("pty", "pipes"):
        _, shim = await lab.open(["onlyhere"], env={"PATH": f"/nowhere:{tmp_path}/bin"}, stdio=stdio)
        assert b"found" in (await until_exit(shim))[0]


SHOW = """
import os, resource, signal, sys
print({
    "env": dict(os.environ), "cwd": os.getcwd(), "fds": sorted(os.listdir("/proc/self/fd")),
    "leader": os.getsid(0) == os.getpid(), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "umask": os.umask(0),
    "tty": os.isatty(0) and os.isatty(1) and os.isatty(2) and os.open("/dev/tty", os.O_RDWR) > 0,
    "size": tuple(os.get_terminal_size(0)) if os.isatty(0) else None,
})
"""


@pytest.mark.parametrize("stdio", ["pty", "pipes"])
async def test_a_process_gets_exactly_what_was_asked_for(lab: Lab, tmp_path: Path, stdio: str) -> None:
    _, shim = await lab.python(
        SHOW, stdio=stdio, env={"LC_CTYPE": "C.UTF-8", "ONLY": "this"}, cwd=str(tmp_path), rows=31, cols=126,
        rlimits={"RLIMIT_NOFILE": [64, 128]}, umask=0o027,
    )  # fmt: skip
    said, ended = await until_exit(shim)
    assert ended.code == 0, said
    seen = eval(said)
    assert seen["env"] == {"LC_CTYPE": "C.UTF-8", "ONLY": "this"}
    assert seen["cwd"] == str(tmp_path)
    assert seen["fds"] == ["0", "1", "2", "3"]  # 3 is the directory being listed
    assert seen["leader"]
    assert seen["nofile"] == (64, 128)
    assert seen["umask"] == 0o027
    assert seen["tty"] is (stdio == "pty")
    assert seen["size"] == ((126, 31) if stdio == "pty" else None)


async def test_signals_are_as_in_a_fresh_process(lab: Lab) -> None:
    _, shim = await lab.open(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"])
    said, _ = await until_exit(shim)
    blocked, ignored = (int(word, 16) for word in said.split()[1::2])
    library = 0b11 << 31  # 32 and 33 belong to the C library, which lets nobody change them
    assert (blocked, ignored & ~library) == (0, 0)


async def test_many_spawns_at_once_over_several_connections_all_succeed(lab: Lab) -> None:
    spawned: list[Spawned] = []

    async def one(zygote: Zygote) -> None:
        found = await zygote.spawn(lab.request(["sleep", "60"]))
        lab.started.append(found)
        spawned.append(found)

    other = await Zygote.start(lab.root, name="test")
    assert other.os_pid == lab.zygote.os_pid
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(one, (lab.zygote, other)[number % 2])
    await other.aclose()
    assert len({found.os_pid for found in spawned}) == 20
    assert all(alive(found.os_pid, found.start_time, found.boot_id) for found in spawned)


async def test_secrets_of_the_environment_are_in_no_argv_and_no_file_of_the_shim(lab: Lab) -> None:
    place, spawned = await lab.start(["sleep", "60"], env={"PATH": "/usr/bin:/bin", "KEY": "canary-7f3a"})
    for pid in (spawned.shim_pid, spawned.os_pid, lab.zygote.os_pid):
        assert b"canary-7f3a" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    for pid in (spawned.shim_pid, lab.zygote.os_pid):
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
    for file in place.iterdir():
        if file.is_file():
            assert b"canary-7f3a" not in file.read_bytes()


async def test_files_of_a_shim_are_private_and_the_record_names_both_processes(lab: Lab) -> None:
    place, spawned = await lab.start(["sleep", "60"])
    for file in place.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    record = json.loads((place / "shim.json").read_text())
    assert record["os_pid"] == spawned.os_pid
    assert alive(record["os_pid"], record["start_time"], record["boot_id"])
    assert alive(record["shim_pid"], record["shim_start_time"], record["boot_id"])


@needs_root
@pytest.mark.parametrize("stdio", ["pty", "pipes"])
async def test_a_process_runs_under_the_uid_and_gid_asked_for(lab: Lab, stdio: str) -> None:
    code = """
import os
print(os.getresuid(), os.getresgid(), os.getgroups())
print([l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")])
print(open("/dev/stderr", "w").close(), os.isatty(0) and os.open(os.ttyname(0), os.O_RDWR) > 0)
"""
    _, shim = await lab.open(["/usr/bin/env", "python3", "-c", code], uid=STRANGER, gid=STRANGER, stdio=stdio,
                             env={"PATH": "/usr/bin:/bin:/usr/local/bin"})  # fmt: skip
    said, ended = await until_exit(shim)
    assert ended.code == 0, said
    lines = said.decode().split("\r\n" if stdio == "pty" else "\n")
    assert lines[0] == "(65534, 65534, 65534) (65534, 65534, 65534) []"
    assert lines[1] == "['0000000000000000']"
    assert lines[2] == f"None {stdio == 'pty'}"


@needs_root
async def test_windows_show_an_agent_its_own_part_of_a_closed_directory_and_nothing_else(
    lab: Lab, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    (closed / "deep" / "home").mkdir(parents=True)
    (closed / "tool").write_text("#!/bin/sh\necho tool runs\n")
    (closed / "tool").chmod(0o755)
    (closed / "secret").write_text("secret")
    (closed / "deep" / "secret").write_text("secret")
    home = closed / "deep" / "home"
    os.chown(home, STRANGER, STRANGER)
    closed.chmod(0o700)
    # The test's own directory lies under closed ones too: cover the topmost.
    way = [*reversed(closed.parents), closed]
    cover = next(place for place in way if not place.stat().st_mode & 0o001)
    script = f"""
cat mine; find {cover} | sort; {closed}/tool
echo new > mine2 && echo wrote
echo x > {closed}/tool || echo tool is read-only
echo x > {closed}/other || echo closed is read-only
"""
    (home / "mine").write_text("mine\n")
    os.chown(home / "mine", STRANGER, STRANGER)
    binds = [{"path": str(home), "readonly": False}, {"path": str(closed / "tool"), "readonly": True}]
    _, shim = await lab.open(["sh", "-c", f"exec 2>&1; {script}"], uid=STRANGER, gid=STRANGER, cwd=str(home),
                             windows={"cover": [str(cover)], "binds": binds})  # fmt: skip
    said, ended = await until_exit(shim)
    text = said.decode()
    assert ended.code == 0, text
    assert text.startswith("mine\n")
    for expected in ("tool runs", "wrote", "tool is read-only", "closed is read-only"):
        assert expected in text
    assert "secret" not in text
    assert (home / "mine2").read_text() == "new\n"
    assert str(home) not in Path("/proc/self/mounts").read_text()


@needs_root
async def test_a_process_joins_its_cgroups_and_the_shim_does_not(lab: Lab) -> None:
    trees = Trees(f"aetherd-test-join-{os.getpid()}")
    if trees.mechanism == "processes":
        pytest.skip("no control groups here")
    groups = trees.make("one")
    try:
        _, spawned = await lab.start(["sleep", "60"], cgroups=groups)
        members = (Path(groups[0]) / "cgroup.procs").read_text().split()
        assert members == [str(spawned.os_pid)]
        assert trees.kill("one", "no-such-marker") == []
    finally:
        trees.remove("one")
        Path(groups[0]).parent.rmdir()


async def test_remains_are_found_when_the_process_was_faster_than_the_daemon(lab: Lab) -> None:
    place, _ = await lab.start(["sh", "-c", "echo quick; exit 7"])
    await eventually(lambda: (place / "exit.json").exists() and not (place / "s").exists())
    shim = await lab.attach(place)
    assert isinstance(shim, Remains)
    said, ended = await until_exit(shim)
    assert (said, ended.code) == (b"quick\n", 7)


def test_the_package_imports_nothing_else_of_the_daemon() -> None:
    code = "import sys, aetherd.shim.client, aetherd.shim.tree; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    ours = [name for name in loaded.split() if name.startswith("aetherd")]
    assert all(name == "aetherd" or name.startswith("aetherd.shim") for name in ours)
