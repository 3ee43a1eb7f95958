"""The daemon: one process on one home. Agents are re-adopted first; faces are imported and opened after."""

from __future__ import annotations

import argparse
import errno
import fcntl
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from aetherd import __version__
from aetherd.core import log
from aetherd.core.config import Settings, load
from aetherd.core.errors import AetherError, Conflict
from aetherd.core.ids import new_id
from aetherd.daemon.discovery import runtimes
from aetherd.daemon.kernel import Kernel, make_home
from aetherd.daemon.rooms import ROOMS
from aetherd.operations.house import House
from aetherd.operations.operation import Call

if TYPE_CHECKING:
    from aetherd.web.server import Server

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parents[1] / "web" / "static"


def main() -> None:
    """Run the daemon in the foreground until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="aetherd", description="Host agents; agents outlive this process.")
    parser.add_argument("--home", type=Path, help="where everything is kept (AETHER_HOME, default ~/.aether)")
    parser.add_argument("--host", help="address to serve (AETHER_HOST, default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to serve (AETHER_PORT, default 3001; 0 takes a free one)")
    parser.add_argument("--version", action="version", version=f"aetherd {__version__}")
    options = parser.parse_args()
    try:
        settings = load(home=options.home, host=options.host, port=options.port)
        log.setup(settings.log_level)
        raise_files()
        for name in settings.without_effect:
            logger.warning("setting %s has no effect yet", name)
        make_home(settings)
        with only_one(settings.run_dir / "aetherd.pid"):
            anyio.run(serve, settings)
    except AetherError as exc:
        sys.exit(f"aetherd: {exc.message}")
    except BaseExceptionGroup as errors:
        known, _ = errors.split(AetherError)
        if known is None:
            raise
        sys.exit(f"aetherd: {_first(known)}")
    except KeyboardInterrupt:
        sys.exit(130)


def raise_files() -> None:
    """Let the daemon have as many files open as it may: each agent costs it some, and 1024 is soon reached."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # then it keeps what it has
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve(settings: Settings) -> None:
    """Bring the house up, open its faces, stay until a signal."""
    kernel = Kernel(settings, ROOMS, runtimes(settings))
    async with kernel.running() as house:
        # Imported only now: agents are looked after already while a second of imports goes by.
        from aetherd.web.app import Web
        from aetherd.web.server import Server, bind_tcp, bind_unix
        from aetherd_mcp.http import McpHttp
        from aetherd_mcp.server import ToolServer
        from aetherd_mcp.sockets import Sockets

        house.static = STATIC if (STATIC / "index.html").exists() else None
        tools = ToolServer(house)
        mcp = McpHttp(house, tools)
        web = Web(house, mcp=mcp)
        sockets = [bind_tcp(settings.host, settings.port), bind_unix(settings.run_dir / "http.sock")]
        port = sockets[0].getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        kernel.lifecycle.address = web.address = f"http://{host}:{port}"
        server = Server(web)
        async with tools.running(), mcp.running(), anyio.create_task_group() as group:
            await Sockets(house, tools, group).serve(settings.run_dir / "aetherd.sock")
            group.start_soon(_until_signal, kernel, server)
            group.start_soon(_announce, kernel, house, server)
            group.start_soon(_serve_doors, house, server)
            await server.serve(sockets=sockets)
            group.cancel_scope.cancel()
    logger.info("aetherd has ended; agents go on")


async def _announce(kernel: Kernel, house: House, server: Server) -> None:
    """Tell where the console is, once connections are taken."""
    await server.up.wait()
    gc.freeze()  # what is loaded stays: a full collection would stop everything for 80 ms to look at it again
    gc.enable()
    house.ready = True
    address = kernel.lifecycle.address
    try:
        (kernel.settings.run_dir / "address").write_text(f"{address}\n")
    except OSError as exc:  # the disk is full: come up all the same, and say so
        logger.warning("the address %s could not be written: %s", address, exc.strerror)
    took = kernel.clock.monotonic() - kernel.lifecycle.started
    logger.info("aetherd %s is ready on %s after %.2f s, home %s", __version__, address, took, kernel.settings.home)
    if sys.stderr.isatty():  # a link is a credential: shown to a person, not written to a log file
        owner = Call(id=new_id("call"), actor="user:owner", scopes=frozenset({"*"}), face="internal")
        try:
            code = await house.sessions.open_link(owner)
        except AetherError as exc:
            logger.warning("no link to the console: %s", exc.message)
        else:
            sys.stderr.write(f"\n  Console: {address}/login?code={code}\n  (works once, for ten minutes)\n\n")


async def _serve_doors(house: House, server: Server) -> None:
    """Serve HTTP at the door of every process, too."""
    await server.up.wait()
    await house.doors.served_by(server.open_door, server.shut_door)


async def _until_signal(kernel: Kernel, server: Server) -> None:
    """End on SIGTERM, SIGINT, or when asked by system.shutdown."""
    asked = anyio.Event()
    kernel.lifecycle.stop = asked.set
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for number in signals:
                    logger.info("%s: ending", number.name)
                    asked.set()

        group.start_soon(watch)
        await asked.wait()
        server.should_exit = True
        await anyio.sleep_forever()


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the home: a second daemon on it is refused and told who has it."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno != errno.EWOULDBLOCK:
                raise
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Conflict(
                f"another aetherd (os pid {holder}) runs on {path.parents[1]}; `aetherctl down` ends it"
            ) from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


if __name__ == "__main__":
    main()
