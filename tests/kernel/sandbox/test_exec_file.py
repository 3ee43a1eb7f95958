"""What a command prints beyond its answer goes into a file in the agent's home, and nowhere else."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Forbidden, Invalid, NotFound, Unavailable
from fakes import Lab, anyio_backend, estate, lab

pytestmark = pytest.mark.anyio

__all__ = ["anyio_backend", "estate", "lab"]

LONG = "head -c 300000 /dev/zero | tr '\\0' x"


async def run(lab: Lab, process: Any, script: str) -> Any:
    return await lab("sandbox.exec", pid=process.pid, argv=["sh", "-c", script], timeout_s=15)


async def test_a_folder_the_agent_replaced_by_a_link_a_pipe_or_a_file_is_not_written_through(
    lab: Lab, tmp_path: Path
) -> None:
    process = await lab.sh("exec sleep 1000")
    home = lab.home / "agents" / process.agent / "home"
    found = await run(lab, process, LONG)
    assert found.file is not None
    assert (home / found.file).stat().st_size == found.bytes == 300_000
    tmp_path.chmod(0o777)
    for trick in (f"ln -s {tmp_path} .exec", "ln -s . .exec", "mkfifo .exec", "echo > .exec", "mkdir -m 0 .exec/x -p"):
        await run(lab, process, f"cd && rm -rf .exec && {trick}")
        before = sorted(os.listdir(home))
        with anyio.fail_after(15):
            found = await run(lab, process, LONG)
        assert (found.code, found.bytes, found.truncated) == (0, 300_000, True)
        assert (found.file is None) == (not trick.startswith("mkdir"))
        assert (sorted(os.listdir(home)), os.listdir(tmp_path)) == (before, [])


@pytest.mark.parametrize("cwd", ["../../..", "out", "/etc/..", "a/../../../secrets", "x\0y"])
async def test_a_command_runs_in_a_directory_it_may_reach_or_not_at_all(lab: Lab, cwd: str) -> None:
    process = await lab.sh("exec sleep 1000")
    await run(lab, process, f"cd; ln -sfn {lab.home}/secrets out")
    with suppress(Invalid, Forbidden, NotFound, Unavailable):  # or `cat` finds nothing that it may read
        found = await lab("sandbox.exec", pid=process.pid, argv=["cat", "owner.token", "secrets/owner.token"], cwd=cwd)
        assert (found.stdout, found.code) == ("", 1)
