"""The unix sockets: who is let in, what malformed traffic gets, and what the end of the daemon looks like."""

from __future__ import annotations

import json
import os
import socket as sockets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.operations.doors import Doorway
from aetherd_mcp import large
from aetherd_mcp import sockets as sockets_module
from aetherd_mcp import wire as wire_module
from tests.faces import ENVELOPE, Faces, Raw, request

pytestmark = pytest.mark.anyio
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601


@pytest.fixture(scope="module", params=["lean", "sdk"])
def loop(request: pytest.FixtureRequest) -> str:
    """Every test holds for both loops."""
    return str(request.param)


@asynccontextmanager
async def refused(path: Path, first: bytes) -> AsyncIterator[dict[str, Any]]:
    """Say a first line; give the one line that comes before the end."""
    async with await anyio.connect_unix(path) as stream:
        await stream.send(first)
        answer = json.loads(await Raw(stream).ended())
        yield answer["error"]


async def door(faces: Faces, uid: int | None = None) -> tuple[int, Path, str]:
    """Spawn a process; return its pid, its door and its token."""
    spawned = await faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["sleep", "1000"]})
    store, tokens = faces.running.kernel.store, faces.running.kernel.rooms["token"]
    secret = await store.write(
        lambda tx: tokens.make_process_token(
            tx, agent=spawned.agent, pid=spawned.pid, toolset="worker", user="owner", org="home"
        )
    )
    path = faces.house.settings.run_dir / f"door-{spawned.pid}"
    await faces.house.doors.close(spawned.pid)
    await faces.house.doors.open(Doorway(spawned.pid, path, uid))
    return spawned.pid, path, secret


# --- who is let in ---


async def test_a_wrong_token_is_refused_and_the_connection_closed(faces: Faces) -> None:
    async with refused(faces.socket, b"nonsense\n") as error:
        assert error["code"] == "unauthenticated"
    async with refused(faces.socket, b"\xff\xfe\n") as error:
        assert error["code"] == "unauthenticated"


async def test_the_first_line_has_a_bound(faces: Faces) -> None:
    async with refused(faces.socket, b"x" * 5000) as error:
        assert "first line" in error["message"]


async def test_a_silent_peer_is_sent_away(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "FIRST_LINE_S", 0.05)
    async with refused(faces.socket, b"drip") as error:
        assert error["code"] == "unauthenticated"


async def test_the_sockets_are_closed_to_others(faces: Faces) -> None:
    assert faces.socket.stat().st_mode & 0o777 == 0o600
    _, path, _ = await door(faces)
    assert path.stat().st_mode & 0o777 == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another uid to come as")
async def test_another_uid_is_refused_even_with_the_right_token(faces: Faces) -> None:
    place = Path(tempfile.gettempdir()) / f"aether-door-{os.getpid()}"
    _, path, secret = await door(faces, uid=12_345)
    path.rename(place)
    place.chmod(0o666)
    script = (
        "import os, socket, sys; os.setgid(%d); os.setuid(%d); s = socket.socket(socket.AF_UNIX); "
        "s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode() + b'\\n' + sys.argv[3].encode() + b'\\n'); "
        "print(s.makefile().readline())"
    )
    ping = json.dumps(request(1, "ping"))
    try:

        def come_as(uid: int) -> dict[str, Any]:
            command = [sys.executable, "-S", "-c", script % (uid, uid), str(place), secret, ping]
            found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
            answer: dict[str, Any] = json.loads(found.stdout)
            return answer

        stranger = await anyio.to_thread.run_sync(come_as, 54_321)
        assert stranger["error"]["code"] == "unauthenticated"
        assert "54321" in stranger["error"]["message"]
        assert (await anyio.to_thread.run_sync(come_as, 12_345))["id"] == 1
    finally:
        place.unlink()


async def test_a_door_takes_its_own_process_and_nobody_else(faces: Faces) -> None:
    pid, path, secret = await door(faces)
    _, _, foreign = await door(faces)
    for token in (foreign, faces.owner):
        async with refused(path, token.encode() + b"\n") as error:
            assert (error["code"], "another process" in error["message"]) == ("unauthenticated", True)
    async with faces.raw(secret, path) as raw:
        await raw.greet()
        answer = await raw.ask(1, "tools/call", name="aether_process_whoami")
        assert answer["result"]["structuredContent"]["pid"] == pid


async def test_a_door_closes_with_its_process(faces: Faces) -> None:
    pid, path, secret = await door(faces)
    async with faces.raw(secret, path) as raw:
        await raw.greet()
        await faces.house.doors.close(pid)
        assert await raw.ended() == b""


# --- malformed traffic ---

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
BAD_LINES = {
    "no JSON": (b"{", None, PARSE_ERROR),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', None, PARSE_ERROR),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', None, PARSE_ERROR),
    "a lone surrogate": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\\ud800"}}', None, PARSE_ERROR),
    "nested 100000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None, PARSE_ERROR),
    "arrays nested 100000 deep": (b"[" * 100_000 + b"]" * 100_000, None, PARSE_ERROR),
    "a number of 5000 digits": (PING[:-1] + b',"params":{"x":1' + b"0" * 5000 + b"}}", None, PARSE_ERROR),
    "a batch": (b"[" + PING + b"]", None, INVALID_REQUEST),
    "a batch of 10000": (b"[" + b",".join([PING] * 10_000) + b"]", None, INVALID_REQUEST),
    "a number": (b"5", None, INVALID_REQUEST),
    "an empty object": (b"{}", None, INVALID_REQUEST),
    "another version": (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', 7, INVALID_REQUEST),
    "no version": (b'{"id":"a","method":"ping"}', "a", INVALID_REQUEST),
    "positional params": (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}', 7, INVALID_REQUEST),
    "an id that is null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None, INVALID_REQUEST),
    "an id that is a fraction": (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None, INVALID_REQUEST),
    "an id that is a truth": (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None, INVALID_REQUEST),
    "an unknown method": (b'{"jsonrpc":"2.0","id":7,"method":"tools/juggle"}', 7, METHOD_NOT_FOUND),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LINES)
async def test_a_bad_line_gets_its_error_and_the_connection_goes_on(faces: Faces, case: str) -> None:
    line, id, code = BAD_LINES[case]
    async with faces.raw() as raw:
        await raw.greet()
        await raw.send(line)
        answer = await raw.line()
        assert (answer["jsonrpc"], answer["id"], answer["error"]["code"]) == ("2.0", id, code)
        assert (await raw.ask(99, "ping"))["result"] == {}


async def test_bad_lines_before_the_handshake_do_no_harm(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.send(b"", b"  ", b"{", b"[]")
        assert [(await raw.line())["error"]["code"] for _ in range(2)] == [PARSE_ERROR, INVALID_REQUEST]
        assert "result" in await raw.greet()


async def test_a_huge_id_and_repeated_keys_are_answered(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        huge = 10**30
        assert (await raw.ask(huge, "ping"))["id"] == huge
        await raw.send(b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list","method":"ping"}')
        assert await raw.line() == {"jsonrpc": "2.0", "id": 2, "result": {}}


async def test_a_result_has_what_its_era_has_and_nothing_else(faces: Faces) -> None:
    async with faces.raw() as old, faces.raw() as new:
        await old.greet()
        result = (await old.ask(1, "tools/call", name="aether_process_whoami"))["result"]
        plain = {"content": [{"type": "text", "text": result["content"][0]["text"]}], "isError": False}
        assert result == plain | {"structuredContent": json.loads(result["content"][0]["text"])}
        result = (await new.ask(1, "tools/call", name="aether_process_whoami", _meta=ENVELOPE))["result"]
        stamp = result.pop("_meta")["io.modelcontextprotocol/serverInfo"]
        assert (stamp["name"], result.pop("resultType"), *sorted(result)) == (
            "aetherd",
            "complete",
            "content",
            "isError",
            "structuredContent",
        )
        bare = {key: value for key, value in ENVELOPE.items() if "Capabilities" not in key}
        refusal = await new.ask(2, "tools/call", name="aether_process_whoami", _meta=bare)
        assert "clientCapabilities" in refusal["error"]["message"]  # also after one that was whole


async def test_an_id_in_use_is_refused_and_free_again_after_its_answer(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        await raw.send(request(1, "tools/call", name="aether_lab_wait", arguments={"text": "first"}))
        await faces.lab.begun.wait()
        await raw.send(request(1, "ping"))
        again = await raw.line()
        assert (again["id"], again["error"]["code"]) == (None, INVALID_REQUEST)
        faces.lab.go_on.set()
        assert (await raw.line())["result"]["structuredContent"] == {"text": "first"}
        assert (await raw.ask(1, "ping"))["result"] == {}


async def test_an_id_is_free_again_after_its_cancellation(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        await raw.send(request(1, "tools/call", name="aether_lab_wait"))
        await faces.lab.begun.wait()
        await raw.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        with anyio.fail_after(5):
            await faces.lab.cancelled.wait()
        assert (await raw.ask(1, "ping"))["result"] == {}


async def test_requests_without_answers_are_bounded(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "IN_FLIGHT", 3)
    async with faces.raw() as raw:
        await raw.greet()
        await raw.send(*(request(id, "tools/call", name="aether_lab_wait") for id in range(1, 5)))
        refused = await raw.line()
        assert (refused["id"], refused["error"]["data"]) == (4, {"code": "exhausted", "retryable": True})
        faces.lab.go_on.set()
        assert {(await raw.line())["id"] for _ in range(3)} == {1, 2, 3}
        assert (await raw.ask(5, "ping"))["result"] == {}


@pytest.mark.parametrize("size", [wire_module.LINE + 1, 3 * wire_module.LINE])
async def test_a_line_too_long_is_refused_by_its_id_and_skipped(faces: Faces, size: int) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        await raw.send(request(7, "tools/call", name="aether_lab_echo", arguments={"text": "x" * size}))
        answer = await raw.line()
        assert (answer["id"], answer["error"]["code"]) == (7, INVALID_REQUEST)
        assert str(wire_module.LINE) in answer["error"]["message"]
        assert (await raw.ask(8, "ping"))["result"] == {}


async def test_an_endless_line_is_not_kept(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        for _ in range(64):
            await raw.stream.send(b"x" * (1 << 20))
        await raw.send(b"")
        assert (await raw.line())["error"]["code"] == INVALID_REQUEST
        assert (await raw.ask(8, "ping"))["result"] == {}


async def test_a_long_answer_and_many_at_once_arrive_whole(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "BOUND", 1 << 30)  # no result is cut here
    text = "é" * 400_000
    async with faces.raw() as raw:
        await raw.greet()

        async def ask() -> None:
            for id in range(1, 9):
                await raw.send(request(id, "tools/call", name="aether_lab_echo", arguments={"text": text}))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            for _ in range(8):
                assert (await raw.line())["result"]["structuredContent"] == {"text": text}


async def test_an_answer_cancelled_in_the_middle_does_not_garble_the_next(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "BOUND", 1 << 30)  # no result is cut here
    text = "x" * 2_000_000  # far more than a socket buffers
    async with faces.raw() as raw:
        await raw.greet()
        await raw.send(request(1, "tools/call", name="aether_lab_echo", arguments={"text": text}))
        begun = await raw.stream.receive(10)  # the answer is under way
        await raw.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        await raw.send(request(2, "ping"))
        received = begun
        with anyio.fail_after(10):
            while received.count(b"\n") < 2:
                received += await raw.stream.receive()
        first, second = received.splitlines()
        assert (json.loads(first)["id"], json.loads(second)["id"]) == (1, 2)


async def test_the_other_era_is_refused_once_a_connection_has_one(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        assert "handshake" in (await raw.ask(1, "tools/list", _meta=ENVELOPE))["error"]["message"]
    async with faces.raw() as raw:
        assert (await raw.ask(1, "tools/list", _meta=ENVELOPE))["result"]["tools"]
        assert (await raw.ask(2, "initialize"))["error"]["code"] == -32022


async def test_what_is_sent_right_behind_the_handshake_finds_it_done(faces: Faces) -> None:
    info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    async with faces.raw() as raw:
        await raw.send(request(0, "initialize", **info), request(1, "tools/list"), request(2, "ping"))
        answers = {answer["id"]: answer for answer in [await raw.line() for _ in range(3)]}
    assert answers[1]["result"]["tools"]
    assert answers[0]["result"]["protocolVersion"] == "2025-11-25"


async def test_a_crash_outside_of_tools_shows_nothing_of_itself(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(call: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(faces.tools, "tools_for", crash)
    faces.tools.menus.clear()
    for meta in ({}, {"_meta": ENVELOPE}):
        async with faces.raw() as raw:
            if not meta:
                await raw.greet()
            error = (await raw.ask(1, "tools/list", **meta))["error"]
            assert error["code"] == -32603
            assert "secret" not in json.dumps(error)
            assert (await raw.ask(2, "tools/call", name="aether_lab_echo", **meta))["result"]


# --- connections that come and go ---


async def test_500_abandoned_connections_leave_nothing_behind(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        before = len(os.listdir("/proc/self/fd"))
        opened = []
        for number in range(500):
            peer = sockets.socket(sockets.AF_UNIX)
            peer.setblocking(False)
            with anyio.fail_after(10):
                while peer.connect_ex(str(faces.socket)):
                    await anyio.sleep(0.001)  # the backlog is full: the listener needs its turn
            first = [b"", b"half a tok", faces.owner.encode() + b"\n", faces.owner.encode() + b"\n{"][number % 4]
            peer.sendall(first)
            opened.append(peer)
        assert (await raw.ask(1, "ping"))["result"] == {}
        for peer in opened:
            peer.close()
        with anyio.fail_after(20):
            while len(os.listdir("/proc/self/fd")) > before:
                await anyio.sleep(0.01)
        assert (await raw.ask(2, "ping"))["result"] == {}


async def test_one_connection_more_than_allowed_is_closed_at_once(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets_module, "DOOR_CONNECTIONS", 2)
    _, path, secret = await door(faces)
    async with faces.raw(secret, path) as one, faces.raw(secret, path) as two:
        await one.greet()
        await two.greet()
        async with faces.raw(secret, path) as three:
            assert await three.ended() == b""
        assert (await one.ask(1, "ping"))["result"] == {}


async def test_the_end_of_the_daemon_closes_connections_without_a_word(mortal: Faces) -> None:
    """The relay answers what is lost and opens subscriptions anew; an answer from us would end them for good."""
    async with mortal.raw() as modern, mortal.raw() as legacy:
        await modern.send(
            request("listen", "subscriptions/listen", notifications={"toolsListChanged": True}, _meta=ENVELOPE)
        )
        assert (await modern.line())["method"] == "notifications/subscriptions/acknowledged"
        await modern.send(request(2, "tools/call", name="aether_lab_wait", arguments={}, _meta=ENVELOPE))
        await mortal.lab.begun.wait()
        await legacy.greet()
        await legacy.send(request(3, "tools/call", name="aether_lab_wait"))
        assert (await legacy.ask(4, "ping"))["result"] == {}
        mortal.sockets.cancel()
        assert await modern.ended() == b""
        assert await legacy.ended() == b""
    assert mortal.lab.running == 0
