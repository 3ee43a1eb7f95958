"""The builtin agent as a real process, and a double of the daemon's MCP door for it."""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from aetherd.runtime import Answer, Door, Interrupt, Say, Spawn
from aetherd_runtimes.builtin_runtime import Builtin

DEADLINE_S = 20.0
TOKEN = "a-token"

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """What a handler of the double raises for an error result."""


class DaemonDouble:
    """A double of the daemon's MCP door: a token line, then JSON-RPC; it can crash and come back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, str] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.handshakes = 0
        self.page = 50
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()  # notifications, and answers to our requests
        self.called: queue.Queue[str] = queue.Queue()
        self.tools: dict[str, tuple[Handler, bool, list[str]]] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.offer("aether_process_whoami", lambda _: {"pid": 7, "name": "ada"}, True)
        self.offer("aether_system_status", lambda _: {"hostname": "testbed", "rooms": [1, 2]}, True)
        self.offer(
            "aether_memory_recall",
            lambda _: {"memories": [{"id": "m1", "content": "c"}]},
            True,
            "query",
            "limit",
        )
        self.offer("aether_memory_remember", lambda _: {"id": "m2"}, False, "content", "tags", "layer")
        self.offer("aether_fs_list", lambda _: {"entries": [{"name": "a.txt"}]}, True, "path")
        self.offer("aether_fs_write", self._write, False, "path", "content")
        self.offer("aether_fs_read", lambda a: {"text": self.files[a["path"]], "eof": True}, True, "path")
        self.offer("aether_message_inbox", lambda _: {"messages": [{"id": "msg_1", "text": "hi"}]}, True)
        self.offer("aether_message_ack", lambda _: {"ok": True}, False, "ids")

    def offer(self, name: str, handler: Handler, read_only: bool, *required: str) -> None:
        self.tools[name] = (handler, read_only, list(required))

    def hold(self, name: str, read_only: bool = False) -> threading.Event:
        """Offer a tool that answers only when the event is set."""
        free = threading.Event()

        def handler(arguments: dict[str, Any]) -> dict[str, Any]:
            assert free.wait(DEADLINE_S)
            return {"held": True}

        self.offer(name, handler, read_only)
        return free

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        self._listener = listener
        self._acceptor = self._run(self._accept, listener)

    def crash(self) -> None:
        """End as a killed daemon does: every connection gone, the socket file left behind."""
        if self._listener and self._acceptor:  # first, so that nobody comes in while the others are thrown out
            self._listener.shutdown(socket.SHUT_RDWR)
            self._acceptor.join(DEADLINE_S)
            self._listener = None
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self.crash()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            for connection in self._connections:
                connection.sendall(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def counts(self, name: str) -> int:
        return [called for called, _ in self.calls].count(name)

    def _run(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with self._lock:
                    self._connections.append(connection)
                self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                if lines.readline() != TOKEN.encode() + b"\n":
                    return
                for line in lines:
                    self._hear(connection, json.loads(line))
            except OSError:
                return

    def _hear(self, connection: socket.socket, message: dict[str, Any]) -> None:
        if message.get("method") == "tools/call":
            self._run(self._answer_call, connection, message)
            return
        if "id" not in message or "method" not in message:
            self.heard.put(message)
            return
        if message["method"] == "initialize":
            assert message["params"]["protocolVersion"] == "2025-11-25"
            self.handshakes += 1
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "double", "version": "0"},
            }
        else:
            assert message["method"] == "tools/list"
            result = self._list(int(message["params"].get("cursor", 0)))
        self._reply(connection, message["id"], result)

    def _list(self, start: int) -> dict[str, Any]:
        tools = [
            {
                "name": name,
                "description": name,
                "inputSchema": {
                    "type": "object",
                    "properties": {key: {} for key in required},
                    "required": required,
                },
                "annotations": {"readOnlyHint": read_only},
            }
            for name, (_, read_only, required) in self.tools.items()
        ]
        end = start + self.page
        return {"tools": tools[start:end], **({"nextCursor": str(end)} if end < len(tools) else {})}

    def _answer_call(self, connection: socket.socket, message: dict[str, Any]) -> None:
        name, arguments = message["params"]["name"], message["params"]["arguments"]
        self.calls.append((name, arguments))
        self.called.put(name)
        try:
            if name not in self.tools:
                raise Refused(f"no tool {name}")
            data = self.tools[name][0](arguments)
            text = [{"type": "text", "text": "see structured"}]
            result: dict[str, Any] = {"content": text, "structuredContent": data}
            if "picture" in data:
                image = {"type": "image", "mimeType": "image/png", "data": data["picture"]}
                result = {"content": [{"type": "text", "text": "a screen"}, image]}
        except Refused as error:
            result = {"content": [{"type": "text", "text": str(error)}], "isError": True}
        self._reply(connection, message["id"], result)

    def _reply(self, connection: socket.socket, number: int, result: dict[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode() + b"\n"
        with suppress(OSError):  # the caller's connection may have crashed meanwhile
            connection.sendall(line)

    def _write(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.files[arguments["path"]] = arguments["content"]
        return {"bytes": len(arguments["content"])}


class Agent:
    """A running builtin agent: what goes in by the adapter's encoder, what comes out as lines."""

    def __init__(self, process: subprocess.Popen[bytes], request: Spawn) -> None:
        self.process = process
        self.decoder = Builtin().decoder(request)
        self.lines: list[dict[str, Any]] = []
        self._raw: list[bytes] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._raw.append(line.rstrip(b"\n"))
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def tell(self, message: Say | Interrupt | Answer) -> None:
        said = self.decoder.encode(message)
        assert said
        self.write(said)

    def write(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def next(self) -> dict[str, Any]:
        """Return the next line."""
        line = self._queue.get(timeout=DEADLINE_S)
        assert line is not None, f"it ended: {self.lines[-3:]}"
        self.lines.append(line)
        return line

    def until(self, kind: str, **facts: Any) -> dict[str, Any]:
        """Return the next line of a type, with these facts."""
        while True:
            line = self.next()
            if line["type"] == kind and facts.items() <= line.items():
                return line

    def run(self, text: str, identity: str = "g1") -> dict[str, Any]:
        """Say something and return how the turn ended."""
        self.tell(Say(identity, text))
        return self.until("turn_ended")

    def end(self) -> int:
        """Close its input and return how it exited."""
        assert self.process.stdin
        self.process.stdin.close()
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    def kinds(self) -> list[str]:
        return [line["type"] for line in self.lines]

    def position(self, kind: str, **facts: Any) -> int:
        return next(
            index for index, line in enumerate(self.lines) if line["type"] == kind and facts.items() <= line.items()
        )

    def outputs(self) -> list[Any]:
        return [output for line in self._raw for output in self.decoder.decode(line)]


def request(place: Path, door: Mapping[str, str], **changes: Any) -> Spawn:
    home = place / "home"
    home.mkdir(exist_ok=True)
    facts: dict[str, Any] = {
        "pid": 7,
        "agent": "agent_1",
        "name": "ada",
        "goal": None,
        "argv": (),
        "home": home,
        "config": place,
        "cwd": home,
        "env": {},
        "door": Door(command=("aether-mcp",), env=door),
        **changes,
    }
    return Spawn(**facts)


@contextmanager
def running(place: Path, door: Mapping[str, str], **changes: Any) -> Iterator[Agent]:
    spawn = request(place, door, **changes)
    launch = Builtin().launch(spawn)
    for file in launch.files:
        file.path.write_text(file.content)
    with subprocess.Popen(
        launch.argv, env=dict(launch.env), cwd=launch.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        agent = Agent(process, spawn)
        try:
            yield agent
        finally:
            process.kill()
