"""HTTP: what comes is logged, brought into the common form, and answered as the script says."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.model_api.dialects import DIALECTS, Dialect, Frame
from tests.model_api.request import Request
from tests.model_api.script import reply

if TYPE_CHECKING:
    from tests.model_api.server import ModelApi

NO_KEY = {"message": "the scripted API does not know this key"}


class Server(ThreadingHTTPServer):
    """A thread for every connection."""

    daemon_threads = True
    request_queue_size = 256
    api: ModelApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients go away in the middle on purpose."""


class _Gone(Exception):
    """Raised when the script says to cut the connection."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        """Answer that somebody is here."""
        self._json(200, {})

    def do_GET(self) -> None:
        """Answer the log or a list of models."""
        if self.path == "/__log":
            self._json(200, {"requests": self.server.api.dump()})
            return
        request = self._request({})
        self.server.api.note(request)
        self._json(200, self._beside(request) or {})

    def do_PUT(self) -> None:
        """Replace the script."""
        self.server.api.use(self._body())
        self._json(200, {"ok": True})

    def do_POST(self) -> None:
        """Answer as the script says."""
        api, body = self.server.api, self._body()
        if self.path.startswith("/__release/"):
            api.release(self.path.removeprefix("/__release/"))
            self._json(200, {"ok": True})
            return
        request = self._request(body)
        dialect = next((one for one in DIALECTS if one.speaks(request.path)), None)
        if dialect:
            request.dialect, request.conversation = dialect.name, dialect.read(request.path, body)
            request.side = api.is_side(request)
        api.note(request)
        if dialect:
            self._speak(dialect, request)
        elif found := self._beside(request):
            self._json(200, found)
        else:
            self._json(404, {"type": "error", "error": {"type": "not_found_error", "message": request.path}})

    def _request(self, body: dict[str, Any]) -> Request:
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(time.time(), unquote(address.path), headers, body, dict(parse_qsl(address.query)))

    def _beside(self, request: Request) -> dict[str, Any] | None:
        found = (one.beside(request.path, request.body, self.server.api.models) for one in DIALECTS)
        return next((answer for answer in found if answer is not None), None)

    def _body(self) -> dict[str, Any]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            raw = b"".join(iter(self._chunk, b""))
        else:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        return cast("dict[str, Any]", json.loads(raw or b"{}"))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().partition(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _speak(self, dialect: Dialect, request: Request) -> None:
        api = self.server.api
        try:
            if not api.admits(request):
                self._json(401, dialect.error(401, NO_KEY))
                return
            step = request.answered = api.answer(request)
            if hold := step.get("hold"):
                api.held(hold)
            api.nap(step.get("delay_ms", 0) / 1000)
            request.first_byte_at = time.time()
            if error := step.get("error"):
                self._refuse(dialect, error)
            elif request.conversation.stream:
                self._stream(dialect, step, request)
            else:
                self._json(200, dialect.whole(reply(step, request)))
        except (_Gone, OSError):
            request.cut = True
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        finally:
            request.ended_at = time.time()
            api.notify()

    def _refuse(self, dialect: Dialect, error: dict[str, Any]) -> None:
        headers = {str(k): str(v) for k, v in error.get("headers", {}).items()}
        if "retry_after" in error:
            headers["retry-after"] = str(error["retry_after"])
        status = error.get("status", 500)
        self._json(status, dialect.error(status, error), headers)

    def _stream(self, dialect: Dialect, step: dict[str, Any], request: Request) -> None:
        api, answer = self.server.api, reply(step, request)
        self.send_response(200)
        self.send_header("content-type", dialect.content_type)
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        sent = 0
        for piece in dialect.stream(answer, request.conversation):
            if not isinstance(piece, Frame):
                self._pause(piece)
                continue
            if piece.last:
                self._stall(step, dialect.ping)
            elif piece.delta:
                if sent:
                    api.nap(step.get("chunk_delay_ms", 0) / 1000)
                if "drop" in step and sent >= int(step["drop"]):
                    raise _Gone
                sent += 1
            self._write(piece.data)
        if "drop" in step:
            raise _Gone
        self.wfile.write(b"0\r\n\r\n")

    def _pause(self, piece: dict[str, Any]) -> None:
        if "hold" in piece and not self.server.api.held(piece["hold"]):
            raise _Gone
        self.server.api.nap(piece.get("sleep_ms", 0) / 1000)
        self._write(str(piece.get("raw", "")).encode())

    def _stall(self, step: dict[str, Any], word: bytes) -> None:
        left, ping = step.get("stall_ms", 0) / 1000, step.get("ping_ms", 0) / 1000
        while left > 0:
            self.server.api.nap(min(left, ping) if ping else left)
            left -= ping or left
            if ping:
                self._write(word)

    def _write(self, raw: bytes) -> None:
        if raw:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
            self.wfile.flush()
