"""Processes in bubblewrap's sandboxes: what they see, what enters beside them, and what outlives the daemon."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Forbidden, Unavailable
from aetherd.shim.client import find_held, open_shim
from fakes import Estate

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]
BWRAP = {"tier": "bwrap"}
LOOK = """
id -u; tty; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
ls -A "$AETHER_HOUSE" "$AETHER_HOUSE/agents"; cat /proc/net/dev | tail -n +3 | cut -d: -f1
touch /etc/x /usr/x "$HOME/mine"; unshare -U true; env | grep -i proxy | sort; echo done; read line
"""


async def gone(path: Path) -> None:
    with anyio.fail_after(10):
        while path.exists():
            await anyio.sleep(0.01)


def holder(lab: Any, pid: int) -> Path:
    return lab.home / "shim" / f"h{pid}"


async def test_a_process_in_bwrap_sees_its_own_things_and_has_no_rights(lab: Any) -> None:
    made = await lab.sh(LOOK, sandbox=BWRAP, env={"AETHER_HOUSE": str(lab.home)})
    told = await lab("process.get", pid=made.pid)
    assert told.sandbox["tier"] == "bwrap"
    text = await lab.printed(made.pid, "done")
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] not in ("", "0")
    assert lines[1] == "/dev/pts/0"
    assert dict(re.findall(r"^(\w+):\s+(\w+)\s*$", text, re.MULTILINE)) == {
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }
    seen = text[text.index(f"{lab.home}:") :].replace("\r", "").replace(" ", "")
    assert seen.startswith(f"{lab.home}:\nagents\n\n{lab.home}/agents:\n{made.agent}\nlo\n")
    for path in ("/etc/x", "/usr/x"):
        assert re.search(f"touch: cannot touch '{path}': (Read-only|Permission denied)", text)
    assert "mine" not in text
    assert "unshare failed: Operation not permitted" in text
    assert "HTTPS_PROXY=http://127.0.0.1:3002" in lines
    await lab("process.kill", pid=made.pid)
    await gone(holder(lab, made.pid))


async def test_codes_and_signals_of_a_process_inside_are_its_own(lab: Any) -> None:
    quits = await lab.sh("exit 7", sandbox=BWRAP)
    killed = await lab.sh("kill -9 $$", sandbox=BWRAP)
    assert (await lab.ended(quits.pid)).exit_code == 7
    assert (await lab.ended(killed.pid)).exit_signal == 9
    await gone(holder(lab, quits.pid))


async def test_what_stands_beside_is_in_the_same_sandbox_and_is_not_frozen_with_it(lab: Any) -> None:
    made = await lab.sh("echo $$ > /tmp/mark; echo ready; read line", sandbox=BWRAP)
    await lab.printed(made.pid, "ready")
    await lab("process.pause", pid=made.pid)
    process = lab.kernel.rooms["process"]
    directory = process.terminal_dir(f"beside-{made.pid}")
    argv = ["/bin/sh", "-c", "tty; cat /tmp/mark"]
    await process.start_beside(made.pid, directory, argv, cwd=Path("/tmp"), name=f"beside-{made.pid}")
    shim = await open_shim(directory)
    await shim.attach(0)
    said = b""
    with anyio.fail_after(10):
        while said.count(b"\n") < 2:
            said += getattr(await shim.read(), "data", b"")
    await shim.aclose()
    assert said.startswith(b"/dev/pts/1")
    await process.end_beside(f"beside-{made.pid}")
    await lab("process.kill", pid=made.pid)


async def test_a_run_in_a_sandbox_starts_others_in_one_and_none_without(lab: Any) -> None:
    made = await lab.sh("read line", sandbox=BWRAP)
    with pytest.raises(Forbidden, match="starts none without walls"):
        await lab("process.spawn", lab.agent_of(made), runtime="command", argv=["/bin/true"], sandbox={"tier": "host"})
    child = await lab("process.spawn", lab.agent_of(made), runtime="command", argv=["/bin/true"])
    assert child.sandbox["tier"] == "bwrap"
    await lab("process.kill", pid=made.pid)


async def test_without_uids_too_an_agent_opens_no_directory_of_the_machine_to_its_child(lab: Any) -> None:
    made = await lab.sh("read line", sandbox=BWRAP)
    lab.kernel.rooms["process"].own_uids = False
    for place in ("/home", str(lab.home), str(lab.home / "secrets")):
        with pytest.raises(Forbidden, match="may not open"):
            await lab("process.spawn", lab.agent_of(made), runtime="command", argv=["/bin/true"], cwd=place)
    await lab("process.kill", pid=made.pid)


async def test_no_sandbox_shows_the_daemons_own_files_whoever_names_them(lab: Any) -> None:
    (lab.home / "link").symlink_to(lab.home)
    for place in (lab.home, lab.home / "secrets", lab.home / "link"):
        with pytest.raises(Unavailable, match="the daemon's own"):
            await lab("process.spawn", runtime="command", argv=["/bin/true"], cwd=str(place), sandbox=BWRAP)


async def test_a_sandbox_outlives_the_daemon_and_ends_with_its_process(estate: Any) -> None:
    async with estate.open() as lab:
        made = await lab.sh("read line; echo heard $line; read line", sandbox=BWRAP)
        lost = await lab.sh("read line", sandbox=BWRAP)
        held = find_held(holder(lab, made.pid))
        assert held is not None
    shutil.copytree(holder(lab, lost.pid), holder(lab, 999_999))  # of a process nobody knows
    async with estate.open() as lab:
        await gone(holder(lab, 999_999))
        assert find_held(holder(lab, made.pid)) == held
        assert (await lab("process.get", pid=made.pid)).state == "running"
        await lab("process.kill", pid=made.pid)
        await gone(holder(lab, made.pid))


async def test_where_no_sandbox_works_a_run_is_refused_with_what_to_do_unless_it_asks_for_none(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    async with estate.open(sandbox="auto") as lab:
        with pytest.raises(Unavailable, match=r'(?s)apt install bubblewrap.*tier docker.*\{"tier": "host"\}'):
            await lab.spawn("command", argv=["/bin/true"])
        made = await lab.spawn("command", argv=["/bin/true"], sandbox={"tier": "host"})
        assert (await lab.ended(made.pid)).exit_code == 0
