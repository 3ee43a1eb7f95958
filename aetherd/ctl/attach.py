"""`attach` and `events`: a terminal of an agent in this terminal, and the event log as it grows."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import click

from aetherd.ctl import render
from aetherd.ctl.client import CONNECT_S, Client, Failure, unix_socket
from aetherd.ctl.commands import client_of

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

DETACH = 0x1D  # Ctrl-]
ACK = 64 * 1024
RETRY_S = (0.5, 1.0, 2.0, 5.0)
# Leaves what the other side switched on: alternate screen, mouse, bracketed paste, hidden cursor, colour.
RESTORE = b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?25h\x1b[0m\r\n"


@click.command()
@click.option("--follow", "-f", is_flag=True, help="go on with what happens from now on; reconnects by itself")
@click.option("--since", type=click.IntRange(min=0), help="only events after this id")
@click.option("--type", "types", multiple=True, help="only events of this type; may be repeated")
@click.option("--pid", type=int, help="only of this process")
@click.option("--agent", help="only of this agent (id)")
@click.option("--json", "as_json", is_flag=True, help="one event per line, exactly as it is")
@click.pass_context
def events(
    ctx: click.Context,
    follow: bool,
    since: int | None,
    types: tuple[str, ...],
    pid: int | None,
    agent: str | None,
    as_json: bool,
) -> None:
    """Show what happened: the last events, or with --follow what happens now."""
    wish: dict[str, Any] = {"types": ",".join(types), "pid": pid, "agent": agent, "since": since}
    query = {name: value for name, value in wish.items() if value not in (None, "")}
    if not follow:
        query["follow"] = "false"
        if since is None:
            query["tail"] = 200
    for kind, data in log(client_of(ctx), urlencode(query), follow):
        if kind == "resync":
            if json.loads(data).get("lost"):
                click.echo("aetherctl: older events are gone; going on from the oldest there is", err=True)
        elif as_json:
            render.out(data.decode())
        else:
            render.out(line(json.loads(data)))


def log(client: Client, query: str, follow: bool) -> Iterator[tuple[str, bytes]]:
    """Yield events; after a broken connection go on behind the last one that came."""
    last: str | None = None
    failures, pause = 0, threading.Event()
    connected = False
    while True:
        try:
            for kind, data, key in client.events(query, last):
                connected, failures, last = True, 0, key or last
                yield kind, data
        except Failure as exc:
            if exc.code != "unavailable" or not follow or not connected:
                raise
        if not follow:
            return
        connected = True
        pause.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
        failures += 1


def line(event: dict[str, Any]) -> str:
    """Return one event as one line."""
    about = " ".join(str(event[name]) for name in ("pid", "agent") if event.get(name) is not None)
    data = ", ".join(f"{name}={render.plain(value)[:120]}" for name, value in (event.get("data") or {}).items())
    at = str(event.get("at", ""))[11:19]
    kind = render.styled(render.plain(event.get("type")), fg="cyan")
    return f"{event.get('id')}  {at}  {kind}  {render.plain(about)}  {data}".rstrip()


@click.command()
@click.argument("terminal", metavar="PID|TERMINAL")
@click.pass_context
def attach(ctx: click.Context, terminal: str) -> None:
    """Sit down at an agent's terminal; Ctrl-] gets you up again, and the agent goes on."""
    client = client_of(ctx)
    ticket = json.loads(client.invoke("terminal.attach", {"terminal": terminal}))
    with connected(client, ticket["url"]) as socket:
        if not ticket.get("writable", True):
            reason = ticket.get("reason") or "somebody else has the keyboard"
            click.echo(f"read-only: {render.plain(reason)}", err=True)
        if sys.stdin.isatty():
            click.echo("attached; Ctrl-] detaches", err=True)
        with raw_terminal():
            ended = Screen(socket).run(sys.stdin.fileno(), sys.stdout.fileno())
    if ended is None:
        click.echo("detached", err=True)
        return
    code = ended.get("exit_code")
    click.echo("the terminal has ended" + (f" with exit code {code}" if code is not None else ""), err=True)


@contextlib.contextmanager
def connected(client: Client, path: str) -> Iterator[ClientConnection]:
    """Open the byte channel."""
    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync.client import connect

    options: dict[str, Any] = {
        "additional_headers": {"Authorization": f"Bearer {client.token}"},
        "compression": None,
        "max_size": None,
        "open_timeout": CONNECT_S,
    }
    try:
        if client.url is None:
            sock = unix_socket(client.socket_path, None)
            connection = connect(f"ws://localhost{path}", sock=sock, **options)
        else:
            parts = urlsplit(client.url)
            scheme = "wss" if parts.scheme == "https" else "ws"
            connection = connect(f"{scheme}://{parts.netloc}{path}", proxy=None, **options)
    except InvalidStatus as exc:
        from aetherd.ctl.client import failure

        raise failure(bytes(exc.response.body or b""), exc.response.status_code) from exc
    except (OSError, WebSocketException) as exc:
        raise Failure(f"cannot attach: {exc}", "unavailable") from exc
    with connection:
        yield connection


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Give every key to the other side, and put the terminal back however this ends."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # what was typed ahead is kept
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), RESTORE)


class Screen:
    """One attached terminal: a thread shows what comes, this one sends what is typed."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ended: dict[str, Any] = {}
        self._wake, self._woken = os.pipe()

    def run(self, keys: int, screen: int) -> dict[str, Any] | None:
        """Carry bytes until the terminal ends (how is returned) or the person detaches (None)."""
        before = None
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGWINCH, lambda *_: os.write(self._woken, b"s"))
        reader = threading.Thread(target=self._show, args=(screen,), daemon=True)
        reader.start()
        try:
            self._size()
            return self._type(keys)
        finally:
            if before is not None:
                signal.signal(signal.SIGWINCH, before)

    def _type(self, keys: int) -> dict[str, Any] | None:
        from websockets.exceptions import ConnectionClosed

        sources = [keys, self._wake]
        while True:
            ready = select.select(sources, [], [])[0]
            if self._wake in ready:
                if b"e" in os.read(self._wake, 64):
                    return self._ended
                self._size()
            if keys in ready:
                data = os.read(keys, 65536)
                if not data:  # no more input, such as a pipe that has ended: only watch from here on
                    sources.remove(keys)
                    continue
                typed, detach, _ = data.partition(bytes([DETACH]))
                try:
                    if typed:
                        self._socket.send(typed)
                except ConnectionClosed:
                    return self._ended
                if detach:
                    return None

    def _size(self) -> None:
        from websockets.exceptions import ConnectionClosed

        if sys.stdout.isatty():
            size = shutil.get_terminal_size()
            with contextlib.suppress(ConnectionClosed):
                self._socket.send(json.dumps({"t": "r", "c": size.columns, "r": size.lines}))

    def _show(self, screen: int) -> None:
        from websockets.exceptions import ConnectionClosed

        shown = 0
        try:
            for message in self._socket:
                if isinstance(message, str):
                    self._told(json.loads(message))
                    continue
                view = memoryview(message)
                while view:
                    view = view[os.write(screen, view) :]
                shown += len(message)
                if shown >= ACK:
                    self._socket.send(json.dumps({"t": "a", "n": shown}))
                    shown = 0
        except (ConnectionClosed, OSError):
            pass
        finally:
            os.write(self._woken, b"e")

    def _told(self, word: dict[str, Any]) -> None:
        if word.get("t") == "x":
            self._ended = word
        elif word.get("t") == "e":
            os.write(2, f"\r\n[{render.plain(word.get('message'))}]\r\n".encode())
