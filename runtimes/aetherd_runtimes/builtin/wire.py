"""HTTP to a provider, so that every wait hears the inbox: an interrupt ends it at once and hangs up."""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from aetherd_runtimes.builtin.dialects.common import Away, Broken
from aetherd_runtimes.builtin.model import Wait

CONNECT_S = 15.0
SILENCE_S = 300.0  # a model may think that long before its first word
ERROR_LIMIT = 256 * 1024
PIECE = 65536


class Exchange:
    """One question and its answer as it comes in; raises `Broken` for whatever happens to the connection."""

    def __init__(self, url: str, headers: Mapping[str, str], body: bytes, env: Mapping[str, str], wait: Wait) -> None:
        self._connection = _connection(url, env)
        try:
            target = _connect(self._connection, url, env)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Away(f"{urlsplit(url).netloc} cannot be reached: {_told(error)}") from error
        try:
            self._connection.sock = _Heard(self._connection.sock, wait)
            self._connection.request("POST", target, body, {**headers, "content-type": "application/json"})
            self._response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(f"{urlsplit(url).netloc} hung up: {_told(error)}") from error
        except BaseException:
            self.close()
            raise

    @property
    def status(self) -> int:
        """Return the status."""
        return self._response.status

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self._response.getheader(name)

    def chunks(self) -> Iterator[bytes]:
        """Yield the answer's bytes as they come."""
        try:
            while chunk := self._response.read1(PIECE):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"the stream was cut: {_told(error)}") from error

    def whole(self) -> bytes:
        """Return the beginning of an answer that is no stream."""
        data = bytearray()
        for chunk in self.chunks():
            data += chunk
            if len(data) > ERROR_LIMIT:
                break
        return bytes(data[:ERROR_LIMIT])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def reachable(url: str, env: Mapping[str, str]) -> bool:
    """Tell whether somebody listens at an address."""
    try:
        connection = _connection(url, env)
        connection.connect()
        connection.close()
    except (OSError, http.client.HTTPException):
        return False
    return True


def _connection(url: str, env: Mapping[str, str]) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Broken(f"{url!r} is no address of a provider")
    through = _proxy(parts.scheme, parts.hostname, env)
    host, port = (through.hostname or "", through.port or 80) if through else (parts.hostname, parts.port)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_S)
    connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_S)
    if through:
        connection.set_tunnel(parts.hostname, parts.port or 443)
    return connection


def _connect(connection: http.client.HTTPConnection, url: str, env: Mapping[str, str]) -> str:
    """Connect and return what to ask for: of a proxy for plain HTTP the whole address."""
    connection.connect()
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname and _proxy("http", parts.hostname, env):
        return url
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def _proxy(scheme: str, host: str, env: Mapping[str, str]) -> Any:
    """Return the proxy for an address, as the environment says; None for the direct way."""
    without = (env.get("NO_PROXY") or env.get("no_proxy") or "").split(",")
    if any(part and (host == part or host.endswith(f".{part}")) for part in (one.strip(" .") for one in without)):
        return None
    given = env.get(f"{scheme}_proxy") or env.get(f"{scheme.upper()}_PROXY")
    return urlsplit(given if "://" in given else f"http://{given}") if given else None


def _told(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__


class _Heard:
    """A socket in the place of the one that `http.client` made: it waits by the inbox."""

    def __init__(self, inner: socket.socket, wait: Wait) -> None:
        inner.setblocking(False)
        self._inner, self._wait = inner, wait

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._inner.send(rest) :]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                self._ready(error, select.POLLOUT)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what is received, to read."""
        return io.BufferedReader(_Incoming(self), PIECE)

    def receive(self, buffer: Any) -> int:
        """Receive some bytes, 0 at the end."""
        while True:
            try:
                return self._inner.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                self._ready(error, select.POLLIN)

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def _ready(self, error: Exception, events: int) -> None:
        if isinstance(error, ssl.SSLWantReadError):
            events = select.POLLIN
        elif isinstance(error, ssl.SSLWantWriteError):
            events = select.POLLOUT
        if not self._wait(self._inner.fileno(), events, monotonic() + SILENCE_S):
            raise OSError(f"nothing came for {SILENCE_S:.0f} s")


class _Incoming(io.RawIOBase):
    def __init__(self, heard: _Heard) -> None:
        super().__init__()
        self._heard = heard

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._heard.receive(buffer)
