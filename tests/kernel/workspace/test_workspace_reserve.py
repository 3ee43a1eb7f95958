"""Reservations: who is kept off what, by whom, why and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound
from aetherd.kernel.workspace import holding
from tests.kernel.workspace.conftest import Pair, pair_in

pytestmark = pytest.mark.anyio


async def test_the_second_is_refused_with_who_why_and_until_when(pair: Pair) -> None:
    held = await pair("ann", "workspace.reserve", path="src/app.py", reason="rewriting the parser", ttl_s=300)
    with pytest.raises(Conflict) as refusal:
        await pair("bob", "workspace.reserve", path="src/app.py", reason="a typo")
    for word in ("src/app.py", pair.agents["ann"].name, "rewriting the parser", held.expires_at):
        assert word in refusal.value.message
    assert refusal.value.data["agent"] == pair.agents["ann"].id
    assert refusal.value.data["expires_at"] == held.expires_at
    shown = await pair("bob", "workspace.get")
    assert [one.id for one in shown.reservations] == [held.id]


CLASHES = [
    # held (path, tree, mode), wanted (path, tree, mode), refused
    (("f", False, "shared"), ("f", False, "shared"), False),
    (("f", False, "shared"), ("f", False, "exclusive"), True),
    (("f", False, "exclusive"), ("f", False, "shared"), True),
    (("src", True, "exclusive"), ("src/a/b", False, "exclusive"), True),
    (("src/a/b", False, "exclusive"), ("src", True, "exclusive"), True),
    (("src", False, "exclusive"), ("src/a", False, "exclusive"), False),
    (("src", True, "exclusive"), ("srcs", False, "exclusive"), False),
    ((".", True, "exclusive"), ("anything", False, "shared"), True),
    (("src", True, "exclusive"), ("./lib/../src//a", False, "exclusive"), True),
]


@pytest.mark.parametrize(("held", "wanted", "refused"), CLASHES, ids=str)
async def test_two_reservations_go_together_or_not(pair: Pair, held: Any, wanted: Any, refused: bool) -> None:
    def raw(one: tuple[str, bool, str]) -> dict[str, Any]:
        return {"path": one[0], "tree": one[1], "mode": one[2], "reason": "x"}

    await pair("ann", "fs.mkdir", path="lib")
    await pair("ann", "workspace.reserve", **raw(held))
    if refused:
        with pytest.raises(Conflict, match="is reserved"):
            await pair("bob", "workspace.reserve", **raw(wanted))
    else:
        await pair("bob", "workspace.reserve", **raw(wanted))


async def test_of_many_at_once_one_gets_it(pair: Pair) -> None:
    got: list[str] = []

    async def try_it(who: str) -> None:
        try:
            await pair(who, "workspace.reserve", path="f", reason=who)
            got.append(who)
        except Conflict:
            pass

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(try_it, "ann")
            group.start_soon(try_it, "bob")
    assert len(set(got)) == 1
    assert len((await pair(None, "workspace.get")).reservations) == 1


async def test_fs_tools_refuse_to_write_past_it_by_any_way(pair: Pair) -> None:
    await pair("ann", "fs.write", path="src/f", content="ann's")
    await pair("ann", "fs.write", path="mine", content="bob's")
    (pair.path / "way").symlink_to("src")
    (pair.path / "file").symlink_to("src/f")
    await pair("ann", "workspace.reserve", path="src/f", reason="parser")
    for verb, raw in (
        ("write", {"path": "src/f", "content": "no"}),
        ("write", {"path": "way/f", "content": "no"}),
        ("write", {"path": "file", "content": "no"}),
        ("write", {"path": "src/../src/f", "content": "no", "mode": "append"}),
        ("edit", {"path": "src/f", "old": "ann's", "new": "no"}),
        ("move", {"path": "mine", "to": "src/f", "overwrite": True}),
        ("move", {"path": "src", "to": "gone"}),
        ("copy", {"path": "mine", "to": "src/f", "overwrite": True}),
    ):
        with pytest.raises(Conflict, match="parser"):
            await pair("bob", f"fs.{verb}", **raw)
    with pytest.raises(Conflict, match="parser"):  # people are kept off too; they can release it
        await pair(None, "fs.remove", path="src", recursive=True)
    assert (await pair("bob", "fs.read", path="src/f")).text == "ann's"
    await pair("ann", "fs.edit", path="way/f", old="ann's", new="done")
    await pair("ann", "workspace.release", path="src/f")
    await pair("bob", "fs.write", path="src/f", content="bob's turn")


async def test_a_directory_that_does_not_exist_yet_is_kept_too(pair: Pair) -> None:
    await pair("ann", "workspace.reserve", path="new/place", tree=True, reason="soon")
    with pytest.raises(Conflict, match="soon"):
        await pair("bob", "fs.write", path="none/../new/place/x", content="no")
    await pair("ann", "fs.write", path="new/place/x", content="yes")


async def test_who_shares_a_reservation_writes_and_who_does_not_is_refused(pair: Pair) -> None:
    await pair("ann", "workspace.reserve", path="notes", mode="shared", reason="together")
    with pytest.raises(Conflict, match="reserving it shared too"):
        await pair("bob", "fs.write", path="notes", content="b")
    await pair("bob", "workspace.reserve", path="notes", mode="shared", reason="together")
    await pair("bob", "fs.write", path="notes", content="b")
    await pair("ann", "fs.write", path="notes", content="a", mode="append")


async def test_reserving_again_renews_it_and_time_ends_it(pair: Pair) -> None:
    first = await pair("ann", "workspace.reserve", path="f", reason="x", ttl_s=60)
    again = await pair("ann", "workspace.reserve", path="f", reason="still", ttl_s=600)
    assert (again.id, again.reason) == (first.id, "still")
    assert datetime.fromisoformat(again.expires_at) > datetime.fromisoformat(first.expires_at)
    pair.lab.clock.advance(120)
    with pytest.raises(Conflict, match="still"):
        await pair("bob", "fs.write", path="f", content="early")
    pair.lab.clock.advance(600)
    await pair("bob", "fs.write", path="f", content="late")
    told = await pair.lab.event("workspace.released", reservation=first.id)
    assert told["data"]["reason"] == "its time is up"


async def test_it_ends_with_the_process_that_made_it(pair: Pair) -> None:
    process = await pair.lab.spawn("command", argv=["sleep", "1000"], agent=pair.agents["ann"].id)
    held = await pair.lab(
        "workspace.reserve", pair.lab.agent_of(process), workspace=pair.space.id, path="f", reason="x", ttl_s=86_400
    )
    assert held.pid == process.pid
    await pair.lab("process.kill", pid=process.pid)
    assert (await pair(None, "workspace.get")).reservations == []
    assert (await pair.lab.event("workspace.released", reservation=held.id))["agent"] == process.agent


async def test_an_agent_ends_its_own_and_a_person_anybodys(pair: Pair) -> None:
    held = [await pair("ann", "workspace.reserve", path=path, reason="x") for path in ("a", "b", "c")]
    with pytest.raises(Forbidden, match="it is ann"):
        await pair("bob", "workspace.release", reservation=held[0].id)
    with pytest.raises(NotFound, match="you have not reserved a"):
        await pair("bob", "workspace.release", path="a")
    assert (await pair("bob", "workspace.release")).released == []
    assert (await pair(None, "workspace.release", reservation=held[0].id)).released == [held[0].id]
    assert set((await pair("ann", "workspace.release")).released) == {held[1].id, held[2].id}


async def test_an_absolute_path_in_the_workspace_is_the_same_and_another_is_refused(pair: Pair) -> None:
    held = await pair("ann", "workspace.reserve", path=f"{pair.path}/src/f", reason="x")
    assert held.path == "src/f"
    for path in ("/etc/passwd", "../x", "a/../../x"):
        with pytest.raises((Invalid, Forbidden)):
            await pair("ann", "workspace.reserve", path=path, reason="x")


async def test_reservations_are_bounded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "RESERVATIONS", 2)
    for path in ("a", "b"):
        await pair("ann", "workspace.reserve", path=path, reason="x")
    with pytest.raises(Exhausted, match="release some"):
        await pair("ann", "workspace.reserve", path="c", reason="x")
    for raw in ({"ttl_s": 0}, {"ttl_s": 1e9}, {"reason": ""}, {"path": ""}, {"mode": "mine"}):
        with pytest.raises(Invalid):
            await pair("ann", "workspace.reserve", **{"path": "d", "reason": "x"} | raw)


async def test_reservations_outlive_the_daemon(estate: Any) -> None:
    async with estate.open() as lab:
        pair = await pair_in(lab, "lasting")
        held = await pair("ann", "workspace.reserve", path="f", reason="x")
    async with estate.open() as lab:
        pair.lab = lab
        with pytest.raises(Conflict, match="is reserved"):
            await pair("bob", "fs.write", path="f", content="no")
        assert [one.id for one in (await pair("ann", "workspace.get")).reservations] == [held.id]
