"""`up` and `down`: the daemon in the background, and its end."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from aetherd.ctl import render
from aetherd.ctl.client import Client, Failure, home
from aetherd.ctl.commands import client_of

READY_S = 15.0
GONE_S = 30.0


def readiness(client: Client) -> dict[str, Any] | None:
    """Return what /readyz says once the daemon is up, None before."""
    try:
        found: dict[str, Any] = json.loads(client.request("GET", "/readyz", timeout=5))
        return found
    except Failure:
        return None


def daemon_command() -> list[str]:
    """Return how to start the daemon of this installation."""
    beside = Path(sys.executable).parent / "aetherd"
    if beside.exists():
        return [str(beside)]
    found = shutil.which("aetherd")
    return [found] if found else [sys.executable, "-m", "aetherd.daemon.app"]


@click.command()
@click.option(
    "--port", type=int, help="port of the HTTP face [default: as set, else where it was served last, else 3001]"
)
@click.pass_context
def up(ctx: click.Context, port: int | None) -> None:
    """Start the daemon in the background, unless it runs."""
    client = client_of(ctx)
    if client.url is not None:
        raise Failure("AETHER_URL names a daemon elsewhere; unset it to start one here", "invalid")
    if (ready := readiness(client)) is not None:
        render.out(f"aetherd is running at {ready['address']}")
        if port not in (None, 0, urlsplit(ready["address"]).port):
            raise Failure(f"it is not on port {port}", hint="to move it: aetherctl down, then up again; agents go on")
        return
    port = last_port() if port is None else port
    process, log = start(daemon_command() + ([] if port is None else ["--port", str(port)]))
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            process.wait(timeout=0.1)  # its end is what is waited for; the time-out is when to ask again
        except subprocess.TimeoutExpired:
            ended = False
        else:
            ended = True
        if (ready := readiness(Client())) is not None:
            render.out(f"aetherd is up at {ready['address']}")
            click.echo("  open the console: aetherctl console", err=True)
            return
        if ended:
            raise Failure(f"aetherd ended at once with exit code {process.returncode}{last_words(log)}", "unavailable")
    raise Failure(f"aetherd is not ready after {READY_S:.0f} s{last_words(log)}", "unavailable", f"see {log}")


def last_port() -> int | None:
    """Return where the daemon of this home was served last, unless the environment or its aetherd.toml set a port."""
    place = home()
    with suppress(OSError, ValueError):
        if "AETHER_PORT" in os.environ or "port" in tomllib.loads((place / "aetherd.toml").read_text("utf-8")):
            return None
    with suppress(OSError, ValueError):
        return urlsplit((place / "run" / "address").read_text("ascii").strip()).port
    return None


def start(command: list[str]) -> tuple[subprocess.Popen[bytes], Path]:
    """Start the daemon in a session of its own, logging into the home."""
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / "log" / "aetherd.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd=folder,
            env={**os.environ, "AETHER_HOME": str(folder)},
        )
    except OSError as exc:
        raise Failure(f"cannot start {command[0]}: {exc.strerror}", "unavailable") from exc
    finally:
        os.close(descriptor)
    return process, log


def last_words(log: Path) -> str:
    """Return the end of the log, for a message."""
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()[-3:]
    except OSError:
        return ""
    return "".join("\n  " + line[:300] for line in lines)


@click.command()
@click.option("--agents", is_flag=True, help="end the agents too; without it they go on and are found again by `up`")
@click.pass_context
def down(ctx: click.Context, agents: bool) -> None:
    """Stop the daemon; agents go on unless told otherwise."""
    client = client_of(ctx)
    try:
        watch = pidfd(client)
        client.invoke("system.shutdown", {"agents": agents})
    except Failure as exc:
        if exc.code != "unavailable" or readiness(client) is not None:
            raise
        render.out("aetherd is not running")
        return
    if not gone(client, watch):
        raise Failure(f"aetherd is still there after {GONE_S:.0f} s", hint=f"see {home() / 'log' / 'aetherd.log'}")
    render.out("aetherd has stopped" + (", and its agents" if agents else "; agents go on"))


def pidfd(client: Client) -> int | None:
    """Return a handle on the local daemon's process, which tells of its end."""
    if client.url is not None:
        return None
    try:
        return os.pidfd_open(int((home() / "run" / "aetherd.pid").read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return None


def gone(client: Client, watch: int | None) -> bool:
    """Wait until the daemon has ended."""
    if watch is not None:
        try:
            return bool(select.select([watch], [], [], GONE_S)[0])
        finally:
            os.close(watch)
    deadline = time.monotonic() + GONE_S
    while time.monotonic() < deadline:
        try:
            client.request("GET", "/healthz", timeout=5)
        except Failure as exc:
            if exc.code == "unavailable":
                return True
        select.select([], [], [], 0.1)
    return False
