"""Fetches a runtime: Node and npm, then what that npm installs; sealed, and switched to in one step."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import re
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Any, Literal

import anyio
import anyio.to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from aetherd.core.errors import AetherError, StorageFull, Unavailable
from aetherd.kernel.runtime.registry import Npmrc, Registry, npmrc, unreachable
from aetherd.kernel.runtime.sealed import damage, seal
from aetherd.kernel.runtime.shelf import LOCK, Shelf
from aetherd.runtime import Package

NODE, NPM = "24.21.0", "11.19.1"  # what runs npm, and npm; a runtime may pin another Node for itself
ARCH = {"x86_64": "x64", "aarch64": "arm64"}
INSTALL_S = 1800.0
END_S = 10.0  # for an npm that is called off
LINE = 65_536  # bytes
SAY_BYTES = 4 << 20  # a download is told of as often
# Nothing else of the daemon's environment reaches npm.
HANDED = re.compile(r"(?i)(npm_config_.*|(http|https|no|all)_proxy|ssl_cert_(file|dir)|node_extra_ca_certs|home|lang)")
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH")

Step = Literal["node", "npm", "packages", "checksums", "switch"]
Say = Callable[[Step, str], Awaitable[None]]


class Installer:
    """Installs below a shelf; `env` is the daemon's own, for npm's configuration. Raises `Unavailable`."""

    def __init__(self, shelf: Shelf, env: Mapping[str, str]) -> None:
        self.shelf, self._env = shelf, env
        self._tools = anyio.Lock()  # what two installs both need is fetched once

    async def install(self, name: str, package: Package, about: Mapping[str, Any], say: Say) -> Path:
        """Install a runtime and switch to it; returns its directory. What was there works until then.

        `about` is written beside what was installed.
        """
        made: Path | None = None
        try:
            with anyio.fail_after(INSTALL_S):
                config = await anyio.to_thread.run_sync(npmrc, self._env)
                node = await self._tool("node", NODE, config, say)
                npm = await self._tool("npm", NPM, config, say)
                its = await self._tool("node", package.node, config, say) if package.node else None
                made = await anyio.to_thread.run_sync(self.shelf.making)
                head = await anyio.to_thread.run_sync(_begin, made, package, its)
                path = (its or node) / "bin"
                await self._npm([str(node / "bin/node"), str(npm / "bin/npm-cli.js")], path, made, config, say)
                await say("checksums", "writing down what was installed")
                head |= await anyio.to_thread.run_sync(_installed, made, package)
                await anyio.to_thread.run_sync(seal, made, {"runtime": name, **about, **head})
                await say("switch", f"{head['version']} is in use")
                return await anyio.to_thread.run_sync(self.shelf.keep, made, name, head["version"])
        except TimeoutError as exc:
            raise Unavailable(f"{name} was not installed within {INSTALL_S:g} s") from exc
        except OSError as exc:
            raise _failed(exc, self.shelf.place) from exc
        finally:
            await _cleared(made)

    async def _tool(self, name: Literal["node", "npm"], version: str, config: Npmrc, say: Say) -> Path:
        """Return Node or npm, fetched when it is not there or not as it was."""
        place = self.shelf.tool(name, version)
        async with self._tools:
            if not await anyio.to_thread.run_sync(damage, place):
                return place
            package = name if name == "npm" else f"node-linux-{_arch()}"
            await say(name, f"fetching {package} {version}")
            told = 0

            async def heard(done: int, total: int | None) -> None:
                nonlocal told
                if done - told >= SAY_BYTES:
                    told = done
                    await say(name, f"{package} {version}: {done >> 20} MB" + (f" of {total >> 20}" if total else ""))

            made = await anyio.to_thread.run_sync(self.shelf.making)
            try:
                integrity = await Registry(config).fetch(package, version, made, heard)
                await anyio.to_thread.run_sync(
                    seal, made, {"package": package, "version": version, "integrity": integrity}
                )
                return await anyio.to_thread.run_sync(self.shelf.keep_tool, made, name, version)
            finally:
                await _cleared(made)

    async def _npm(self, npm: list[str], path: Path, made: Path, config: Npmrc, say: Say) -> None:
        """Let npm install what `package.json` names: no script of a package is run, and its Node must be new enough."""
        command = [*npm, "install", "--prefix", str(made), "--cache", str(made / ".cache"), "--loglevel=http"]
        command += ["--ignore-scripts", "--engine-strict", "--omit=dev", "--no-audit", "--no-fund", "--no-progress"]
        command += ["--no-update-notifier", "--color=false", "--fetch-retries=2", "--fetch-retry-mintimeout=1000"]
        env = {key: value for key, value in self._env.items() if HANDED.fullmatch(key)}
        env |= {"PATH": f"{path}:/usr/local/bin:/usr/bin:/bin"}
        if config.machine is not None:
            env["npm_config_globalconfig"] = str(config.machine)
        last: deque[str] = deque(maxlen=40)
        fetched = 0
        await say("packages", "npm looks what is needed")
        async with _running(command, env, made) as process:
            assert process.stdout is not None
            lines = BufferedByteReceiveStream(process.stdout)
            with suppress(anyio.IncompleteRead):
                while True:
                    line = (await lines.receive_until(b"\n", LINE)).decode(errors="replace").strip()
                    last.append(line)
                    if got := re.search(r"fetch GET 200 \S*?/([^/\s]+)\.tgz", line):
                        fetched += 1
                        await say("packages", f"{fetched} fetched, {got[1]}")
            code = await process.wait()
        if code != 0:
            raise _refused(list(last), config)
        await anyio.to_thread.run_sync(lambda: shutil.rmtree(made / ".cache", ignore_errors=True))


def tools_of(package: Package) -> set[str]:
    """Return what a package needs of Node and npm, as the shelf names it."""
    return {f"npm-{NPM}", f"node-{NODE}", *([f"node-{package.node}"] if package.node else [])}


def pinned(package: Package) -> tuple[str, str]:
    """Return name and version of the runtime itself."""
    name, _, version = package.npm[0].rpartition("@")
    return name, version


def _arch() -> str:
    machine = platform.machine()
    if machine not in ARCH:
        raise Unavailable(f"there is no Node for a machine of kind {machine}; runtimes that need none work")
    return ARCH[machine]


def _begin(made: Path, package: Package, node: Path | None) -> dict[str, Any]:
    """Write what npm shall install; put the runtime's Node beside it, sharing the disk with the tool."""
    wanted = dict(one.rpartition("@")[::2] for one in package.npm)
    (made / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
    if node is not None:
        (made / "bin").mkdir()
        os.link(node / "bin/node", made / "bin/node")
    return {"version": pinned(package)[1], "packages": list(package.npm), "node": package.node, "npm": NPM}


def _installed(made: Path, package: Package) -> dict[str, Any]:
    """Look that what was asked for is there; returns each package's integrity, as npm checked it."""
    for name in package.drop:
        (made / name).unlink(missing_ok=True)
    if not (made / package.program).is_file():
        raise Unavailable(f"{package.npm[0]} has no {package.program}; its pin does not fit this machine")
    (made / LOCK).unlink(missing_ok=True)
    try:
        lock = json.loads((made / "package-lock.json").read_bytes())["packages"]
        return {"integrity": {name: lock[f"node_modules/{name}"].get("integrity") for name in _names(package)}}
    except (OSError, ValueError, KeyError) as exc:
        raise Unavailable(f"npm left no usable package-lock.json: {exc}") from exc


def _names(package: Package) -> list[str]:
    return [one.rpartition("@")[0] for one in package.npm]


@asynccontextmanager
async def _running(command: list[str], env: Mapping[str, str], made: Path) -> AsyncIterator[Process]:
    """Run npm with a lock that tells a later daemon whether it still runs, and which it is."""
    with (made / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        handle = lock.fileno()
        process = await anyio.open_process(
            command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=env,
            cwd=made,
            start_new_session=True,
            pass_fds=(handle,),
            umask=0o022,
        )
        os.write(handle, str(process.pid).encode())
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                with anyio.move_on_after(END_S):
                    await process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()


def _refused(last: list[str], config: Npmrc) -> AetherError:
    """Say in one line what npm could not do."""
    told = [line.partition("npm error ")[2] for line in last if line.startswith("npm error ")]
    code = next((line[5:] for line in told if line.startswith("code ")), "")
    text = "; ".join(line for line in told if not line.startswith(("code ", "A complete log", "errno", "syscall")))[
        :600
    ]
    if code == "ENOSPC":
        return StorageFull("the disk is full: npm could not write; make room and install again")
    if code in UNREACHABLE:
        return Unavailable(unreachable(config.registry, code))
    if code == "EBADENGINE":
        return Unavailable(f"the pinned Node does not suit the package: {text}", code=code)
    return Unavailable(f"npm could not install it: {code} {text}".strip(), code=code)


def _failed(exc: OSError, place: Path) -> AetherError:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"the disk is full at {place}; make room and install again")
    return Unavailable(f"it could not be written: {exc}")


async def _cleared(made: Path | None) -> None:
    """Remove what was not kept; it is gone from there when it was."""
    if made is not None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(made, ignore_errors=True))
