"""Git as a subprocess: no configuration but ours and that of the repository it is run in, no hooks, no prompts.

`SAFE` outranks what a repository's own configuration says; what no setting can turn off (filters, drivers, URLs) is
kept away by where git is run, see docs/adr/0010-worktrees.md.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any

import anyio
import anyio.to_thread

from aetherd.core.errors import Conflict, Unavailable

SAFE = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.pager": "cat",
    "core.editor": "false",
    "core.askPass": "false",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "log.showSignature": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "diff.ignoreSubmodules": "all",
    "advice.addEmbeddedRepo": "false",
    "advice.detachedHead": "false",
    "core.quotePath": "false",
}
LOCAL = {"core.sshCommand": "false", "protocol.allow": "never"}  # it talks to nobody
OLDEST = (2, 38)  # merge-tree --write-tree
ERRORS = 20_000


def environment(more: Mapping[str, str] | None = None, *, remote: bool = False) -> dict[str, str]:
    """Return the whole environment of a git that is run for us; with `remote` it may talk to one."""
    settings = SAFE if remote else SAFE | LOCAL
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": "false",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    if not remote:
        found["GIT_ALLOW_PROTOCOL"] = "none"
    for number, (key, value) in enumerate(settings.items()):
        found[f"GIT_CONFIG_KEY_{number}"], found[f"GIT_CONFIG_VALUE_{number}"] = key, value
    return found | dict(more or {})


class GitFailed(Conflict):
    """Raised when git refuses: its own words."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How git went."""

    code: int
    out: bytes
    error: str
    cut: bool  # there was more output than was asked for

    @property
    def text(self) -> str:
        """Its output as text, without the last line end."""
        return self.out.decode("utf-8", "replace").rstrip("\n")


@dataclass(frozen=True, slots=True)
class Git:
    """One repository, as one user of the machine."""

    directory: Path  # its GIT_DIR, or a checkout of it
    uid: int | None = None  # None: the daemon's own

    async def run(
        self,
        *arguments: str,
        give: bytes | IO[bytes] | None = None,
        to: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        deadline_s: float = 60,
        keep: int = 32 << 20,
        remote: bool = False,
        at: Path | None = None,
    ) -> Ran:
        """Run a command; raises `GitFailed` with git's words when it refuses, `Unavailable` when it takes too long.

        `give` is its input, `to` a file for its output; else the first `keep` bytes of that are returned. `at` is
        a checkout to run in.
        """
        where = ["-C", str(at)] if at is not None else [f"--git-dir={self.directory}"]
        user: dict[str, Any] = {}
        if self.uid is not None and self.uid != os.geteuid():
            user = await anyio.to_thread.run_sync(_user, self.uid)
        ran = None
        with anyio.move_on_after(deadline_s):
            ran = await _run(("git", *where, *arguments), give, to, environment(env, remote=remote), user, keep)
        if ran is None:
            raise Unavailable(f"git {arguments[0]} took longer than {deadline_s:g} s and was ended")
        if check and ran.code and not ran.cut:
            words = ran.error.strip().splitlines() or [f"exit code {ran.code}"]
            raise GitFailed(f"git {arguments[0]}: {words[-1].removeprefix('fatal: ')[:500]}", command=arguments[0])
        return ran

    async def line(self, *arguments: str, **more: Any) -> str | None:
        """Return what it prints, None when it fails."""
        ran = await self.run(*arguments, check=False, **more)
        return None if ran.code else ran.text

    async def has(self, oid: str) -> bool:
        """Tell whether it has an object."""
        return (await self.run("cat-file", "-e", oid, check=False)).code == 0


async def version() -> str | None:
    """Return why this machine's git will not do, None when it will."""
    try:
        ran = await _run(("git", "--version"), None, None, environment(), {}, 1000)
    except FileNotFoundError:
        return "git is not installed; install git 2.38 or newer"
    found = re.search(r"(\d+)\.(\d+)", ran.text)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        return f"worktrees need git 2.38 or newer, and this is {ran.text or 'unknown'}; install a newer one"
    return None


def _user(uid: int) -> dict[str, Any]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return {"user": uid, "group": uid, "extra_groups": []}
    return {"user": uid, "group": entry.pw_gid, "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid)}


async def _run(
    command: tuple[str, ...],
    give: bytes | IO[bytes] | None,
    to: IO[bytes] | None,
    env: Mapping[str, str],
    user: Mapping[str, Any],
    keep: int,
) -> Ran:
    process = await anyio.open_process(
        command,
        stdin=PIPE if isinstance(give, bytes) else give or DEVNULL,
        stdout=PIPE if to is None else to,
        stderr=PIPE,
        env=env,
        start_new_session=True,
        umask=0o022,
        **user,
    )
    out, error, cut = bytearray(), bytearray(), False
    try:
        async with anyio.create_task_group() as group:

            async def feed() -> None:
                assert process.stdin is not None
                assert isinstance(give, bytes)
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await process.stdin.send(give)
                await process.stdin.aclose()

            async def hear() -> None:
                assert process.stderr is not None
                async for data in process.stderr:
                    error.extend(data)
                    del error[:-ERRORS]

            if isinstance(give, bytes):
                group.start_soon(feed)
            group.start_soon(hear)
            if process.stdout is not None:
                async for data in process.stdout:
                    out.extend(data)
                    if len(out) > keep:
                        cut = True
                        del out[keep:]
                        _kill(process.pid)
                        break
        return Ran(await process.wait(), bytes(out), error.decode("utf-8", "replace"), cut)
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                _kill(process.pid)
            await process.aclose()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # its own session, see above
        os.killpg(pid, signal.SIGKILL)
