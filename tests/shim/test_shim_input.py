"""Input: every id is taken once, in order; and the terminal's size."""

import os
import signal
import socket
from pathlib import Path

import anyio
import pytest
from shim_lab import Lab, output_until, until_exit

from aetherd.shim import frames
from aetherd.shim.client import Exit, Output, ShimError, ShimGone, open_shim

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("stdio", ["pty", "pipes"])
async def test_a_repeated_id_is_told_and_not_written_again(lab: Lab, stdio: str) -> None:
    place, shim = await lab.open(["cat"], stdio=stdio)
    assert await shim.send(5, b"five\n") == "accepted"
    assert await shim.send(5, b"five\n") == "duplicate"
    assert await shim.send(4, b"four\n") == "duplicate"
    again = await lab.attach(place)
    assert again.hello.last_input == 5
    assert await again.send(5, b"five\n") == "duplicate"
    assert await again.send(6, b"six\n") == "accepted"
    end = again.send(7, b"\x04") if stdio == "pty" else again.close_stdin(7)
    assert await end == "accepted"
    said, _ = await until_exit(again)
    # A terminal echoes what is typed.
    assert said.count(b"five") == said.count(b"six") == (2 if stdio == "pty" else 1)
    assert b"four" not in said


async def test_closing_stdin_comes_after_all_input_and_only_once(lab: Lab) -> None:
    _, shim = await lab.open(["cat"])
    sent = b"x" * 900_000 + b"\n"
    assert await shim.send(1, sent) == "accepted"
    assert await shim.close_stdin(2) == "accepted"
    assert await shim.close_stdin(2) == "duplicate"
    assert await shim.send(3, b"late") == "closed"
    said, ended = await until_exit(shim)
    assert said == sent
    assert ended.code == 0
    assert await shim.send(2, b"again") == "duplicate"
    assert await shim.send(9, b"late") == "closed"


async def test_a_terminal_has_no_end_of_input_of_its_own(lab: Lab) -> None:
    _, shim = await lab.open(["cat"], stdio="pty")
    assert await shim.close_stdin(1) == "closed"
    assert await shim.send(1, b"\x04") == "accepted"
    _, ended = await until_exit(shim)
    assert ended.code == 0


async def test_input_for_a_process_that_does_not_read_is_bounded_and_none_of_it_is_lost(lab: Lab) -> None:
    _, shim = await lab.open(["sh", "-c", "until test -e go; do sleep 0.02; done; exec cat"], cwd=str(lab.root))
    block, id = b"b" * 99_999 + b"\n", 0
    results = []
    while "full" not in results:
        results.append(await shim.send(id + 1, block))
        id += results[-1] == "accepted"
    assert 10 <= id < 20
    (lab.root / "go").touch()
    with anyio.fail_after(10):
        while await shim.send(id + 1, b"end\n") == "full":
            await anyio.sleep(0.01)
    assert await output_until(shim, b"end") == block * id + b"end\n"


async def test_a_process_that_closed_its_stdin_says_closed(lab: Lab) -> None:
    _, shim = await lab.open(["sh", "-c", "exec <&-; echo shut; sleep 60"])
    await output_until(shim, b"shut")
    assert await shim.send(1, b"x") == "accepted"  # nobody can know before the write
    assert await shim.send(2, b"x") == "closed"


async def test_a_big_paste_into_a_terminal_arrives_whole(lab: Lab) -> None:
    code = """
import os, tty
tty.setraw(0)
os.write(1, b"ready")
got = b""
while len(got) < 500_000: got += os.read(0, 100_000)
os.write(1, b"same" if got == bytes(range(256)) * 1953 + b"!" * 32 else b"different")
"""
    _, shim = await lab.python(code, stdio="pty")
    await output_until(shim, b"ready")
    assert await shim.send(1, bytes(range(256)) * 1953 + b"!" * 32) == "accepted"
    assert await output_until(shim, b"e") == b"same"


async def test_a_resize_reaches_the_process(lab: Lab) -> None:
    code = """
import os, signal
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, repr(tuple(os.get_terminal_size(0))).encode()))
os.write(1, b"ready")
while True: signal.pause()
"""
    place, shim = await lab.python(code, stdio="pty")
    await output_until(shim, b"ready")
    await shim.resize(43, 169)
    await output_until(shim, b"(169, 43)")
    hello = (await lab.attach(place)).hello
    assert (hello.rows, hello.cols) == (43, 169)


async def test_a_ninth_client_is_refused_with_a_reason_and_the_eight_go_on(lab: Lab) -> None:
    place, first = await lab.open(["cat"])
    for _ in range(7):
        await lab.attach(place)
    with pytest.raises(Exception, match="as many clients as it takes"):
        await open_shim(place)
    assert await first.send(1, b"still here\n") == "accepted"
    await output_until(first, b"still here")


async def test_garbage_on_the_socket_harms_nobody(lab: Lab) -> None:
    place, shim = await lab.open(["cat"])
    for garbage in (
        b"\xff" * 5000,
        frames.frame(frames.INPUT, b"\1"),
        frames.frame(frames.ATTACH, b""),
        frames.frame(frames.RESIZE, b"\0"),
        frames.frame(frames.HELLO, b"\xff" * 100),
        frames.frame(0xEE, b"from the future"),
        frames.HEADER.pack(frames.INPUT, 2**32 - 1),
        frames.frame(frames.LIMIT, frames.I64.pack(-(2**63))),
        frames.frame(frames.ACK, frames.U64.pack(2**64 - 1)),
        frames.frame(frames.CREDIT, frames.U64.pack(2**64 - 1)) * 3,
    ):
        with _raw(place) as line:
            line.sendall(garbage)
    assert await shim.send(1, b"well\n") == "accepted"
    await output_until(shim, b"well")


async def test_an_unknown_frame_is_ignored_and_the_connection_goes_on(lab: Lab) -> None:
    place, _ = await lab.open(["cat"])
    with _raw(place) as line:
        line.sendall(frames.frame(0xEE, b"from the future"))
        line.sendall(frames.frame(frames.INPUT, frames.U64.pack(1) + b"hi\n"))
        reader, kinds = frames.FrameReader(1 << 20), []
        while frames.RESULT not in kinds:
            kinds += [kind for kind, _ in reader.feed(line.recv(4096))]
    assert kinds[0] == frames.HELLO


async def test_a_client_that_asks_and_never_reads_answers_is_cut_off(lab: Lab) -> None:
    place, shim = await lab.open(["cat"])
    with _raw(place) as line:
        line.settimeout(5)
        many = frames.frame(frames.INPUT, frames.U64.pack(0)) * 1_000_000
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            line.sendall(many)
    assert await shim.send(1, b"well\n") == "accepted"


async def test_reading_can_be_cancelled_without_losing_output(lab: Lab) -> None:
    _, shim = await lab.open(["cat"])
    said = b""
    for number in range(1, 50):
        with anyio.move_on_after(0.002):
            while True:
                item = await shim.read()
                assert isinstance(item, Output)
                said += item.data
        await shim.send(number, b"%d\n" % number)
    await shim.close_stdin(50)
    rest, ended = await until_exit(shim)
    assert isinstance(ended, Exit)
    assert said + rest == b"".join(b"%d\n" % number for number in range(1, 50))


async def test_a_shim_that_is_stopped_is_not_taken_for_gone(lab: Lab) -> None:
    place, spawned = await lab.start(["cat"])
    os.kill(spawned.shim_pid, signal.SIGSTOP)
    try:
        with pytest.raises(ShimError, match="does not answer") as caught:
            await open_shim(place, deadline=0.2)
        assert not isinstance(caught.value, ShimGone)
    finally:
        os.kill(spawned.shim_pid, signal.SIGCONT)
    shim = await lab.attach(place)
    assert await shim.send(1, b"x") == "accepted"


def _raw(place: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    handle = os.open(place, os.O_PATH)
    line.connect(f"/proc/self/fd/{handle}/s")
    os.close(handle)
    return line
