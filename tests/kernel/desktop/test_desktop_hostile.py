"""Desktops whose server lies, and viewers that say what they may not: bounded, refused, never waited for."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from aetherd.core.errors import Invalid, Unavailable
from aetherd.kernel.desktop import screen as screens
from aetherd.kernel.desktop.gate import ENCODINGS, Gate
from aetherd.kernel.desktop.screen import Screen

pytestmark = pytest.mark.anyio
HELLO = b"RFB 003.008\n\x01\x01" + bytes(4)
PLAIN = struct.pack("!HH16xI", 4, 2, 0)
UPDATE = struct.pack("!BxH", 0, 1)
WHOLE = UPDATE + struct.pack("!HHHHi", 0, 0, 4, 2, 0) + bytes(range(32))


@asynccontextmanager
async def lying(path: Path, *says: bytes) -> AsyncIterator[Screen]:
    """A server that says the same to everybody, whatever is asked, and then nothing more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        async with anyio.create_task_group() as group:

            async def serve() -> None:
                while True:
                    await anyio.wait_readable(listener)
                    accepted, _ = listener.accept()
                    with accepted:
                        accepted.setblocking(True)
                        accepted.settimeout(1)
                        for said in says:
                            try:
                                await anyio.to_thread.run_sync(accepted.sendall, said)
                            except OSError:
                                break
                        with suppress(OSError):  # until who asked has left, or asks no more
                            while await anyio.to_thread.run_sync(accepted.recv, 1 << 16):
                                pass

            group.start_soon(serve)
            screen = Screen(path)
            try:
                yield screen
            finally:
                screen.close()
                group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\n", "not RFB 3.8"),
        (b"RFB 003.008\n\x00\0\0\0\x04nope", "it refuses: nope"),
        (b"RFB 003.008\n\x01\x02", "wants a password"),
        (HELLO + struct.pack("!HH16xI", 60000, 60000, 0), "says its screen is 60000x60000"),
        (HELLO + struct.pack("!HH16xI", 4, 2, 1 << 31), "name of 2147483648 bytes"),
        (HELLO + PLAIN + b"\x07", "unknown type 7"),
        (HELLO + PLAIN + b"\x03\0\0\0" + struct.pack("!I", 1 << 30), "clipboard of 1073741824 bytes"),
        (HELLO + PLAIN + UPDATE + struct.pack("!HHHHi", 0, 0, 5, 2, 0), "paints outside"),
        (HELLO + PLAIN + UPDATE + struct.pack("!HHHHi", 0, 0, 4, 2, 7), "encoding 7"),
        (HELLO + PLAIN + UPDATE + struct.pack("!HHHHi", 0, 0, 60000, 2, -223), "screen is 60000x2"),
    ],
)
async def test_a_server_that_lies_is_left_with_the_reason(tmp_path: Path, says: bytes, why: str) -> None:
    async with lying(tmp_path / "vnc", says) as screen:
        with anyio.fail_after(5), pytest.raises(Unavailable, match=why):
            await screen.look()


async def test_a_server_that_says_nothing_or_rings_for_ever_is_left_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "DEADLINE_S", 0.3)
    for number, says in enumerate(([HELLO + PLAIN], [HELLO + PLAIN, *[b"\x02" * 50_000] * 100])):
        async with lying(tmp_path / f"vnc{number}", *says) as screen:
            with anyio.fail_after(5), pytest.raises(Unavailable, match=r"did not answer in|has ended"):
                await screen.look()


async def test_what_an_honest_server_paints_is_seen_and_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    async with lying(tmp_path / "vnc", HELLO + PLAIN + WHOLE) as screen:
        seen = await screen.look()
        assert (seen.size, seen.colour(3, 1)) == ((4, 2), (28, 29, 30))
        os.symlink(tmp_path / "vnc", tmp_path / "link")
        with pytest.raises(Unavailable, match="something else"):
            await Screen(tmp_path / "link").look()
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="something else"):
        await Screen(tmp_path / "file").look()


def test_the_gate_drops_what_touches_and_passes_what_looks() -> None:
    gate = Gate()
    assert gate.pass_on(b"RFB 003.008\n\x01\x00", False) == (b"RFB 003.008\n\x01\x01", False)  # shared in any case
    key, pointer = struct.pack("!BBxxI", 4, 1, 97), struct.pack("!BBHH", 5, 1, 9, 9)
    cut, resize = b"\x06\0\0\0\0\0\0\x02hi", b"\xfb\0\x04\0\x04\0\x01\0" + bytes(16)
    ask, form = b"\x03" + bytes(9), bytes(20)
    everything = key + ask + pointer + cut + form + resize
    out = b"".join(gate.pass_on(everything[n : n + 1], False)[0] for n in range(len(everything)))
    assert out == ask + form
    assert gate.pass_on(everything, True) == (everything, True)
    wanted = struct.pack("!BxH4i", 2, 4, 7, -258, -313, 0)  # QEMU's keys and continuous updates bring new messages
    assert gate.pass_on(wanted, True) == (struct.pack("!BxH2i", 2, 2, 7, 0), False)
    assert {-258, -312, -313, -316}.isdisjoint(ENCODINGS)


@pytest.mark.parametrize(
    "says", [b"\x96\0", b"\xff\0", b"\x06\0\0\0\xff\xff\xff\xff", b"\x02\0\xff\xff", b"\xfb\0\0\0\0\0\xff\0"]
)
def test_the_gate_ends_a_viewer_whose_messages_cannot_be_told_in_length(says: bytes) -> None:
    gate = Gate()
    gate.pass_on(b"RFB 003.008\n\x01\x01", True)
    with pytest.raises(Invalid, match="a viewer of desktops says"):
        gate.pass_on(says, True)
