"""What changed, who did it, and how a write past a reservation comes to light."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.errors import Invalid
from aetherd.kernel.workspace import record, sight
from fakes import Estate
from tests.kernel.workspace.conftest import Pair, pair_in

pytestmark = pytest.mark.anyio


async def told(pair: Pair, who: str) -> list[str]:
    """Return the texts of an agent's messages."""
    return [one.text for one in (await pair.lab("message.inbox", pair.call(who))).messages]


async def test_changes_say_who_made_them(pair: Pair) -> None:
    await pair("ann", "fs.write", path="by-fs", content="1")
    await pair.sh("bob", f"echo 2 > {pair.path}/by-shell")
    await pair(None, "workspace.get")  # which looks: changes stand in the order in which they were found
    await pair(None, "fs.write", path="by-hand", content="3")
    await pair(None, "fs.remove", path="by-fs")
    page = await pair("ann", "workspace.changes")
    assert [(one.path, one.kind, one.by, one.via) for one in page.changes] == [
        ("by-fs", "created", pair.agents["ann"].name, "fs"),
        ("by-shell", "created", pair.agents["bob"].name, "seen"),
        ("by-hand", "created", "owner", "fs"),
        ("by-fs", "removed", "owner", "fs"),
    ]
    assert (page.more, page.complete) == (False, True)
    assert (await pair("ann", "workspace.changes", cursor=page.cursor)).changes == []
    await pair("bob", "fs.write", path="later", content="4")
    later = await pair("ann", "workspace.changes", cursor=page.cursor)
    assert [one.path for one in later.changes] == ["later"]
    assert [one.path for one in (await pair("ann", "workspace.changes", agent=pair.agents["bob"].id)).changes] == [
        "by-shell",
        "later",
    ]
    since = later.changes[0].at
    assert [one.path for one in (await pair("ann", "workspace.changes", since=since)).changes] == ["later"]
    with pytest.raises(Invalid, match="not a cursor"):
        await pair("ann", "workspace.changes", cursor="x")


async def test_pages_of_changes_follow_one_another(pair: Pair) -> None:
    start = (await pair("ann", "workspace.changes")).cursor
    for number in range(5):
        await pair("ann", "fs.write", path=f"f{number}", content="x")
    seen: list[str] = []
    page: Any = None
    while page is None or page.more:
        page = await pair("ann", "workspace.changes", cursor=page.cursor if page else start, limit=2)
        seen += [one.path for one in page.changes]
    assert seen == [f"f{number}" for number in range(5)]
    newest = await pair("ann", "workspace.changes", limit=2)
    assert [one.path for one in newest.changes] == ["f3", "f4"]


async def test_a_write_past_a_reservation_is_reported_to_both_and_to_the_person(pair: Pair) -> None:
    held = await pair("ann", "workspace.reserve", path="src", tree=True, reason="rewriting")
    await pair.sh("bob", f"mkdir {pair.path}/src && echo mine > {pair.path}/src/f")
    event = await pair.lab.event("workspace.conflict_detected", reservation=held.id)
    ann, bob = pair.agents["ann"], pair.agents["bob"]
    assert event["agent"] == ann.id
    assert event["data"] | {"changed_at": ""} == {
        "workspace": pair.space.id,
        "name": pair.space.name,
        "reservation": held.id,
        "path": "src/f",
        "kind": "created",
        "holder": ann.name,
        "by": bob.name,
        "by_agent": bob.id,
        "maybe": [],
        "changed_at": "",
    }
    [conflict] = (await pair(None, "workspace.get")).conflicts
    assert (conflict.path, conflict.holder, conflict.by, conflict.reason) == ("src/f", ann.name, bob.name, "rewriting")
    await pair.lab.event("message.sent", to=bob.id)
    [to_ann], [to_bob] = await told(pair, "ann"), await told(pair, "bob")
    assert f"{bob.name} created src/f in workspace {pair.space.name}" in to_ann
    assert "past your reservation (rewriting)" in to_ann
    assert f"which {ann.name} has reserved (rewriting)" in to_bob
    await pair.sh("bob", f"echo again > {pair.path}/src/f")
    found = await pair(None, "workspace.get")
    assert (len(found.conflicts), len(await told(pair, "ann"))) == (1, 1), "the same again is counted, not told"
    assert found.conflicts[0].count >= 2


async def test_what_does_not_change_the_owner_is_told_by_who_was_at_work(pair: Pair) -> None:
    await pair("ann", "fs.write", path="f", content="ann's\n")
    await pair.lab.ready(await pair.lab.spawn(agent=pair.agents["ann"].id))  # there, but using no tool
    held = await pair("ann", "workspace.reserve", path="f", reason="mine")
    await pair.sh("bob", f"echo more >> {pair.path}/f")
    event = await pair.lab.event("workspace.conflict_detected", reservation=held.id)
    assert (event["data"]["kind"], event["data"]["by_agent"]) == ("modified", pair.agents["bob"].id)


async def test_the_holders_own_programs_and_those_who_share_are_no_conflict(pair: Pair) -> None:
    await pair("ann", "workspace.reserve", path="mine", reason="x")
    for who in ("ann", "bob"):
        await pair(who, "workspace.reserve", path="ours", mode="shared", reason="x")
    await pair.sh("ann", f"cd {pair.path}; echo 1 > mine; echo 2 > ours; echo 3 >> mine")
    await pair.sh("bob", f"cd {pair.path}; echo 4 > theirs; rm -f ours; echo 5 > ours")
    assert (await pair(None, "workspace.get")).conflicts == []
    changes = (await pair(None, "workspace.changes")).changes
    assert {(one.path, one.by) for one in changes} >= {
        ("mine", pair.agents["ann"].name),
        ("theirs", pair.agents["bob"].name),
    }


async def test_a_write_before_the_reservation_is_no_conflict(pair: Pair) -> None:
    await pair.sh("bob", f"echo early > {pair.path}/f")
    await pair("ann", "workspace.reserve", path="f", reason="x")
    assert (await pair(None, "workspace.get")).conflicts == []


async def test_what_happened_while_aetherd_was_down_is_found(estate: Estate) -> None:
    async with estate.open() as lab:
        pair = await pair_in(lab, "down")
        await pair("ann", "fs.write", path="old", content="x")
        await pair.sh("bob", "true")
    (pair.path / "new").write_text("written meanwhile")
    async with estate.open() as lab:
        pair.lab = lab
        changes = (await pair(None, "workspace.changes")).changes
        assert [(one.path, one.by) for one in changes] == [("old", pair.agents["ann"].name), ("new", None)]


async def test_tools_own_churn_and_links_out_are_left_alone(pair: Pair) -> None:
    outside = pair.lab.home / "outside"
    outside.write_text("x")
    outside.chmod(0o600)
    await pair.sh("ann", f"cd {pair.path}; mkdir .git; echo x > .git/index; ln -s {outside} link; mkfifo pipe")
    page = await pair(None, "workspace.changes")
    assert {one.path for one in page.changes} == {"link", "pipe"}
    assert outside.stat().st_mode & 0o777 == 0o600


async def test_a_workspace_with_too_many_files_says_so(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight, "ENTRIES", 5)
    monkeypatch.setattr(record, "CHANGES", 3)
    await pair.sh("ann", f"cd {pair.path}; for n in 1 2 3 4 5 6 7 8; do echo x > f$n; done")
    page = await pair(None, "workspace.changes")
    assert (page.complete, len(page.changes)) == (False, 3)
