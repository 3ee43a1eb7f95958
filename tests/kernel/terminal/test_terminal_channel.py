"""The byte channel: replay, several viewers, flow control, tickets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import fail_after

from aetherd.core.errors import Forbidden, Invalid, NotFound, Unauthenticated
from aetherd.kernel.terminal import viewer
from aetherd.kernel.terminal.replay import Replay
from aetherd.kernel.terminal.screen import render
from aetherd.operations import tickets
from aetherd.operations.tickets import LIFE_S
from aetherd.shim.client import read_output

pytestmark = pytest.mark.anyio


async def until(channel: Any, needle: bytes, *, ack: bool = True) -> bytes:
    """Receive until something was shown."""
    got = b""
    with fail_after(15):
        while needle not in got:
            data = await channel.receive()
            assert data is not None, got[-500:]
            if ack:
                await channel.ack(len(data))
            got += data
    return got


async def test_what_is_typed_comes_back_and_the_end_is_told(terms: Any) -> None:
    key = await terms.shell("stty raw -echo; echo ready; dd bs=1 count=5 2>/dev/null; exit 4")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        assert channel.writable
        got = await until(channel, b"ready")
        assert got.startswith(b"\x1bc")
        await channel.send(b"\xff\x00a\xc3\xa9")
        assert b"\xff\x00a\xc3\xa9" in await until(channel, b"\xa9")
        with fail_after(10):
            while await channel.receive() is not None:
                pass
        assert channel.end == {"reason": "exited", "exit_code": 4, "signal": None}
    assert terms.service.metrics()["aetherd_terminal_viewers"] == 0


async def test_a_viewer_that_comes_back_sees_what_it_missed(terms: Any) -> None:
    key = await terms.shell("exec cat")
    for word in (b"one", b"two"):
        async with terms.service.channel(key, None, terms.as_owner()) as channel:
            await channel.send(word + b"\r")
            got = await until(channel, word + b"\r\n" + word)
    assert b"one\r\none\r\ntwo" in got


async def test_a_long_story_is_told_from_its_end_on_a_line_with_its_modes(terms: Any) -> None:
    key = await terms.shell(
        r"printf '\033[?1049h\033[?2004h\033[?25l'; seq 1 200000; printf '\033[?2004lEND'; exec cat"
    )
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        await until(channel, b"END")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        got = await until(channel, b"END")
    assert got.startswith(b"\x1bc\x1b[?1049h\x1b[?25l\x1b[?2004h")
    body = got.partition(b"\x1b[?2004h")[2]
    assert int(body.split(b"\r\n", 1)[0]) > 100_000
    assert len(body) <= 256 * 1024
    assert (await terms("read", terminal=key)).lines[-1] == "END"


async def test_a_program_is_told_to_paint_again_for_a_late_viewer(terms: Any) -> None:
    key = await terms.shell(
        r"trap 'stty size' WINCH; seq 1 100000; printf '\033[?1049hREADY\n'; while :; do sleep 0.01; done",
        rows=30,
        cols=90,
    )
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        await until(channel, b"READY")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        got = await until(channel, b"30 90")
    assert b"29 90" in got


async def test_two_viewers_see_the_same_and_both_type(terms: Any) -> None:
    key = await terms.shell("stty -echo; echo ready; exec cat")
    async with (
        terms.service.channel(key, None, terms.as_owner()) as one,
        terms.service.channel(key, None, terms.as_owner()) as two,
    ):
        await until(one, b"ready")
        await until(two, b"ready")
        for number in range(20):
            await (one if number % 2 else two).send(b"line %d\r" % number)
        for channel in (one, two):
            got = await until(channel, b"line 19")
            assert [line for line in got.split(b"\r\n") if line][:20] == [b"line %d" % n for n in range(20)]


async def test_who_types_elsewhere_too_is_not_lost(terms: Any) -> None:
    from aetherd.shim.client import open_shim

    key = await terms.shell("stty -echo; echo ready; exec cat")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        await until(channel, b"ready")
        await channel.send(b"one\r")
        other = await open_shim(terms.processes.terminal_dir(key))
        assert await other.send(other.hello.last_input + 1, b"two\r") == "accepted"
        assert await other.send(other.hello.last_input + 2, b"three\r") == "accepted"
        await other.aclose()
        await channel.send(b"four\r")
        got = await until(channel, b"four")
        assert [line for line in got.split(b"\r\n") if line][:4] == [b"one", b"two", b"three", b"four"]


async def test_a_read_only_viewer_watches_and_cannot_type(terms: Any) -> None:
    key = await terms.shell("echo ready; exec cat")
    reader = terms.as_owner(scopes=frozenset({"*:read"}))
    async with terms.service.channel(key, None, reader) as channel:
        assert not channel.writable
        await until(channel, b"ready")
        await channel.resize(11, 33)
        with pytest.raises(Forbidden, match="terminal:write"):
            await channel.send(b"x")
    assert (await terms("list")).terminals[0].rows == 30


async def test_the_keyboard_moves_while_viewers_are_attached(terms: Any) -> None:
    directory = terms.processes.terminal_dir("main")
    await terms.processes.start_beside(7, directory, ["/bin/cat"], cwd=Path("/"), rows=20, cols=60, name="main")
    terms.processes.places[7].stdio, terms.processes.places[7].directory = "pty", directory
    async with terms.service.channel("7", None, terms.as_owner()) as channel:
        await channel.send(b"mine\r")
        await until(channel, b"mine\r\nmine")
        terms.processes.holder = "user:ada"
        with pytest.raises(Forbidden, match="user:ada has control"):
            await channel.send(b"x")
        assert not channel.writable
        terms.processes.holder = "user:owner"
        await channel.send(b"again\r")
        assert channel.writable
        with pytest.raises(Invalid, match="rows"):
            await channel.resize(70_000, 10)


async def produced(terms: Any, key: str) -> int:
    """Return how much was written, once it stays the same."""
    directory = terms.processes.terminal_dir(key)
    same, last = 0, -1
    with fail_after(20):
        while same < 20:
            await anyio.sleep(0.005)
            _, _, _, end = await anyio.to_thread.run_sync(read_output, directory, 0, 0)
            same, last = (same + 1, end) if end == last else (0, end)
    return last


async def test_a_typist_that_stalls_stops_the_program_and_ctrl_c_is_felt_at_once(terms: Any) -> None:
    key = await terms.shell("trap 'echo; echo CAUGHT; exec cat' INT; echo go; read x; yes 0123456789")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        got = len(await until(channel, b"go"))
        await channel.send(b"\r")
        end = await produced(terms, key)
        assert viewer.WINDOW - 65_536 <= end <= viewer.WINDOW + 65_536
        before = time.monotonic()
        await channel.send(b"\x03")
        tail = b""
        while b"CAUGHT" not in tail:
            data = await channel.receive()
            await channel.ack(len(data))
            tail = tail[-20:] + data
            got += len(data)
        took = time.monotonic() - before
        assert got < 2 * viewer.WINDOW
        assert took < 1, f"Ctrl-C took {took:.2f} s"


async def test_a_program_goes_on_when_nobody_or_only_a_reader_watches(terms: Any) -> None:
    key = await terms.shell("echo go; read x; seq 1 1000000; echo DONE; exec cat")
    reader = terms.as_owner(scopes=frozenset({"*:read"}))
    async with terms.service.channel(key, None, reader) as channel:
        await until(channel, b"go", ack=False)
        await terms("send", terminal=key, keys=["Enter"])
        got = 0
        with anyio.move_on_after(0.5):  # it is given a window and then nothing
            while True:
                got += len(await channel.receive())
        assert got < viewer.WINDOW + 128 * 1024
        assert await produced(terms, key) > 6_000_000
        await channel.ack(got + 100)
        rest = await until(channel, b"DONE")
        assert rest.startswith(b"\x1bc")
        assert len(rest) < 400_000


async def test_a_typist_that_shows_nothing_for_long_is_let_go(terms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "TICK_S", 0.01)
    key = await terms.shell("echo go; read x; seq 1 1000000; echo DONE; exec cat")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        await until(channel, b"go")
        await channel.send(b"\r")
        held = 0
        while held < viewer.WINDOW:
            held += len(await channel.receive())
        terms.clock.ahead += 2 * viewer.STALL_S
        assert await produced(terms, key) > 6_000_000
        await channel.ack(held)
        assert (await until(channel, b"DONE")).startswith(b"\x1bc")


async def test_a_flood_comes_through_whole(terms: Any) -> None:
    source = terms.processes.root / "big"
    line = b"0123456789abcdef" * 64 + b"\n"
    source.write_bytes(line * (20_000_000 // len(line)))
    key = await terms.shell(f"stty raw; echo go; head -c 1 >/dev/null; cat {source}; echo DONE; exec cat")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        await until(channel, b"go")
        await channel.send(b"x")
        got = unacked = 0
        tail = b""
        with fail_after(60):
            while not tail.endswith(b"DONE\n"):
                data = await channel.receive()
                got += len(data)
                unacked += len(data)
                if unacked >= 65_536:
                    await channel.ack(unacked)
                    unacked = 0
                tail = (tail + data)[-8:]
        assert got == source.stat().st_size + len(b"xDONE\n")


@pytest.mark.parametrize(
    "said", [rb"\0303\377\376x", r"\033]52;c;AAAA\007\033]0;evil\007x", r"\033[?4m\033[>4;2m\033[999999999999Cx"]
)
async def test_hostile_output_is_kept_as_bytes_and_shown_as_plain_text(terms: Any, said: Any) -> None:
    said = said.decode() if isinstance(said, bytes) else said
    key = await terms.shell(f"printf '{said}'; head -c 100000 /dev/urandom; printf '\\033cEND'; exec cat")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        await until(channel, b"\x1bcEND")
    screen = await terms("read", terminal=key)
    assert screen.lines == ["END"]
    assert screen.model_dump_json().isascii() or "\x1b" not in screen.model_dump_json()


async def test_a_million_characters_without_a_newline_are_shown(terms: Any) -> None:
    key = await terms.shell("head -c 1000000 /dev/zero | tr '\\0' x; printf END; exec cat")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        await until(channel, b"END")
    async with terms.service.channel(key, None, terms.as_owner()) as channel:
        assert len(await until(channel, b"END")) <= 256 * 1024 + 20
    assert (await terms("read", terminal=key)).lines[-1].endswith("xEND")


async def opens(terms: Any, key: str, ticket: str | None, call: Any = None) -> None:
    async with terms.service.channel(key, ticket, call):
        pass


async def test_a_ticket_opens_one_terminal_once_for_a_minute(terms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key, other = await terms.shell("exec cat"), await terms.shell("exec cat")
    ticket = await terms("attach", terminal=key)
    assert ticket.url == f"/v1/attach/terminal/{key}?ticket={ticket.ticket}"
    assert (len(ticket.ticket) >= 43, ticket.writable, ticket.reason) == (True, True, None)
    await opens(terms, key, ticket.ticket)
    for why, where, call, late in (
        ("used already", key, None, 0.0),
        ("another terminal", other, None, 0.0),
        ("somebody else", key, terms.as_owner(user="stranger"), 0.0),
        ("too old", key, None, LIFE_S + 1),
    ):
        secret = ticket.ticket if why == "used already" else (await terms("attach", terminal=key)).ticket
        terms.clock.ahead += late
        with pytest.raises(Unauthenticated, match=why):
            await opens(terms, where, secret, call)
        with pytest.raises(Unauthenticated, match="used already"):
            await opens(terms, key, secret)
    monkeypatch.setattr(tickets, "MOST", 2)
    first, *rest = [(await terms("attach", terminal=key)).ticket for _ in range(3)]
    with pytest.raises(Unauthenticated):
        await opens(terms, key, first)
    for secret in rest:
        await opens(terms, key, secret)


async def test_without_a_ticket_only_the_owner_comes_in(terms: Any) -> None:
    key = await terms.shell("exec cat")
    await opens(terms, key, None, terms.as_owner())
    with pytest.raises(Unauthenticated):
        await opens(terms, key, None)
    with pytest.raises(Forbidden, match="somebody else"):
        await opens(terms, key, None, terms.as_owner(user="stranger"))
    with pytest.raises(Forbidden, match="terminal:read"):
        await opens(terms, key, None, terms.as_owner(scopes=frozenset()))
    with pytest.raises(NotFound):
        await opens(terms, "term_none", None, terms.as_owner())


@pytest.mark.parametrize(
    "costly", [b"\x1b#8" * 20_000, ("e" + "\u0301" * 20_000).encode(), b"x" * 9000 + b"\x1b[2J" * 9000]
)
def test_output_that_is_costly_to_render_is_bounded(tmp_path: Path, costly: bytes) -> None:
    (tmp_path / "out.log").write_bytes(costly)
    begun = time.process_time()
    render(tmp_path, Replay(), 50, 200)
    assert time.process_time() - begun < 10
