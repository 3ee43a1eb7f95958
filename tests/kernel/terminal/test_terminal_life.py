"""Terminals are opened, listed, found again and closed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import fail_after

from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound
from aetherd.kernel.terminal import service as service_module
from aetherd.kernel.terminal.keyboard import Keyboard

pytestmark = pytest.mark.anyio


async def ended(terms: Any, key: str) -> Any:
    """Wait until a terminal has ended and return it."""
    with fail_after(10):
        alive = terms.service._living.all.get(key)
        if alive is not None:
            await alive.ended.wait()
    return (await terms("list", ended=True)).terminals[0]


async def test_a_terminal_opens_in_the_home_and_tells_its_end(terms: Any) -> None:
    key = await terms.shell("pwd; exit 3")
    terminal = await ended(terms, key)
    assert (terminal.terminal, terminal.alive, terminal.exit_code, terminal.main) == (key, False, 3, False)
    screen = await terms("read", terminal=key)
    assert screen.lines == [str(terms.processes.places[7].home)]
    assert not screen.alive
    types = [(event.type, event.pid, event.agent) for event in terms.seen]
    assert types == [("terminal.opened", 7, "ann"), ("terminal.closed", 7, "ann")]
    with pytest.raises(Conflict, match="ended"):
        await terms("send", terminal=key, text="x")


async def test_a_login_shell_answers_what_is_typed(terms: Any) -> None:
    key = (await terms("open", pid=7, rows=24, cols=100)).terminal
    assert (await terms("send", terminal=key, text="echo $((40+2)) && stty size", keys=["Enter"])).bytes == 28
    with fail_after(10):
        while True:
            screen = await terms("read", terminal=key)
            if any(line == "24 100" for line in screen.lines):
                break
    assert "42" in screen.lines
    assert screen.alive
    await terms("resize", terminal=key, rows=40, cols=120)
    assert (await terms("list")).terminals[0].rows == 40
    assert (await terms("read", terminal=key)).cols == 120


async def test_closing_kills_what_was_forked_twice(terms: Any) -> None:
    mark = terms.processes.root / "pids"
    script = f"for i in 1 2 3; do (setsid sh -c 'echo $$ >> {mark}; exec sleep 1000' &) ; done; exec sleep 1000"
    key = await terms.shell(script)
    with fail_after(10):
        while not mark.exists() or len(mark.read_text().splitlines()) < 3:
            await anyio.lowlevel.checkpoint()
    closed = await terms("close", terminal=key)
    assert (closed.alive, closed.exit_code) == (False, 137)
    for pid in mark.read_text().split():
        assert not Path(f"/proc/{pid}").exists() or "(sleep) Z" in Path(f"/proc/{pid}/stat").read_text()
    assert not (await terms("close", terminal=key)).alive


async def test_a_terminal_that_ends_leaves_nothing_running(terms: Any) -> None:
    mark = terms.processes.root / "pid"
    key = await terms.shell(f"(setsid sh -c 'echo $$ > {mark}.new; mv {mark}.new {mark}; exec sleep 1000' &); "
                            f"while [ ! -e {mark} ]; do :; done")  # fmt: skip
    await ended(terms, key)
    pid = mark.read_text().strip()
    assert not Path(f"/proc/{pid}").exists() or "(sleep) Z" in Path(f"/proc/{pid}/stat").read_text()


async def test_a_restarted_room_finds_living_and_dead_terminals(stopped: Any) -> None:
    directory_of = stopped.processes.terminal_dir
    async with stopped.service.running():
        living = await stopped.shell("echo before; exec cat")
        dying = await stopped.shell("read line; exit 5")
        lost = await stopped.shell("exec sleep 1000")
    keyboard = Keyboard(directory_of(dying))
    await keyboard.type(b"\r")
    await keyboard.aclose()
    shim = json.loads((directory_of(lost) / "shim.json").read_text())
    os.kill(shim["shim_pid"], signal.SIGKILL)
    with fail_after(10):
        while Path(f"/proc/{shim['os_pid']}").exists() or not (directory_of(dying) / "exit.json").exists():
            await anyio.lowlevel.checkpoint()
    again = stopped.again()
    async with again.service.running():
        found = {t.terminal: t for t in (await again("list", ended=True)).terminals}
        assert found[living].alive
        assert (found[dying].alive, found[dying].exit_code) == (False, 5)
        assert (found[lost].alive, found[lost].exit_code) == (False, None)
        await again("send", terminal=living, text="after\r")
        with fail_after(10):
            while (await again("read", terminal=living)).lines != ["before", "after", "after"]:
                pass
    closed = [event.event for event in stopped.seen if event.type == "terminal.closed"]
    assert {(event.terminal, event.exit_code) for event in closed} == {(dying, 5), (lost, None)}


async def test_what_cannot_start_leaves_no_terminal(terms: Any) -> None:
    with pytest.raises(Invalid, match="cannot run"):
        await terms("open", pid=7, argv=["/no/such/program"])
    assert (await terms("list", ended=True)).terminals == []
    for raw, what in (
        ({"argv": []}, "argv"), ({"argv": ["a\0"]}, "argv"), ({"cwd": "../x"}, "cwd"), ({"cwd": "/etc"}, "cwd"),
    ):  # fmt: skip
        with pytest.raises(Invalid, match=what):
            await terms("open", pid=7, **raw)
    with pytest.raises(NotFound):
        await terms("open", pid=99)
    with pytest.raises(Invalid, match="pid"):
        await terms("open")
    terms.processes.places[7].alive = False
    with pytest.raises(Conflict, match="ended"):
        await terms("open", pid=7)


async def test_terminals_beside_one_process_are_bounded(terms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "PER_PROCESS", 1)
    await terms.shell("exec cat")
    with pytest.raises(Exhausted, match="close one"):
        await terms.shell("exec cat")


async def test_a_list_is_paged_and_shows_only_what_one_owns(terms: Any) -> None:
    keys = [await terms.shell("exec cat") for _ in range(3)]
    page = await terms("list", limit=2)
    assert [t.terminal for t in page.terminals] == [keys[2], keys[1]]
    rest = await terms("list", limit=2, cursor=page.cursor)
    assert ([t.terminal for t in rest.terminals], rest.cursor) == ([keys[0]], None)
    assert (await terms("list", terms.as_agent("bob", 8))).terminals == []
    assert len((await terms("list", terms.as_agent())).terminals) == 3
    assert (await terms("list", terms.as_owner(user="stranger"))).terminals == []


async def test_agents_have_terminals_beside_their_own_process_only(terms: Any) -> None:
    key = (await terms("open", terms.as_agent(), argv=["/bin/cat"])).terminal
    await terms("send", terms.as_agent(), terminal=key, text="hi\r")
    for verb, raw in (("send", {"text": "x"}), ("read", {}), ("attach", {}), ("close", {})):
        with pytest.raises(Forbidden, match="somebody else"):
            await terms(verb, terms.as_agent("bob", 8), terminal=key, **raw)
    with pytest.raises(Forbidden):
        await terms("open", terms.as_agent("bob", 8), pid=7)
    terms.processes.places[8].parent = "ann"
    with pytest.raises(Forbidden, match="own process"):
        await terms("open", terms.as_agent(), pid=8)
    with pytest.raises(Forbidden, match="own process"):
        await terms("send", terms.as_agent(pid=9), terminal=key, text="x")
    terms.processes.places[7].controlled = True
    with pytest.raises(Forbidden, match="a person has control"):
        await terms("send", terms.as_agent(), terminal=key, text="x")
    await terms("send", terminal=key, text="x")
    with pytest.raises(NotFound):
        await terms("read", terminal="term_none")


async def test_an_agent_with_an_open_terminal_is_not_removed(terms: Any) -> None:
    async def gate(agent: str) -> None:
        await terms.service._store.read(lambda session: terms.service.offers()["agent.removal_gates"](session, agent))

    key = await terms.shell("exec cat")
    with pytest.raises(Conflict, match="close it first"):
        await gate("ann")
    await gate("bob")
    await terms("close", terminal=key)
    await gate("ann")


async def test_a_process_screen_is_a_terminal_named_by_its_pid(terms: Any) -> None:
    with pytest.raises(Conflict, match="no screen of its own"):
        await terms("read", terminal="7")
    for number, word in enumerate(("first", "second")):
        directory = terms.processes.terminal_dir(f"p{number}")
        await terms.processes.start_beside(
            7,
            directory,
            ["/bin/sh", "-c", f"echo {word}; exec cat"],
            cwd=Path("/"),
            rows=20,
            cols=60,
            name=f"p{number}",
        )
        terms.processes.places[7].stdio, terms.processes.places[7].directory = "pty", directory
        with fail_after(10):
            while (await terms("read", terminal="7")).lines != [word]:
                pass
    main = (await terms("list", pid=7)).terminals[0]
    assert (main.terminal, main.main, main.rows, main.cols, main.alive) == ("7", True, 20, 60, True)
    terms.processes.holder = "user:ada"
    with pytest.raises(Forbidden, match="user:ada has control"):
        await terms("send", terminal="7", text="x")
    ticket = await terms("attach", terminal="7")
    assert (ticket.writable, ticket.reason) == (False, "user:ada has control of process 7")
    with pytest.raises(Conflict, match=r"process\.kill"):
        await terms("close", terminal="7")
