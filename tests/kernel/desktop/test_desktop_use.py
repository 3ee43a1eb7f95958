"""A real desktop, started, seen, clicked, typed into, taken over and ended."""

from __future__ import annotations

import base64
import io
import shutil
from typing import Any

import anyio
import pytest
from anyio import fail_after
from PIL import Image

from aetherd.core.errors import Conflict, Forbidden, Invalid, Unauthenticated
from aetherd.kernel.desktop.rfb import Rfb
from tests.kernel.desktop.conftest import needs_x

pytestmark = [pytest.mark.anyio, needs_x]
XTERM = ["xterm", "-geometry", "80x24+0+0", "-e"]
TEXT = "héllo €uro λ日本語Ж ~!@#$%^&*()_+ ABC"


async def until(met: Any) -> None:
    with fail_after(10):
        while not met():
            await anyio.sleep(0.02)


async def test_an_agent_sees_types_and_clicks_on_its_desktop_and_nobody_elses(desk: Any) -> None:
    me = desk.as_agent
    with pytest.raises(Conflict, match=r"no desktop; desktop\.start starts one"):
        await desk("screenshot", me)
    started = await desk("start", me, width=800, height=600)
    assert (started.running, started.width, started.height) == (True, 800, 600)
    with pytest.raises(Conflict, match="has a desktop already"):
        await desk("start", me)

    program = await desk("exec", me, argv=[*XTERM, "sh", "-c", "cat > typed\ncat"])
    assert program.exit_code is None
    assert (await desk("wait_for", me, pixel={"x": 300, "y": 200, "colour": "#ffffff"})).met
    await desk("click", me, x=300, y=200)
    await desk("type", me, text=f"{TEXT}\n")
    await until(lambda: desk.read("typed") == f"{TEXT}\n")
    await desk("key", me, keys=["x", "BackSpace", "ctrl+d"])
    assert (await desk("wait_for", me, stable_s=0.3)).met

    shot = await desk("screenshot", me, max_width=400)
    picture = Image.open(io.BytesIO(base64.b64decode(shot.picture.base64)))
    assert (picture.size, shot.scale, shot.picture.media_type) == ((400, 300), 2.0, "image/png")
    assert picture.getpixel((390, 290)) == (0x30, 0x36, 0x3D)  # the bare screen
    missed = await desk("wait_for", me, pixel={"x": 790, "y": 590, "colour": "#ffffff"}, timeout_s=0.2)
    assert (missed.met, missed.missing) == (False, ["pixel"])

    await desk("stop")
    assert (await desk("start", me, width=640, height=480)).width == 640  # again, on the same display
    assert (await desk("screenshot", me)).width == 640
    await desk("stop")
    await desk("start", me, width=800, height=600)

    gone = await desk("exec", me, argv=["no-such-program"])
    assert gone.exit_code == 127
    assert "no-such-program" in gone.error
    with pytest.raises(Invalid, match="not on the screen, which has 800x600"):
        await desk("click", me, x=800, y=0)
    with pytest.raises(Invalid, match="no key 'Hyperspace'"):
        await desk("key", me, keys=["Hyperspace"])
    stranger = desk.house.agent_call("agent_other", pid=99)
    with pytest.raises(Forbidden):
        await desk("screenshot", stranger)


async def test_windows_follow_a_drag_and_the_wheel(desk: Any) -> None:
    await desk("start", argv=["xterm", "-geometry", "40x10+50+50", "-sb", "-e", "sh", "-c", "seq 500; sleep 1000"])
    assert (await desk("wait_for", pixel={"x": 200, "y": 120, "colour": "#ffffff"})).met
    assert (await desk("wait_for", stable_s=0.3, pixel={"x": 200, "y": 120, "colour": "#ffffff"})).met
    await desk("drag", x=200, y=60, to_x=600, to_y=460)
    assert (await desk("wait_for", pixel={"x": 60, "y": 120, "colour": "#30363d"})).met
    before = await desk("screenshot")
    assert (await desk("wait_for", stable_s=0.3)).met
    await desk("scroll", x=620, y=520, down=-5)
    assert (await desk("wait_for", stable_s=0.3)).met
    assert (await desk("screenshot")).picture != before.picture


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs tesseract-ocr")
async def test_text_on_the_screen_can_be_waited_for(desk: Any) -> None:
    await desk("start", argv=["xterm", "-fs", "18", "-fa", "Mono", "-e", "sh", "-c", "echo deployment finished; cat"])
    assert (await desk("wait_for", text="Deployment  finished")).met


async def test_while_a_person_has_control_only_they_touch_it(desk: Any) -> None:
    me, service = desk.as_agent, desk.house.kernel.rooms["desktop"]
    await desk("start", argv=[*XTERM, "sh", "-c", "cat > typed"])
    assert (await desk("wait_for", pixel={"x": 300, "y": 200, "colour": "#ffffff"})).met
    await desk("click", me, x=300, y=200)
    ticket = await desk("attach")
    assert (ticket.writable, ticket.url.startswith("/v1/attach/desktop/")) == (False, True)

    async with service.channel(str(desk.pid), ticket.ticket, None) as channel:
        viewer = Rfb(Cable(channel))  # type: ignore[arg-type]
        viewer._loop = viewer._socket  # type: ignore[assignment]
        await viewer.open()
        await viewer.refresh()
        assert not channel.writable
        await viewer.key(ord("a"), True)  # without control: dropped
        await viewer.key(ord("a"), False)
        await desk.house.invoke("control.acquire", {"pid": desk.pid})
        assert channel.writable
        for name, raw in [("click", {"x": 1, "y": 1}), ("type", {"text": "x"}), ("key", {"keys": ["x"]}),
                          ("move", {"x": 1, "y": 1}), ("drag", {"x": 1, "y": 1, "to_x": 2, "to_y": 2}),
                          ("scroll", {"x": 1, "y": 1, "down": 1}), ("exec", {"argv": ["true"]})]:  # fmt: skip
            with pytest.raises(Forbidden, match=r"user:owner has control of process .* wait until it is handed back"):
                await desk(name, me, **raw)
        assert (await desk("screenshot", me)).width == 1280  # looking is free
        for key in (ord("b"), 0xFF0D):
            await viewer.key(key, True)
            await viewer.key(key, False)
        await until(lambda: desk.read("typed") == "b\n")
        await desk.house.invoke("control.release", {"pid": desk.pid})
        assert not channel.writable
        with pytest.raises(Invalid, match="says nothing of the type 99"):
            await channel.send(b"\x63")
        assert await channel.receive() is None
    await desk("type", me, text="c\n")
    await until(lambda: desk.read("typed") == "b\nc\n")
    with pytest.raises(Unauthenticated):
        async with service.channel(str(desk.pid), ticket.ticket, None):
            pass


async def test_a_desktop_ends_with_its_process_and_outlives_the_daemon(desk: Any) -> None:
    await desk("start", argv=[*XTERM, "sleep", "1000"])
    service = desk.house.kernel.rooms["desktop"]
    again = type(service)(
        desk.house.kernel.store, desk.house.kernel.hub, desk.house.kernel.clock, desk.house.kernel.settings,
        desk.house.kernel.registry, desk.house.kernel.rooms["process"], desk.house.kernel.rooms["control"],
    )  # fmt: skip
    async with again.running():  # as a daemon that starts again has it
        alive = again._living.all[desk.pid]
        with fail_after(5):
            await alive.ready.wait()
        assert (await alive.screen.look()).size == (1280, 800)
        await alive.run(["true"])
    alive = service._living.all[desk.pid]
    await desk.house.invoke("process.kill", {"pid": desk.pid})
    with fail_after(10):
        await alive.ended.wait()
    assert (await desk("info")).running is False


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap (scripts/system-packages)")
async def test_a_graphical_process_opens_its_window_in_its_sandbox(desk: Any) -> None:
    if why := desk.house.kernel.rooms["sandbox"].holding.reasons["bwrap"]:
        pytest.skip(why)
    wish = {"runtime": "command", "argv": ["xterm", "-maximized"], "sandbox": {"tier": "bwrap", "graphical": True}}
    process = await desk.house.invoke("process.spawn", wish)
    seen = await desk("wait_for", pid=process.pid, pixel={"x": 300, "y": 300, "colour": "#ffffff"})
    assert seen.met
    assert (await desk("info", pid=process.pid)).env == {"DISPLAY": ":1", "XAUTHORITY": "/run/aether/d/xauth"}


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap (scripts/system-packages)")
async def test_pausing_a_graphical_agent_freezes_the_agent_and_not_the_desktop_a_person_uses(desk: Any) -> None:
    if why := desk.house.kernel.rooms["sandbox"].holding.reasons["bwrap"]:
        pytest.skip(why)
    argv = ["sh", "-c", "while :; do echo x >>ticks; sleep 0.01; done"]
    wish = {"runtime": "command", "argv": argv, "sandbox": {"tier": "bwrap", "graphical": True}}
    process = await desk.house.invoke("process.spawn", wish)
    pid, home = process.pid, desk.home.parents[1] / process.agent / "home"
    ticks, typed = home / "work" / "ticks", home / "typed"
    await desk("exec", pid=pid, argv=[*XTERM, "sh", "-c", "cat > typed"])
    assert (await desk("wait_for", pid=pid, pixel={"x": 300, "y": 200, "colour": "#ffffff"})).met
    await desk.house.invoke("control.acquire", {"pid": pid})
    await desk.house.invoke("process.pause", {"pid": pid})
    before = ticks.stat().st_size
    await desk("click", pid=pid, x=300, y=200)
    await desk("type", pid=pid, text="while it stands still\n")
    await until(lambda: typed.exists() and typed.read_text() == "while it stands still\n")
    assert ticks.stat().st_size == before
    await desk.house.invoke("process.resume", {"pid": pid})
    await until(lambda: ticks.stat().st_size > before)


class Cable:
    """Stands for a socket and its loop, so that our own client can speak through a byte channel."""

    def __init__(self, channel: Any) -> None:
        self._channel, self._left = channel, b""

    async def sock_recv(self, _: Any, size: int) -> bytes:
        self._left = self._left or await self._channel.receive() or b""
        found, self._left = self._left[:size], self._left[size:]
        return found

    async def sock_recv_into(self, _: Any, view: memoryview) -> int:
        found = await self.sock_recv(None, len(view))
        view[: len(found)] = found
        return len(found)

    async def sock_sendall(self, _: Any, data: bytes) -> None:
        await self._channel.send(data)
