"""HTTP to the daemon by the standard library: over the home's socket, or to AETHER_URL."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

EXIT = {"invalid": 2, "not_found": 3, "forbidden": 4, "unauthenticated": 4, "unavailable": 5}
CONNECT_S = 10.0
QUIET_S = 60.0  # a stream says something every 15 s; this long without a word means it is dead
ANSWER_S = 3700.0  # the longest wait an operation takes is an hour


class Failure(Exception):
    """Raised for everything that ends a command: its message, a hint, and the exit code."""

    def __init__(self, message: str, code: str = "internal", hint: str | None = None, data: Any = None) -> None:
        super().__init__(message)
        self.message, self.code, self.hint, self.data = message, code, hint, data or {}

    @property
    def exit_code(self) -> int:
        """The documented exit code."""
        return EXIT.get(self.code, 1)


class NotRunning(Failure):
    """Raised when nobody listens."""

    def __init__(self, where: str, hint: str | None) -> None:
        super().__init__(f"aetherd does not answer at {where}", "unavailable", hint)


def home() -> Path:
    """Return the home of the daemon."""
    return Path(os.environ.get("AETHER_HOME") or "~/.aether").expanduser().absolute()


class _Unix(http.client.HTTPConnection):
    """HTTP over the socket file."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = unix_socket(self._path, self.timeout or CONNECT_S)


def unix_socket(path: Path, timeout: float | None) -> socket.socket:
    """Connect to a socket file, however long its path is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{path.name}")
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock


class Client:
    """One daemon."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.url = (url or os.environ.get("AETHER_URL") or "").rstrip("/") or None
        if self.url is not None and urlsplit(self.url).scheme not in ("http", "https"):
            raise Failure(f"AETHER_URL {self.url!r} is not an http address", "invalid")
        self._token = token or os.environ.get("AETHER_TOKEN") or None

    @property
    def socket_path(self) -> Path:
        """The socket local clients use."""
        return home() / "run" / "http.sock"

    @property
    def where(self) -> str:
        """What is being talked to, for messages."""
        return self.url or str(home())

    @property
    def token(self) -> str:
        """The credential: AETHER_TOKEN, else the owner's of the local home."""
        if self._token:
            return self._token
        path = home() / "secrets" / "owner.token"
        try:
            return path.read_text("ascii").strip()
        except FileNotFoundError:
            if self.url is None:
                raise NotRunning(self.where, "start it: aetherctl up") from None
            raise Failure("no token: set AETHER_TOKEN", "unauthenticated") from None
        except (OSError, ValueError) as exc:
            raise Failure(f"cannot read {path}: {exc}", "forbidden") from exc

    # Requests ----------------------------------------------------------------------------------------

    def invoke(self, operation: str, body: dict[str, Any]) -> bytes:
        """Run an operation; return its JSON exactly as it came."""
        return self.request("POST", f"/v1/{quote(operation)}", body)

    def request(self, method: str, path: str, body: Any = None, timeout: float = ANSWER_S) -> bytes:
        """Send one request and return the answer's body."""
        with self._sent(method, path, body, "application/json", {}, timeout) as response:
            try:
                return response.read()
            except (OSError, http.client.HTTPException) as exc:
                raise Failure(f"the connection to aetherd broke: {exc}", "unavailable") from exc

    def stream(self, operation: str, body: dict[str, Any]) -> Iterator[bytes]:
        """Run a streaming operation; yield each item's JSON as it comes."""
        path = f"/v1/{quote(operation)}"
        with self._sent("POST", path, body, "text/event-stream", {}, QUIET_S) as response:
            for kind, data, _ in events(response):
                if kind == "error":
                    raise failure(data, 500)
                if kind == "end":
                    return
                yield data
        raise Failure("the stream broke off before its end", "unavailable")

    def events(self, query: str, last: str | None) -> Iterator[tuple[str, bytes, str | None]]:
        """Yield events of the log as (type, JSON, id) until the connection ends."""
        headers = {} if last is None else {"Last-Event-ID": last}
        with self._sent("GET", f"/v1/events?{query}", None, "text/event-stream", headers, QUIET_S) as response:
            yield from events(response)

    @contextlib.contextmanager
    def _sent(
        self, method: str, path: str, body: Any, accept: str, headers: dict[str, str], timeout: float
    ) -> Iterator[http.client.HTTPResponse]:
        token = self.token
        connection = self._connection()
        try:
            try:
                connection.connect()
            except OSError as exc:
                hint = "start it: aetherctl up" if self.url is None else "check AETHER_URL"
                raise NotRunning(self.where, hint) from exc
            connection.sock.settimeout(timeout)
            given = {"Authorization": f"Bearer {token}", "Accept": accept, **headers}
            data = None
            if body is not None:
                data = json.dumps(body).encode()
                given["Content-Type"] = "application/json"
            try:
                connection.request(method, path, data, given)
                response = connection.getresponse()
                if response.status >= 400:
                    raise failure(response.read(), response.status)
            except (OSError, http.client.HTTPException) as exc:
                raise Failure(f"the connection to aetherd broke: {exc}", "unavailable") from exc
            yield response
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.url is None:
            return _Unix(self.socket_path, CONNECT_S)
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "localhost", parts.port, timeout=CONNECT_S)


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, bytes, str | None]]:
    """Read server-sent events: (type, data, id)."""
    kind, data, key = "message", b"", None
    while True:
        try:
            line = response.readline()
        except (OSError, http.client.HTTPException) as exc:
            raise Failure(f"the connection to aetherd broke: {exc}", "unavailable") from exc
        if not line:
            return
        line = line.rstrip(b"\r\n")
        if not line:
            if data or kind != "message":
                yield kind, data, key
            kind, data = "message", b""
        elif not line.startswith(b":"):
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"event":
                kind = value.decode()
            elif name == b"data":
                data += (b"\n" if data else b"") + value
            elif name == b"id":
                key = value.decode()


def failure(body: bytes, status: int) -> Failure:
    """Turn an error body into what ends the command."""
    try:
        error = json.loads(body)["error"]
        code, message, data = str(error["code"]), str(error["message"]), error.get("data") or {}
    except (ValueError, KeyError, TypeError):
        return Failure(f"aetherd answered HTTP {status}", "internal")
    hint = None
    if code == "pending_approval":
        hint = "a person must decide first: aetherctl approval list"
    elif code == "unauthenticated":
        hint = "AETHER_TOKEN, or secrets/owner.token of the home, is not one of this daemon"
    elif code == "internal":
        hint = "see log/aetherd.log in the home" + (f", call {data['call']}" if "call" in data else "")
    return Failure(message, code, hint, data)
