"""Who may say what an agent reaches; what is kept of what it tried."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Forbidden, NotFound, PendingApproval
from aetherd.kernel.network import book as book_module
from aetherd.kernel.network.book import Tried
from aetherd.kernel.network.rules import policy
from aetherd.operations.doors import Doorway
from fakes import Lab

pytestmark = pytest.mark.anyio


async def agent(lab: Lab, network: str | None = None, **more: Any) -> Any:
    """Start an agent that does nothing."""
    raw = {} if network is None else {"sandbox": {"tier": "bwrap", "network": network}}
    return await lab.spawn("command", argv=["sleep", "1000"], **raw, **more)


async def reach(lab: Lab, ref: str) -> tuple[str, list[str]]:
    found = await lab("network.policy", agent=ref)
    return found.mode, found.rules


async def test_an_agent_narrows_itself_and_nobody_widens_but_a_person(lab: Lab) -> None:
    own, other = await agent(lab), await agent(lab)
    call = lab.agent_of(own)
    assert await reach(lab, own.agent) == ("all", [])
    await lab("network.set_policy", call, mode="rules", rules=["*.pypi.org", "GET http://a.test/x*"])
    for mode, rules in (
        ("all", []),
        ("rules", ["pypi.org"]),
        ("rules", ["*.org"]),
        ("rules", ["a.test"]),
        ("rules", ["GET http://a.test/*"]),
        ("rules", ["127.0.0.1:8000"]),
        ("none", []),
    ):
        if mode == "none":
            await lab("network.set_policy", call, mode=mode, rules=rules)
            continue
        with pytest.raises(Forbidden, match="no more network than it has"):
            await lab("network.set_policy", call, mode=mode, rules=rules)
    with pytest.raises(Forbidden):
        await lab("network.set_policy", call, mode="rules", rules=["files.pypi.org"])
    with pytest.raises((Forbidden, NotFound, PendingApproval)):
        await lab("network.set_policy", call, agent=other.agent, mode="none")
    assert await reach(lab, own.agent) == ("none", [])
    await lab("network.set_policy", agent=own.agent, mode="rules", rules=["127.0.0.1:8000"])
    assert await reach(lab, own.agent) == ("rules", ["127.0.0.1:8000"])
    with pytest.raises(Forbidden):  # nor does a network with public ends hold what lies inside
        await lab("network.set_policy", lab.agent_of(other), mode="all", rules=["8.0.0.0/6"])


async def test_a_helper_has_no_more_network_than_who_starts_it(lab: Lab) -> None:
    own, wide = await agent(lab), await agent(lab, name="wide")
    await lab("network.set_policy", agent=own.agent, mode="rules", rules=["a.test"])
    call = lab.agent_of(own)
    helper = await lab("process.spawn", call, runtime="command", argv=["sleep", "1000"])
    assert await reach(lab, helper.agent) == ("rules", ["a.test"])
    for network in ("all", "b.test", "*.a.test", "127.0.0.1:80"):
        wish = {"tier": "bwrap", "network": network}
        with pytest.raises(Forbidden):
            await lab("process.spawn", call, runtime="command", argv=["sleep", "1000"], sandbox=wish)
    await lab("network.set_policy", agent=wide.agent, mode="all")
    await lab("process.kill", pid=wide.pid)
    with pytest.raises((Forbidden, NotFound)):
        await lab("process.spawn", call, runtime="command", argv=["sleep", "1000"], agent="wide")
    assert await reach(lab, wide.agent) == ("all", [])


async def test_what_is_kept_is_bounded_and_one_flood_does_not_push_out_anothers_pages(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "KEPT_OF_ONE", 50)
    loud, quiet = await agent(lab), await agent(lab)
    own = lab.running.kernel.rooms["network"]._book
    for number in range(2_100):
        who = quiet if number == 0 else loud
        host = f"h{number}.test"
        own.note(
            Tried(who.pid, who.agent, "owner", "home", False, "CONNECT", host, 443, None, None, "no", f"{host}:443")
        )
    kept = (await lab("network.log", agent=loud.agent, limit=100)).requests
    assert [one.host for one in kept] == [f"h{number}.test" for number in range(2_099, 2_049, -1)]
    assert [one.host for one in (await lab("network.log", agent=quiet.agent)).requests] == ["h0.test"]
    await lab.event("network.refused", host=f"h{book_module.TOLD}.test")
    told = [event["agent"] for event in lab.events if event["type"] == "network.refused"]
    assert (told.count(loud.agent), told.count(quiet.agent)) == (book_module.TOLD, 1)
    assert own.lost == 0


async def test_a_crowd_at_the_proxy_waits_its_turn_and_leaves_the_house_in_peace(lab: Lab) -> None:
    made = await agent(lab)
    network = lab.running.kernel.rooms["network"]
    folder = lab.home / "crowd"
    folder.mkdir()
    doors = lab.running.house.doors
    await doors.close(made.pid)
    await doors.open(Doorway(made.pid, folder / "s", None))
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(600)]
    try:
        taken = 0
        for sock in crowd:
            sock.setblocking(False)
            try:
                sock.connect(str(folder / "x"))
                taken += 1
            except BlockingIOError:  # the kernel's queue is full as well
                break
            if taken % 100 == 0:
                await anyio.sleep(0)
        assert 100 < taken < 600
        assert (await lab("process.get", pid=made.pid)).pid == made.pid
    finally:
        for sock in crowd:
            sock.close()
    network._known[made.agent] = policy("none", [])
    with anyio.fail_after(20):
        reader, writer = await _opened(str(folder / "x"))
        writer.write(b"CONNECT a.test:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 403 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def _opened(path: str) -> Any:
    while True:
        try:
            return await asyncio.open_unix_connection(path)
        except BlockingIOError:
            await anyio.sleep(0.01)
