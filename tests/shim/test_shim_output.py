"""Output: at absolute offsets, kept until acknowledged or as a ring, the same for every reader."""

import hashlib
import os
import signal
import time
from pathlib import Path

import anyio
import pytest
from shim_lab import Lab, eventually, output_until, until_exit

from aetherd.shim.client import Blocked, Exit, Output, Remains, Shim, read_output, read_stderr

pytestmark = pytest.mark.anyio
MB = 1 << 20


async def test_a_client_that_comes_back_at_its_offset_misses_nothing_and_sees_nothing_twice(lab: Lab) -> None:
    place, shim = await lab.python("for n in range(20000): print(n, flush=n % 50 == 0)")
    expected = b"".join(b"%d\n" % number for number in range(20000))
    said = b""
    with anyio.fail_after(30):
        for _ in range(1000):
            item = await shim.read()
            if isinstance(item, Exit):
                break
            assert isinstance(item, Output)
            assert item.offset == len(said)
            said += item.data
            await shim.aclose()
            shim = await lab.attach(place, len(said))
    rest, ended = await until_exit(shim)
    assert said + rest == expected
    assert ended.end_offset == len(expected)


async def test_output_can_be_read_from_any_offset_while_the_process_runs_and_after(lab: Lab) -> None:
    place, shim = await lab.open(["sh", "-c", "echo 0123456789; read x; echo end"])
    await output_until(shim, b"9\n")
    for offset in (0, 4, 10):
        assert (await output_until(await lab.attach(place, offset), b"\n")) == b"0123456789\n"[offset:]
    assert await shim.send(1, b"\n") == "accepted"
    await until_exit(shim)
    await eventually(lambda: not (place / "s").exists())
    for offset in (0, 4, 11, 15, 99):
        said, _ = await until_exit(await lab.attach(place, offset))
        assert said == b"0123456789\nend\n"[offset:]
        assert read_output(place, offset, 100) == (min(offset, 15), said, 0, 15)
    assert read_output(place, 4, 3) == (4, b"456", 0, 15)


async def test_two_clients_see_the_same_and_a_lazy_one_delays_nobody(lab: Lab) -> None:
    place, first = await lab.python("import sys; sys.stdin.read(1); [print(n) for n in range(500000)]")
    second = await lab.attach(place)
    lazy = await lab.attach(place)
    assert await first.send(1, b"x") == "accepted"
    texts = [(await until_exit(shim))[0] for shim in (first, second)]
    assert texts[0] == texts[1]
    assert len(texts[0]) == sum(len(str(number)) + 1 for number in range(500000))
    await eventually(lambda: not (place / "s").exists(), 8)  # the shim waits for the lazy one, but not for ever
    assert (await until_exit(lazy))[0] == texts[0]


async def test_input_is_answered_while_nobody_reads_a_flood(lab: Lab) -> None:
    place, shim = await lab.python("import sys; sys.stdin.read(1); sys.stdout.write('x' * 5_000_000)")
    assert await shim.send(1, b"x") == "accepted"
    await eventually(lambda: read_output(place, 0, 0)[3] > 2 * MB)
    with anyio.fail_after(20):
        assert await shim.send(1, b"x") == "duplicate"
    assert isinstance(shim, Shim)
    assert sum(len(output.data) for output in shim._wire.output) <= 1 * MB


async def test_lossless_output_blocks_the_process_at_the_cap_and_shrinks_when_acknowledged(lab: Lab) -> None:
    cap = 4 * MB
    place, shim = await lab.python("import os\nwhile True: os.write(1, b'0123456789abcdef' * 4096)", lossless_cap=cap)
    with anyio.fail_after(20):
        while not isinstance(item := await shim.read(), Blocked):
            pass
    assert item.blocked
    assert item.unacked == cap
    await anyio.wait_all_tasks_blocked()
    end = read_output(place, 0, 0)[3]
    assert end == cap
    blocks = (place / "out.log").stat().st_blocks * 512
    await shim.ack(2 * MB)
    position = 0
    for acked in (2 * MB, 6 * MB, 12 * MB):
        with anyio.fail_after(20):
            while position < acked:
                item = await shim.read()
                if isinstance(item, Output):
                    position = item.offset + len(item.data)
                    await shim.ack(position)
    assert await shim.close_stdin(1) == "accepted"  # so the shim has taken all that was acknowledged before it
    # It is blocked again between three quarters of the cap and the cap.
    await eventually(lambda: read_output(place, 0, 0)[3] >= position + cap * 3 // 4)
    _, data, first, end = read_output(place, 0, 32)
    assert end - position <= cap
    assert first >= 11 * MB
    assert first % 16 == 0
    assert data == b"0123456789abcdef" * 2  # reading below what is kept starts at what is kept
    assert (place / "out.log").stat().st_blocks * 512 <= blocks + 2 * MB
    assert (await lab.attach(place, 0)).hello.first_offset == first


async def test_a_terminal_is_a_ring_that_never_waits_for_space(lab: Lab) -> None:
    code = "import sys\nfor n in range(400000): sys.stdout.write('%09d\\n' % n)\nsys.stdin.read(1)"
    place, _ = await lab.python(code, stdio="pty", ring=MB)
    size = 400000 * 11
    await eventually(lambda: read_output(place, 0, 0)[3] == size, 20)
    offset, data, first, end = read_output(place, 0, 10 * MB)
    assert offset == first
    assert end == size
    assert MB <= end - first < 2 * MB
    expected = b"".join(b"%09d\r\n" % number for number in range(400000))
    assert data == expected[first:]
    late = await lab.attach(place, 5)
    assert (late.hello.first_offset, late.hello.end_offset) == (first, size)
    item = await late.read()
    assert isinstance(item, Output)
    assert item.offset == first
    assert (place / "out.log").stat().st_blocks * 512 < 2 * MB


FLOOD = "import os, signal\nwhile True: os.write(1, b'y' * 4095 + b'\\n')"


async def test_a_limit_stops_the_producer_and_control_c_is_heard_at_once(lab: Lab) -> None:
    place, shim = await lab.python(FLOOD, stdio="pty")
    await shim.limit(MB)
    with anyio.fail_after(10):
        seen = 0
        while seen < MB:
            item = await shim.read()
            assert isinstance(item, Output)
            seen = item.offset + len(item.data)
    await anyio.sleep(0.1)
    assert read_output(place, 0, 0)[3] == MB
    started = time.monotonic()
    assert await shim.send(1, b"\x03") == "accepted"
    said, ended = await until_exit(shim)
    assert time.monotonic() - started < 1
    assert len(said) < MB  # the kernel's buffer and the traceback, no queue of ours
    assert b"KeyboardInterrupt" in said
    assert ended.signal == signal.SIGINT or ended.code == 1


async def test_a_limit_ends_with_the_connection_that_set_it(lab: Lab) -> None:
    place, shim = await lab.python(FLOOD, stdio="pty", ring=MB)
    await shim.limit(64)
    other = await lab.attach(place, None)
    await other.limit(10 * MB)
    await eventually(lambda: read_output(place, 0, 0)[3] > 0)
    await shim.aclose()
    await eventually(lambda: read_output(place, 0, 0)[3] == 10 * MB)
    await other.limit(None)
    await eventually(lambda: read_output(place, 0, 0)[3] > 20 * MB)


async def test_fifty_megabytes_of_hostile_bytes_without_a_newline_arrive_unchanged(lab: Lab) -> None:
    code = """
import os
piece = bytes(range(256)).replace(b"\\n", b"\\0") * 256 + b"\\xed\\xa0\\x80\\xff\\x1b]52;c;x\\x07"
view = memoryview(piece * 800)
while view: view = view[os.write(1, view):]
"""
    piece = bytes(range(256)).replace(b"\n", b"\0") * 256 + b"\xed\xa0\x80\xff\x1b]52;c;x\x07"
    place, shim = await lab.python(code)
    said, ended = await until_exit(shim)
    assert len(said) == len(piece) * 800 > 50 * MB
    assert hashlib.sha256(said).digest() == hashlib.sha256(piece * 800).digest()
    assert ended.code == 0
    assert read_output(place, len(said) - 10, 10)[1] == said[-10:]


async def test_standard_error_of_pipes_is_kept_apart_and_as_a_ring(lab: Lab) -> None:
    code = "import os\nfor n in range(20): os.write(2, b'%05d' % n + b'e' * 99_995)\nos.write(1, b'out')"
    place, shim = await lab.python(code, stderr_ring=MB)
    said, _ = await until_exit(shim)
    assert said == b"out"
    await eventually(lambda: not (place / "s").exists())
    remains = await lab.attach(place, None)
    assert isinstance(remains, Remains)
    assert remains.hello.stderr_end == 2_000_000
    assert read_stderr(place, 100_000) == b"00019" + b"e" * 99_995
    assert MB <= len(read_stderr(place, 10 * MB)) < 1.3 * MB


async def test_a_flood_does_not_make_the_shim_grow(lab: Lab) -> None:
    place, spawned = await lab.start(["sh", "-c", "exec cat /dev/zero"], stdio="pty", ring=MB)
    await lab.attach(place)  # and a client that does not read

    def resident() -> int:
        fields = Path(f"/proc/{spawned.shim_pid}/smaps_rollup").read_text().split()
        return int(fields[fields.index("Private_Dirty:") + 1])

    await eventually(lambda: read_output(place, 0, 0)[3] > 20 * MB, 20)
    before = resident()
    await eventually(lambda: read_output(place, 0, 0)[3] > 120 * MB, 30)
    assert resident() - before < 300
    assert os.stat(place / "out.log").st_blocks * 512 < 2 * MB
