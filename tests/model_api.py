"""A test double: a scripted Anthropic Messages API on loopback. No model is behind it.

In a test::

    with ModelApi({"steps": [{"reply": [{"text": "hello"}]}]}) as api:
        ...  # ANTHROPIC_BASE_URL=api.url
        api.wait_for_request(1)

By hand: `python tests/model_api.py --port 8800 --script script.json`.

A script is a JSON object:

- `rules`: a list of steps with `when`; the first that matches answers. For several agents on one server.
- `steps`: a list of steps, used once each in order; one whose `when` does not match is passed over.
- `default`: the step when nothing else matches (the text "ok").
- `side`: the step for requests without tools (titles, summaries); `false` treats them like any other.

A step: `reply` (a list of blocks `{"text"}`, `{"thinking"}`, `{"tool_use": {"name", "input", "id"?}}`; in an input
"$task.id" is that part of the newest tool result that has it),
`delay_ms` before the first byte, `chunk_delay_ms` between chunks, `chunk` (characters per chunk, 24),
`stall_ms` of silence before the last event, `ping_ms` between pings while waiting, `usage`,
`error` (`{"status", "type", "message", "retry_after"?, "headers"?}`), `drop` (cut the connection after that
many chunks), `stop_reason`, `times` (a rule is used at most so often), `when`. Text may be a list of strings
mixed with `{"hold": NAME}` (wait for `release(NAME)` or `POST /__release/NAME`) and `{"sleep_ms": N}`.
A step's own `hold` waits before the first byte.

`when` holds if all of its keys do: `said` (in the texts since the last assistant message), `first` (in the
first user message), `system` (in the system prompt or a system message), `text` (anywhere), `tool_result`
(true/false: the last message carries one; or a part of its text), `tool` (offered by name), `turns` (number
of assistant messages so far), `model`, `not` (another `when`).

Besides `POST /v1/messages`: `/v1/messages/count_tokens`, `GET /v1/models`, `GET /__log`, `PUT /__script`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from aetherd_runtimes.builtin.script import filled

Script = dict[str, Any]
HOLD_LIMIT_S = 60.0


@dataclass
class Request:
    """One request as it came, and how it was answered."""

    at: float  # wall clock
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    side: bool = False
    answered: dict[str, Any] = field(default_factory=dict)
    first_byte_at: float | None = None
    ended_at: float | None = None
    cut: bool = False  # the client went away before the end

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation."""
        return cast("list[dict[str, Any]]", self.body.get("messages", []))

    @property
    def tools(self) -> list[str]:
        """The names of the tools offered."""
        return [str(tool.get("name")) for tool in self.body.get("tools") or []]

    @property
    def fresh(self) -> list[dict[str, Any]]:
        """The messages since the last of the assistant."""
        last = max((i for i, m in enumerate(self.messages) if m.get("role") == "assistant"), default=-1)
        return self.messages[last + 1 :]

    @property
    def said(self) -> str:
        """The texts since the last assistant message, tool results apart."""
        return "\n".join(text for message in self.fresh for text in texts(message.get("content")))

    @property
    def system(self) -> str:
        """The system prompt and the system messages."""
        parts = list(texts(self.body.get("system")))
        for message in self.messages:
            if message.get("role") == "system":
                parts.extend(texts(message.get("content")))
        return "\n".join(parts)

    @property
    def text(self) -> str:
        """All texts of the conversation, tool results and tool inputs apart."""
        return "\n".join(text for message in self.messages for text in texts(message.get("content")))

    @property
    def tool_results(self) -> list[str]:
        """The texts of the tool results since the last assistant message."""
        return self._results(self.fresh)

    @property
    def answers(self) -> list[Any]:
        """What every tool result of the conversation says, oldest first; None where it is no JSON."""
        return [parsed(text) for text in self._results(self.messages)]

    def _results(self, messages: list[dict[str, Any]]) -> list[str]:
        return [
            "\n".join(texts(block.get("content")))
            for message in messages
            if isinstance(message.get("content"), list)
            for block in message["content"]
            if block.get("type") == "tool_result"
        ]


def parsed(text: str) -> Any:
    """Return what a tool result says, if it is JSON."""
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return None


def texts(content: Any) -> Iterator[str]:
    """Yield the plain texts of a content value."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for block in content:
            if isinstance(block, dict) and block.get("type") == "text":
                yield str(block.get("text", ""))


def holds(when: dict[str, Any] | None, request: Request) -> bool:
    """Say whether all conditions of `when` are met by this request."""
    return all(_holds(key, wanted, request) for key, wanted in (when or {}).items())


def _holds(key: str, wanted: Any, request: Request) -> bool:
    match key:
        case "said":
            return str(wanted) in request.said
        case "first":
            first = next((m for m in request.messages if m.get("role") == "user"), {})
            return str(wanted) in "\n".join(texts(first.get("content")))
        case "system":
            return str(wanted) in request.system
        case "text":
            return str(wanted) in request.text
        case "tool_result":
            results = request.tool_results
            if isinstance(wanted, bool):
                return bool(results) == wanted
            return any(str(wanted) in result for result in results)
        case "tool":
            return str(wanted) in request.tools
        case "turns":
            return len([m for m in request.messages if m.get("role") == "assistant"]) == int(wanted)
        case "model":
            return str(wanted) in str(request.body.get("model"))
        case "not":
            return not holds(wanted, request)
    raise ValueError(f"unknown condition {key!r}")


class ModelApi:
    """The server in a thread of its own; `url` is what ANTHROPIC_BASE_URL wants."""

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self._changed = threading.Condition()
        self._log: list[Request] = []
        self._released: set[str] = set()
        self._over = False
        self._script: Script = {}
        self._next_step = 0
        self._uses: dict[int, int] = {}
        self.use(script or {})
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """The requests for messages so far, without the side ones."""
        with self._changed:
            return [r for r in self._log if r.path == "/v1/messages" and not r.side]

    @property
    def log(self) -> list[Request]:
        """Every request so far."""
        with self._changed:
            return list(self._log)

    def __enter__(self) -> ModelApi:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, letting go of everything held."""
        self.stop()

    def stop(self) -> None:
        """Stop serving."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def use(self, script: Script) -> None:
        """Replace the script; sequences and holds start afresh."""
        with self._changed:
            self._script, self._next_step, self._uses = script, 0, {}
            self._released = set()

    def release(self, name: str) -> None:
        """Let everything go on that waits, or will wait, at the hold of this name."""
        with self._changed:
            self._released.add(name)
            self._changed.notify_all()

    def wait_for(self, met: Callable[[list[Request]], bool], timeout: float = 20) -> list[Request]:
        """Wait until `met(requests)` and return them."""

        def main() -> list[Request]:
            return [r for r in self._log if r.path == "/v1/messages" and not r.side]

        with self._changed:
            if not self._changed.wait_for(lambda: met(main()), timeout):
                raise TimeoutError(f"not met within {timeout} s; {len(main())} requests came")
            return main()

    def wait_for_request(self, number: int, timeout: float = 20) -> Request:
        """Wait for the number-th main request (from 1) and return it."""
        return self.wait_for(lambda requests: len(requests) >= number, timeout)[number - 1]

    # What the handler asks ---------------------------------------------------------------------------

    def note(self, request: Request) -> None:
        """Log a request."""
        with self._changed:
            self._log.append(request)
            self._changed.notify_all()

    def notify(self) -> None:
        """Wake who waits on the log."""
        with self._changed:
            self._changed.notify_all()

    def held(self, name: str) -> bool:
        """Wait for `release(name)`; False when the server stops first."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or name in self._released, HOLD_LIMIT_S)
            return not self._over

    def nap(self, seconds: float) -> None:
        """Wait that long, or until the server stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._over, seconds)

    def is_side(self, body: dict[str, Any]) -> bool:
        """Say whether the request is not part of the conversation."""
        return not body.get("tools") and self._script.get("side") is not False

    def answer(self, request: Request) -> dict[str, Any]:
        """Choose the step that answers."""
        with self._changed:
            script = self._script
            if request.side:
                return cast("dict[str, Any]", script.get("side") or {"reply": [{"text": "side"}]})
            for number, rule in enumerate(script.get("rules", [])):
                used = self._uses.get(number, 0)
                if used < rule.get("times", 1 << 30) and holds(rule.get("when"), request):
                    self._uses[number] = used + 1
                    return cast("dict[str, Any]", rule)
            steps = script.get("steps", [])
            for number in range(self._next_step, len(steps)):
                if holds(steps[number].get("when"), request):
                    self._next_step = number + 1
                    return cast("dict[str, Any]", steps[number])
            return cast("dict[str, Any]", script.get("default") or {"reply": [{"text": "ok"}]})

    def dump(self) -> list[dict[str, Any]]:
        """Return the log as JSON."""
        return [
            {
                "at": r.at,
                "path": r.path,
                "side": r.side,
                "first_byte_at": r.first_byte_at,
                "ended_at": r.ended_at,
                "cut": r.cut,
                "model": r.body.get("model"),
                "tools": r.tools,
                "said": r.said,
                "tool_results": r.tool_results,
                "body": r.body,
                "answered": r.answered,
            }
            for r in self.log
        ]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    api: ModelApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients go away in the middle on purpose."""


class _Gone(Exception):
    """Raised when the script says to cut the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        """Answer that somebody is here."""
        self._json(200, {})

    def do_GET(self) -> None:
        """Answer the log or the list of models."""
        path = self.path.partition("?")[0]
        if path == "/__log":
            self._json(200, {"requests": self.server.api.dump()})
        elif path == "/v1/models":
            self._json(200, {"data": [{"type": "model", "id": "claude-test-double"}], "has_more": False})
        else:
            self._json(404, {"type": "error", "error": {"type": "not_found_error", "message": path}})

    def do_PUT(self) -> None:
        """Replace the script."""
        self.server.api.use(self._body())
        self._json(200, {"ok": True})

    def do_POST(self) -> None:
        """Answer as the script says."""
        path, body = self.path.partition("?")[0], self._body()
        api = self.server.api
        if path.startswith("/__release/"):
            api.release(path.removeprefix("/__release/"))
            self._json(200, {"ok": True})
            return
        request = Request(time.time(), path, {k.lower(): v for k, v in self.headers.items()}, body)
        request.side = path == "/v1/messages" and api.is_side(body)
        api.note(request)
        if path == "/v1/messages/count_tokens":
            self._json(200, {"input_tokens": len(json.dumps(body)) // 4})
        elif path == "/v1/messages":
            self._messages(request)
        else:
            self._json(404, {"type": "error", "error": {"type": "not_found_error", "message": path}})

    def _body(self) -> dict[str, Any]:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        return cast("dict[str, Any]", json.loads(raw or b"{}"))

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _messages(self, request: Request) -> None:
        api = self.server.api
        step = api.answer(request)
        request.answered = step
        try:
            if hold := step.get("hold"):
                api.held(hold)
            api.nap(step.get("delay_ms", 0) / 1000)
            request.first_byte_at = time.time()
            if error := step.get("error"):
                self._error(error)
            elif request.body.get("stream"):
                self._stream(step, request)
            else:
                self._json(200, _message(step, request))
        except (_Gone, OSError):
            request.cut = True
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        finally:
            request.ended_at = time.time()
            api.notify()

    def _error(self, error: dict[str, Any]) -> None:
        headers = {str(k): str(v) for k, v in error.get("headers", {}).items()}
        if "retry_after" in error:
            headers["retry-after"] = str(error["retry_after"])
        detail = {"type": error.get("type", "api_error"), "message": error.get("message", "scripted error")}
        self._json(error.get("status", 500), {"type": "error", "error": detail}, headers)

    def _stream(self, step: dict[str, Any], request: Request) -> None:
        api = self.server.api
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        sent = 0
        for event in _events(step, request):
            if "hold" in event:
                if not api.held(event["hold"]):
                    raise _Gone
                continue
            if event.get("type") == "message_stop":
                self._stall(step)
            elif event.get("type") == "content_block_delta":
                if sent:
                    api.nap(step.get("chunk_delay_ms", 0) / 1000)
                if "drop" in step and sent >= int(step["drop"]):
                    raise _Gone
                sent += 1
            elif "sleep_ms" in event:
                api.nap(event["sleep_ms"] / 1000)
                continue
            self._event(event)
        if "drop" in step:
            raise _Gone
        self.wfile.write(b"0\r\n\r\n")

    def _stall(self, step: dict[str, Any]) -> None:
        left, ping = step.get("stall_ms", 0) / 1000, step.get("ping_ms", 0) / 1000
        while left > 0:
            self.server.api.nap(min(left, ping) if ping else left)
            left -= ping or left
            if ping:
                self._event({"type": "ping"})

    def _event(self, event: dict[str, Any]) -> None:
        raw = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _blocks(step: dict[str, Any], request: Request) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for block in step.get("reply", [{"text": "ok"}]):
        if "tool_use" in block:
            call = block["tool_use"]
            made = call.get("id") or f"toolu_{uuid.uuid4().hex[:20]}"
            blocks.append(
                {
                    "type": "tool_use",
                    "id": made,
                    "name": call["name"],
                    "input": filled(call.get("input", {}), request.answers),
                }
            )
        elif "thinking" in block:
            blocks.append({"type": "thinking", "thinking": block["thinking"], "signature": "c2NyaXB0ZWQ="})
        else:
            blocks.append({"type": "text", "text": block["text"]})
    return blocks


def _usage(step: dict[str, Any]) -> dict[str, Any]:
    base = {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {**base, "output_tokens": 20, **step.get("usage", {})}


def _stop_reason(step: dict[str, Any], blocks: list[dict[str, Any]]) -> str:
    uses = any(block["type"] == "tool_use" for block in blocks)
    return str(step.get("stop_reason") or ("tool_use" if uses else "end_turn"))


def _message(step: dict[str, Any], request: Request) -> dict[str, Any]:
    blocks = _blocks(step, request)
    for block in blocks:
        for key in ("text", "thinking"):
            if key in block:
                block[key] = "".join(part for part in _parts(block[key]) if isinstance(part, str))
    return {
        "id": f"msg_{uuid.uuid4().hex[:20]}",
        "type": "message",
        "role": "assistant",
        "model": request.body.get("model", "claude-test-double"),
        "content": blocks,
        "stop_reason": _stop_reason(step, blocks),
        "stop_sequence": None,
        "usage": _usage(step),
    }


def _events(step: dict[str, Any], request: Request) -> Iterator[dict[str, Any]]:
    blocks, usage, size = _blocks(step, request), _usage(step), step.get("chunk", 24)
    message = _message({**step, "reply": []}, request)
    message |= {"content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(blocks):
        yield from _block_events(index, block, size)
    delta = {"stop_reason": _stop_reason(step, blocks), "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _block_events(index: int, block: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    def delta(kind: str, key: str, text: str) -> dict[str, Any]:
        change = {"type": kind, key: text}
        return {"type": "content_block_delta", "index": index, "delta": change}

    kind = block["type"]
    empty: dict[str, dict[str, Any]] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty[kind]}}
    if kind == "tool_use":
        raw = json.dumps(block["input"])
        for at in range(0, len(raw), max(size, len(raw) // 200 + 1)):
            yield delta("input_json_delta", "partial_json", raw[at : at + max(size, len(raw) // 200 + 1)])
    else:
        for part in _parts(block[kind]):
            if isinstance(part, str):
                for at in range(0, len(part), size):
                    yield delta(f"{kind}_delta", kind, part[at : at + size])
            else:
                yield part
    if kind == "thinking":
        yield delta("signature_delta", "signature", block["signature"])
    yield {"type": "content_block_stop", "index": index}


def main() -> None:
    """Serve a script until interrupted."""
    parser = argparse.ArgumentParser(description="A scripted Anthropic Messages API (test double).")
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--script", type=argparse.FileType("r"))
    options = parser.parse_args()
    api = ModelApi(json.load(options.script) if options.script else {}, port=options.port)
    with api, contextlib.suppress(KeyboardInterrupt):
        print(api.url, flush=True)  # noqa: T201 - the one line a caller waits for
        threading.Event().wait()


if __name__ == "__main__":
    main()
