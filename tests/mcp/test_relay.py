"""The relay against a double of the daemon (`FakeDaemon`), and with the real MCP SDK on both of its ends."""

import json
import os
import queue
import random
import select
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import mcp_types as types
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import example, given
from hypothesis import strategies as st
from mcp import Client, StdioServerParameters
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.shared.subscriptions import ToolsListChanged

from aetherd_mcp import relay as relay_module

RELAY = Path(relay_module.__file__)
TOKEN = "a-secret-token"
WAIT = 10.0
Message = dict[str, Any]


# --- doubles ---


class Connection:
    """The daemon's end of one accepted connection, its token line already read."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(WAIT)
        self.socket = sock
        self.lines = sock.makefile("rb")
        self.token = self.lines.readline().decode().rstrip("\n")

    def receive(self) -> Message:
        """Return the next message of the client."""
        message: Message = json.loads(self.lines.readline())
        return message

    def send(self, message: Message | bytes) -> None:
        """Send a message, or raw bytes."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self.socket.sendall(data)

    def answer(self, request: Message, result: Message) -> None:
        """Answer a request."""
        self.send({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def close(self) -> None:
        """Drop the connection, as a killed daemon would."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.lines.close()
        self.socket.close()


class FakeDaemon:
    """A double of the daemon: accepts on its unix socket; the test plays the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener: socket.socket | None = None
        self.connections: list[Connection] = []

    def start(self) -> None:
        """Listen."""
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(WAIT)
        self.listener.bind(str(self.path))
        self.listener.listen()

    def accept(self) -> Connection:
        """Wait for the relay and its token."""
        assert self.listener is not None
        connection = Connection(self.listener.accept()[0])
        self.connections.append(connection)
        return connection

    def stop(self) -> None:
        """Die: no listener, no connection."""
        if self.listener is not None:
            self.listener.close()
            self.path.unlink(missing_ok=True)
        for connection in self.connections:
            if connection.socket.fileno() >= 0:
                connection.close()
        self.listener, self.connections = None, []


class RelayProcess:
    """An MCP client's view of the relay: its stdin, and its stdout cut into messages."""

    def __init__(self, path: Path, env: dict[str, str] | None = None, **constants: float) -> None:
        tuned = "".join(f"relay.{name}={value};" for name, value in constants.items())
        code = f"import sys;sys.path.append({str(RELAY.parent)!r});import relay;{tuned}relay.main()"
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-I", "-c", code, *([] if env else [str(path)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env or {"AETHER_TOKEN": TOKEN},
        )
        self.messages: queue.Queue[bytes] = queue.Queue()
        self.read = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.messages.put(line)

    def send(self, message: Message | bytes) -> None:
        """Write a message, or raw bytes."""
        assert self.process.stdin is not None
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def receive(self) -> Message:
        """Return the next message; the first call starts reading stdout."""
        if not self.read.is_alive():
            self.read.start()
        message: Message = json.loads(self.messages.get(timeout=WAIT))
        return message

    def close(self) -> int:
        """Close stdin and return the exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(WAIT)
        if self.read.is_alive():
            self.read.join(WAIT)
        self.process.stdout.close()
        return code


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """Give a daemon that listens."""
    fake = FakeDaemon(tmp_path / "s")
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def relay(daemon: FakeDaemon) -> Iterator[RelayProcess]:
    """Give a relay started for that daemon; at the end it must leave in good order."""
    process = RelayProcess(daemon.path)
    yield process
    assert process.close() == 0


@asynccontextmanager
async def short_lived() -> AsyncIterator[None]:
    """Bound everything awaited inside."""
    with anyio.fail_after(30):
        yield


def request(id: object, method: str = "tools/call", **params: Any) -> Message:
    """Write a request."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def notification(method: str, **params: Any) -> Message:
    """Write a notification."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def error_of(message: Message) -> tuple[object, int, str, bool]:
    """Return what a client sees of an error: id, code, our code, retryable."""
    error = message["error"]
    return message["id"], error["code"], error["data"]["code"], error["data"]["retryable"]


INITIALIZE = request('init "1"', "initialize", protocolVersion="2025-11-25", capabilities={})
INITIALIZED = notification("notifications/initialized")
GREETING = {"capabilities": {"tools": {"listChanged": True}, "prompts": {"listChanged": False}}}


def shake_hands(client: RelayProcess, connection: Connection) -> None:
    """Do the 2025 handshake."""
    client.send(INITIALIZE)
    connection.answer(connection.receive(), GREETING)
    assert client.receive()["result"] == GREETING
    client.send(INITIALIZED)
    assert connection.receive() == INITIALIZED


# --- reading just enough JSON ---

texts = st.text(alphabet='\\"{}[],: idé\n\x7f𝄞')
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.just("id"), inner, max_size=4),
)


@given(
    document=st.dictionaries(texts | st.just("id"), values),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]),
    ascii_only=st.booleans(),
)
def test_the_scanner_finds_the_same_members_as_json(
    document: Message, separators: tuple[str, str], ascii_only: bool
) -> None:
    line = json.dumps(document, separators=separators, ensure_ascii=ascii_only).encode()
    found = relay_module.members(line)
    assert found is not None
    assert {key.decode(): json.loads(line[slice(*span)]) for key, span in found.items()} == document


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\i0 ', max_size=40).map(str.encode))
@example(b'"\\"}')
def test_the_scanner_survives_anything(line: bytes) -> None:
    relay_module.members(line)
    relay_module.members(line, torn=True)
    relay_module.id_of_long(line, line)


@pytest.mark.parametrize(
    ("line", "raw_id"),
    [
        (b'{"id":1,"id":2}', b"2"),
        (b'{"params":{"id":9,"x":"}\\"id\\":8"},"id":3}', b"3"),
        (b'{"id":-123456789012345678901234567890 }', b"-123456789012345678901234567890"),
        (b'{"\\u0069d":7}', b"7"),
        (b'{"params":' + b"[" * 100_000 + b"]" * 100_000 + b',"id":3}', b"3"),
        (b'{"params":{"id":9}}', b""),
    ],
)
def test_only_the_top_level_id_counts_and_the_last_one_wins(line: bytes, raw_id: bytes) -> None:
    assert relay_module.dig(line, b"id") == raw_id


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[1]", b'"id"', b'{"id":1', b'{"id":1}x', b"{1:2}", b'{"a" 1}', b'{"a":[}']
)
def test_what_is_no_object_has_no_members(line: bytes) -> None:
    assert relay_module.members(line) is None


def test_ids_are_equal_however_they_are_escaped() -> None:
    assert relay_module.id_key('"é/"'.encode()) == relay_module.id_key(b'"\\u00e9\\/"')
    assert relay_module.id_key(b"1") != relay_module.id_key(b'"1"')
    assert not any(relay_module.id_key(raw) for raw in (b"", b"null", b"true", b"{}", b"[1]", b"NaN"))


# --- copying ---


def test_the_first_line_is_the_token_and_then_messages_pass_both_ways(daemon: FakeDaemon, relay: RelayProcess) -> None:
    relay.send(request(1, name="echo"))
    connection = daemon.accept()
    assert connection.token == TOKEN
    assert connection.receive() == request(1, name="echo")
    connection.send(notification("notifications/progress", progress=1))
    connection.send({"jsonrpc": "2.0", "id": 1, "result": {}})
    assert relay.receive() == notification("notifications/progress", progress=1)
    assert relay.receive() == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_bytes_arrive_as_they_were_sent(daemon: FakeDaemon, relay: RelayProcess) -> None:
    line = b' { "method":"tools\\/call","params":{"x":"\\u00e9 \xc3\xa9 \xff"},\t"id" : 1e2 }\r\n'
    relay.send(line)
    assert daemon.accept().lines.readline() == line


def test_a_line_may_come_in_single_bytes_and_many_lines_at_once(daemon: FakeDaemon, relay: RelayProcess) -> None:
    connection = daemon.accept()
    for byte in json.dumps(request(1)).encode() + b"\n":
        relay.send(bytes([byte]))
    assert connection.receive()["id"] == 1
    relay.send(b"".join(json.dumps(request(number)).encode() + b"\n" for number in range(2, 1000)))
    assert [connection.receive()["id"] for _ in range(2, 1000)] == list(range(2, 1000))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"nonsense\n", -32700),
        (b'{"jsonrpc":"2.0","id":1,"meth\n', -32700),
        (b'\xff\xfe{"id":1}\n', -32700),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}\n', -32600),
    ],
)
def test_a_malformed_line_is_answered_here_and_the_next_one_passes(
    daemon: FakeDaemon, relay: RelayProcess, line: bytes, code: int
) -> None:
    connection = daemon.accept()
    relay.send(b"\n  \n" + line)
    answer = relay.receive()
    assert (answer["id"], answer["error"]["code"]) == (None, code)
    relay.send(request(2))
    assert connection.receive()["id"] == 2


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_line_over_the_limit_is_answered_and_not_held(daemon: FakeDaemon, relay: RelayProcess, where: str) -> None:
    connection = daemon.accept()
    relay.send(b'{"id":"big",' if where == "first" else b"{")
    relay.send(b'"method":"tools/call","params":{"id":1,"text":"')
    relay.send(b"[" * (48 << 20))
    relay.send(b'"}}\n' if where == "first" else b'"},"jsonrpc":"2.0","id":"big"}\n')
    assert error_of(relay.receive()) == ("big", -32600, "invalid", False)
    peak = next(
        int(line.split()[1])
        for line in Path(f"/proc/{relay.process.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    assert peak < 40 * 1024
    relay.send(request(2))
    assert connection.receive()["id"] == 2


def test_an_answer_over_the_limit_becomes_an_error(daemon: FakeDaemon) -> None:
    client = RelayProcess(daemon.path, MAX_LINE=100_000)
    client.send(request(1))
    connection = daemon.accept()
    connection.receive()
    connection.send(b'{"jsonrpc":"2.0","id":1,"result":{"text":"' + b"x" * 200_000 + b'"}}\n')
    assert error_of(client.receive()) == (1, -32000, "invalid", False)
    assert client.close() == 0


def test_a_client_that_does_not_read_stops_the_daemon_and_not_the_memory(
    daemon: FakeDaemon, relay: RelayProcess
) -> None:
    connection = daemon.accept()
    line = json.dumps(notification("notifications/message", data="x" * 60_000)).encode() + b"\n"
    connection.socket.settimeout(0.5)
    sent = 0
    with suppress(TimeoutError):
        while sent < 64 << 20:
            sent += connection.socket.send(line[sent % len(line) :])
    assert sent < 8 << 20
    connection.socket.settimeout(WAIT)
    relay.read.start()
    connection.send(line[sent % len(line) :])
    connection.send(notification("last"))
    while relay.receive()["method"] != "last":
        pass


def test_a_daemon_that_does_not_read_stops_the_client(daemon: FakeDaemon) -> None:
    client = RelayProcess(daemon.path)
    daemon.accept()
    assert client.process.stdin is not None
    stdin = client.process.stdin.fileno()
    os.set_blocking(stdin, False)
    line = json.dumps(notification("notifications/message", data="x" * 60_000)).encode() + b"\n"
    poll = select.poll()
    poll.register(stdin, select.POLLOUT)
    sent = 0
    while sent < 64 << 20 and poll.poll(500):
        sent += os.write(stdin, line[sent % len(line) :])
    assert sent < 8 << 20
    assert client.close() == 0


# --- the daemon goes and comes back ---


def test_calls_in_flight_are_answered_at_once_when_the_daemon_dies(daemon: FakeDaemon, relay: RelayProcess) -> None:
    relay.send(request(1))
    relay.send(request("two"))
    connection = daemon.accept()
    assert [connection.receive()["id"], connection.receive()["id"]] == [1, "two"]
    connection.send(b'{"jsonrpc":"2.0","id":1,"result":{"half a li')
    daemon.stop()
    first, second = relay.receive(), relay.receive()
    assert error_of(first) == (1, -32000, "unavailable", True)
    assert error_of(second) == ("two", -32000, "unavailable", True)
    assert "may or may not have run" in first["error"]["message"]


def test_a_request_waits_for_a_daemon_that_is_away(daemon: FakeDaemon, relay: RelayProcess) -> None:
    daemon.accept()
    daemon.stop()
    relay.send(notification("notifications/roots/list_changed"))
    relay.send(request(1))
    daemon.start()
    connection = daemon.accept()
    assert connection.receive() == request(1)
    connection.answer(request(1), {})
    assert relay.receive()["id"] == 1


def test_a_request_does_not_wait_for_ever(tmp_path: Path) -> None:
    client = RelayProcess(tmp_path / "none", PATIENCE=0.1)
    client.send(request(1))
    answer = client.receive()
    assert error_of(answer) == (1, -32000, "unavailable", True)
    assert "aetherctl up" in answer["error"]["message"]
    assert client.close() == 0


def test_a_request_waits_longer_for_a_daemon_that_was_here(daemon: FakeDaemon) -> None:
    client = RelayProcess(daemon.path, PATIENCE=0.3)
    connection = daemon.accept()
    client.send(request(1))
    connection.answer(connection.receive(), {})
    assert client.receive()["id"] == 1
    daemon.stop()
    client.send(request(2))
    with pytest.raises(queue.Empty):
        client.messages.get(timeout=0.6)
    daemon.start()
    connection = daemon.accept()
    connection.answer(connection.receive(), {})
    assert client.receive()["id"] == 2
    assert client.close() == 0


def test_a_full_queue_answers_at_once(tmp_path: Path) -> None:
    client = RelayProcess(tmp_path / "none", MAX_WAITING=2)
    for number in range(3):
        client.send(request(number))
    assert error_of(client.receive()) == (2, -32000, "unavailable", True)
    assert client.close() == 0


def test_a_waiting_request_that_is_cancelled_is_never_sent(daemon: FakeDaemon, relay: RelayProcess) -> None:
    daemon.accept()
    daemon.stop()
    relay.send(request(1))
    relay.send(request(2))
    relay.send(notification("notifications/cancelled", requestId=1))
    daemon.start()
    assert daemon.accept().receive()["id"] == 2


def test_a_cancelled_call_gets_no_answer_when_the_daemon_dies(daemon: FakeDaemon, relay: RelayProcess) -> None:
    relay.send(request(1))
    relay.send(request(2))
    connection = daemon.accept()
    assert [connection.receive()["id"], connection.receive()["id"]] == [1, 2]
    relay.send(notification("notifications/cancelled", requestId=1))
    assert connection.receive()["method"] == "notifications/cancelled"
    daemon.stop()
    assert relay.receive()["id"] == 2


def test_the_2025_handshake_is_repeated_and_its_answer_swallowed(daemon: FakeDaemon, relay: RelayProcess) -> None:
    connection = daemon.accept()
    shake_hands(relay, connection)
    relay.send(request(7))
    connection.receive()
    daemon.stop()
    assert error_of(relay.receive()) == (7, -32000, "unavailable", True)
    relay.send(request(8))
    daemon.start()
    connection = daemon.accept()
    repeated = connection.receive()
    assert connection.token == TOKEN
    assert repeated["params"] == INITIALIZE["params"]
    assert repeated["id"] not in (INITIALIZE["id"], 7, 8)
    connection.answer(repeated, GREETING)
    assert connection.receive() == INITIALIZED
    assert relay.receive() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    assert connection.receive() == request(8)
    connection.answer(request(8), {})
    assert relay.receive()["id"] == 8


def test_an_initialize_that_was_lost_is_asked_again_under_its_own_id(daemon: FakeDaemon, relay: RelayProcess) -> None:
    relay.send(INITIALIZE)
    daemon.accept().receive()
    daemon.stop()
    daemon.start()
    connection = daemon.accept()
    assert connection.receive() == INITIALIZE
    connection.answer(INITIALIZE, GREETING)
    assert relay.receive()["id"] == INITIALIZE["id"]
    daemon.stop()
    daemon.start()
    assert daemon.accept().receive()["params"] == INITIALIZE["params"]


def test_a_lost_list_is_asked_again_once(daemon: FakeDaemon, relay: RelayProcess) -> None:
    relay.send(request(1, "tools/list"))
    for _ in range(2):
        assert daemon.accept().receive()["id"] == 1
        daemon.stop()
        daemon.start()
    assert error_of(relay.receive()) == (1, -32000, "unavailable", True)


def test_a_2026_subscription_is_reopened_and_the_client_told_to_look_again(
    daemon: FakeDaemon, relay: RelayProcess
) -> None:
    listen = request("listen-0", "subscriptions/listen", notifications={"toolsListChanged": True})
    meta = {"io.modelcontextprotocol/subscriptionId": "listen-0"}
    uris = ["aether://a", 'aether://"b"']
    honored = {"toolsListChanged": True, "resourceSubscriptions": uris}
    acknowledged = notification("notifications/subscriptions/acknowledged", notifications=honored, _meta=meta)
    relay.send(listen)
    connection = daemon.accept()
    assert connection.receive() == listen
    connection.send(acknowledged)
    assert relay.receive() == acknowledged
    daemon.stop()
    daemon.start()
    connection = daemon.accept()
    assert connection.receive() == listen
    connection.send(acknowledged)
    assert relay.receive() == notification("notifications/tools/list_changed", _meta=meta)
    for uri in uris:
        assert relay.receive() == notification("notifications/resources/updated", _meta=meta, uri=uri)
    connection.send(notification("notifications/tools/list_changed", _meta=meta))
    assert relay.receive() == notification("notifications/tools/list_changed", _meta=meta)


@pytest.mark.parametrize("end", ["client", "daemon"])
def test_a_subscription_that_has_ended_is_not_reopened(daemon: FakeDaemon, relay: RelayProcess, end: str) -> None:
    relay.send(request("listen-0", "subscriptions/listen", notifications={}))
    connection = daemon.accept()
    connection.receive()
    if end == "client":
        relay.send(notification("notifications/cancelled", requestId="listen-0"))
        connection.receive()
    else:
        connection.send({"jsonrpc": "2.0", "id": "listen-0", "result": {}})
        relay.receive()
    daemon.stop()
    relay.send(request(1))
    daemon.start()
    assert daemon.accept().receive() == request(1)


def test_a_question_of_a_dead_daemon_is_withdrawn_and_its_answer_dropped(
    daemon: FakeDaemon, relay: RelayProcess
) -> None:
    connection = daemon.accept()
    connection.send(request(0, "elicitation/create"))
    assert relay.receive()["method"] == "elicitation/create"
    daemon.stop()
    withdrawn = relay.receive()
    assert (withdrawn["method"], withdrawn["params"]["requestId"]) == ("notifications/cancelled", 0)
    daemon.start()
    connection = daemon.accept()
    relay.send({"jsonrpc": "2.0", "id": 0, "result": {"action": "accept"}})
    relay.send(request(1))
    assert connection.receive() == request(1)
    connection.send(request(1, "elicitation/create"))
    relay.receive()
    relay.send({"jsonrpc": "2.0", "id": 1, "result": {"action": "decline"}})
    assert connection.receive()["result"] == {"action": "decline"}


def test_a_daemon_that_talks_nonsense_counts_as_lost(daemon: FakeDaemon, relay: RelayProcess) -> None:
    relay.send(request(1))
    connection = daemon.accept()
    connection.receive()
    connection.send(b"Traceback (most recent call last):\n")
    assert error_of(relay.receive()) == (1, -32000, "unavailable", True)
    daemon.accept()


def test_every_call_is_answered_exactly_once_though_the_daemon_dies_thirty_times(
    daemon: FakeDaemon, relay: RelayProcess
) -> None:
    chance, total = random.Random(46), 3000

    def die_and_return() -> None:
        for life in range(31):
            connection = daemon.accept()
            for _ in range(chance.randrange(1, 60) if life < 30 else total):
                line = connection.lines.readline()
                if not line:
                    return
                connection.answer(json.loads(line), {})
            if chance.random() < 0.5:
                connection.lines.readline()  # one more that was read and never answered
            daemon.stop()
            daemon.start()

    lives = threading.Thread(target=die_and_return, daemon=True)
    lives.start()
    answered: list[int] = []
    for batch in range(0, total, 10):
        relay.send(b"".join(json.dumps(request(id)).encode() + b"\n" for id in range(batch, batch + 10)))
        answered += [relay.receive()["id"] for _ in range(10)]
    assert sorted(answered) == list(range(total))
    relay.close()
    lives.join(WAIT)


# --- who we are ---

REFUSAL = b'{"error":{"code":"unauthenticated","message":"token expired \\"yesterday\\""}}\n'


def test_a_refused_token_is_told_and_tried_again(daemon: FakeDaemon) -> None:
    client = RelayProcess(daemon.path, REFUSED_RETRY=0.3)
    client.send(request(1))
    connection = daemon.accept()
    connection.receive()
    connection.send(REFUSAL)
    connection.close()
    answer = client.receive()
    assert error_of(answer) == (1, -32001, "unauthenticated", False)
    assert answer["error"]["message"].endswith('token expired "yesterday"')
    assert TOKEN not in json.dumps(answer)
    client.send(request(2))
    assert error_of(client.receive()) == (2, -32001, "unauthenticated", False)
    connection = daemon.accept()
    client.send(request(3))
    connection.answer(connection.receive(), {})
    assert client.receive()["result"] == {}
    assert client.close() == 0


def test_socket_and_token_come_from_the_home(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "secrets").mkdir()
    daemon = FakeDaemon(tmp_path / "run/aetherd.sock")
    daemon.start()
    client = RelayProcess(daemon.path, env={"AETHER_HOME": str(tmp_path)}, PATIENCE=0.1)
    client.send(request(1))
    assert "no token" in client.receive()["error"]["message"]  # no token file yet
    (tmp_path / "secrets/owner.token").write_text("from-a-file\n")
    tokens = set()
    while "from-a-file" not in tokens:  # earlier connections were closed without a token
        tokens.add(daemon.accept().token)
    assert tokens <= {"", "from-a-file"}
    assert client.close() == 0
    daemon.stop()


# --- leaving ---


def test_the_relay_leaves_when_stdin_closes_even_with_no_daemon(tmp_path: Path) -> None:
    client = RelayProcess(tmp_path / "none")
    client.send(request(1))
    assert client.close() == 0


def test_the_relay_leaves_when_its_client_no_longer_reads(daemon: FakeDaemon) -> None:
    client = RelayProcess(daemon.path)
    daemon.accept()
    assert client.process.stdout is not None
    client.process.stdout.close()
    assert client.process.wait(WAIT) == 0  # stdin is still open
    assert client.close() == 0


def test_the_script_of_the_wheel_runs_the_relay(daemon: FakeDaemon) -> None:
    script = RELAY.parents[2] / "bin/aether-mcp"
    answer = subprocess.run([script, "--help"], capture_output=True, check=True)
    assert answer.stdout == relay_module.HELP
    answer = subprocess.run([script, "--token=x"], capture_output=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, b"", relay_module.HELP)
    with subprocess.Popen(
        [script],
        stdin=subprocess.PIPE,
        env={"AETHER_SOCKET": str(daemon.path), "AETHER_TOKEN": TOKEN, "PATH": os.defpath},
    ):
        assert daemon.accept().token == TOKEN


# --- the real SDK on both ends ---


class SdkDaemon:
    """An SDK server behind a unix socket whose first line is the token; it can be killed and restarted."""

    def __init__(self, path: Path, tasks: anyio.abc.TaskGroup) -> None:
        self.path, self.tasks = path, tasks
        self.bus = InMemorySubscriptionBus()
        self.called = anyio.Event()
        self.life: anyio.CancelScope | None = None

    def server(self) -> Server[Any]:
        """Build a fresh server, as a restarted process would."""

        async def list_tools(ctx: ServerRequestContext[Any], params: Any) -> types.ListToolsResult:
            return types.ListToolsResult(
                tools=[types.Tool(name="echo", input_schema={"type": "object"})],
                ttl_ms=0,
                cache_scope="private",
            )

        async def call_tool(
            ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
        ) -> types.CallToolResult:
            if params.name == "hang":
                self.called.set()
                await anyio.sleep_forever()
            text = str((params.arguments or {}).get("text"))
            return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

        return Server(
            "fixture",
            on_list_tools=list_tools,
            on_call_tool=call_tool,
            on_subscriptions_listen=ListenHandler(self.bus),
        )

    async def start(self) -> None:
        """Listen."""
        await self.tasks.start(self._serve)

    async def kill(self) -> None:
        """Drop every connection and the listener without a word."""
        assert self.life is not None
        self.life.cancel()
        self.path.unlink(missing_ok=True)
        await anyio.lowlevel.checkpoint()

    async def _serve(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        with anyio.CancelScope() as self.life:
            async with await anyio.create_unix_listener(self.path) as listener:
                task_status.started()
                await listener.serve(self._connection)

    async def _connection(self, stream: anyio.abc.SocketStream) -> None:
        lines = BufferedByteReceiveStream(stream)
        to_server, server_reads = anyio.create_memory_object_stream[SessionMessage | Exception]()
        server_writes, from_server = anyio.create_memory_object_stream[SessionMessage](16)

        async def read() -> None:
            async with to_server:
                while True:
                    try:
                        line = await lines.receive_until(b"\n", 1 << 20)
                    except (anyio.IncompleteRead, anyio.ClosedResourceError, anyio.BrokenResourceError):
                        return
                    await to_server.send(SessionMessage(types.jsonrpc_message_adapter.validate_json(line)))

        async def write() -> None:
            async for message in from_server:
                await stream.send(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

        async with stream, from_server, server_reads, server_writes, anyio.create_task_group() as tasks:
            assert await lines.receive_until(b"\n", 100) == TOKEN.encode()
            tasks.start_soon(read)
            tasks.start_soon(write)
            server = self.server()
            options = server.create_initialization_options(NotificationOptions(tools_changed=True))
            await server.run(server_reads, server_writes, options)
            tasks.cancel_scope.cancel()


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio."""
    return "asyncio"


def relay_to(path: Path) -> StdioServerParameters:
    """Say how an SDK client starts the relay."""
    return StdioServerParameters(
        command=sys.executable, args=["-S", "-E", "-I", str(RELAY), str(path)], env={"AETHER_TOKEN": TOKEN}
    )


async def echo(client: Client, text: str) -> str:
    """Call the echo tool."""
    content = (await client.call_tool("echo", {"text": text})).content[0]
    assert isinstance(content, types.TextContent)
    return content.text


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
async def test_an_sdk_client_survives_the_death_of_an_sdk_server(tmp_path: Path, mode: str) -> None:
    async with short_lived(), anyio.create_task_group() as tasks:
        daemon = SdkDaemon(tmp_path / "s", tasks)
        await daemon.start()
        async with Client(relay_to(daemon.path), mode=mode) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["echo"]
            for round in range(3):
                assert await echo(client, f"before {round}") == f"before {round}"
                daemon.called = anyio.Event()
                async with anyio.create_task_group() as calls:
                    calls.start_soon(hang, client)
                    await daemon.called.wait()
                    await daemon.kill()
                await daemon.start()
                assert await echo(client, f"after {round}") == f"after {round}"
            assert [tool.name for tool in (await client.list_tools()).tools] == ["echo"]
        tasks.cancel_scope.cancel()


async def hang(client: Client) -> None:
    """Call the tool that never answers and see it fail in a way that says to check and retry."""
    with pytest.raises(MCPError) as failure:
        await client.call_tool("hang")
    assert failure.value.error.data == {"code": "unavailable", "retryable": True}


@pytest.mark.anyio
async def test_an_sdk_subscription_survives_the_death_of_its_server(tmp_path: Path) -> None:
    async with short_lived(), anyio.create_task_group() as tasks:
        daemon = SdkDaemon(tmp_path / "s", tasks)
        await daemon.start()
        async with (
            Client(relay_to(daemon.path), mode="2026-07-28") as client,
            client.listen(tools_list_changed=True) as events,
        ):
            await daemon.bus.publish(ToolsListChanged())
            assert await anext(events) == ToolsListChanged()
            await daemon.kill()
            await daemon.start()
            assert await anext(events) == ToolsListChanged()  # of the relay: look again
            await daemon.bus.publish(ToolsListChanged())
            assert await anext(events) == ToolsListChanged()  # of the new daemon
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_an_sdk_client_of_2025_is_told_to_list_again(tmp_path: Path) -> None:
    told = anyio.Event()

    async def on_message(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            told.set()

    async with short_lived(), anyio.create_task_group() as tasks:
        daemon = SdkDaemon(tmp_path / "s", tasks)
        await daemon.start()
        async with Client(relay_to(daemon.path), mode="legacy", message_handler=on_message):
            await daemon.kill()
            await daemon.start()
            await told.wait()
        tasks.cancel_scope.cancel()
