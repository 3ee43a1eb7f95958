"""Memory changed, shared and merged: by its author or a person alone, and nothing of where it came from is lost."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from aetherd.events.log import EventRow
from tests.kernel.memory.conftest import Lab

pytestmark = pytest.mark.anyio


async def events(lab: Lab, kind: str) -> list[str]:
    rows = await lab.kernel.store.read(lambda s: list(s.exec(select(EventRow).where(EventRow.type == kind))))
    return [row.body for row in rows]


async def sound(lab: Lab) -> None:
    """The index says what the table says."""
    check = "INSERT INTO memory_fts(memory_fts, rank) VALUES ('integrity-check', 1)"
    await lab.kernel.store.write(lambda tx: tx.execute(check).rowcount)


async def test_an_update_changes_what_is_found_and_leaves_the_rest(lab: Lab) -> None:
    old = await lab.remember("the port is 5432", lab.a, tags=["db"], importance=0.9)
    new = await lab.invoke("memory.update", {"id": old.id, "content": "the socket is /run/pg", "tags": ["Pg"]}, lab.a)
    assert (new.tags, new.importance, new.layer, new.created_at) == (["pg"], 0.9, "semantic", old.created_at)
    assert new.updated_at > old.created_at
    assert (await lab.recall("port"), await lab.recall("db")) == ([], [])
    assert await lab.recall("socket") == await lab.recall("pg") == ["the socket is /run/pg"]
    await lab.invoke("memory.update", {"id": old.id, "layer": "procedural", "importance": 0}, lab.person)
    assert [m.importance for m in (await lab.invoke("memory.list", {"layer": "procedural"})).memories] == [0]
    await lab.invoke("memory.update", {"id": old.id, "importance": 0}, lab.person)  # as it is: no news
    assert ['"fields":["content","tags"]' in body for body in await events(lab, "memory.updated")] == [True, False]
    await sound(lab)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"content": ""},
        {"content": "x" * (1 << 20)},
        {"layer": "fantasy"},
        {"importance": -1},
        {"tags": ["x"] * 21},
        {"namespace": "global"},
    ],
)
async def test_an_update_that_makes_no_sense_is_invalid_and_changes_nothing(lab: Lab, raw: dict[str, Any]) -> None:
    kept = await lab.remember("as it is", lab.a)
    with pytest.raises(Invalid):
        await lab.invoke("memory.update", {"id": kept.id, **raw}, lab.a)
    assert (await lab.invoke("memory.get", {"id": kept.id})).updated_at is None


async def test_only_the_author_or_a_person_changes_or_shares_and_unknown_ids_are_told(lab: Lab) -> None:
    shared, note = await lab.remember("everybody's", lab.a), await lab.remember("mine", lab.a, namespace="agent")
    attempts = (
        ("memory.update", {"content": "mine now"}),
        ("memory.share", {"namespace": "global"}),
        ("memory.share", {"to": "bob"}),
        ("memory.forget", {}),
    )
    for name, raw in attempts:
        for memory in (shared, note):
            with pytest.raises(Forbidden):
                await lab.invoke(name, {"id": memory.id, **raw}, lab.b)
        with pytest.raises(NotFound, match="no memory nothing"):
            await lab.invoke(name, {"id": "nothing", **raw}, lab.b)
    assert (await lab.invoke("memory.get", {"id": note.id}, lab.a)).content == "mine"


async def test_a_private_note_becomes_everybodys_and_stays_its_authors(lab: Lab) -> None:
    note = await lab.remember("the vault opens at noon", lab.a, namespace="agent")
    assert await lab.recall("vault", lab.b) == []
    shared = await lab.invoke("memory.share", {"id": note.id, "namespace": "global"}, lab.a)
    assert (shared.id, shared.namespace, shared.agent, shared.created_at) == (
        note.id,
        "global",
        lab.a.agent,
        note.created_at,
    )
    assert await lab.recall("vault", lab.b) == ["the vault opens at noon"]
    with pytest.raises(Conflict, match="global already"):
        await lab.invoke("memory.share", {"id": note.id, "namespace": "team"}, lab.a)
    (told,) = await events(lab, "memory.shared")
    assert '"from_namespace":"agent"' in told
    await sound(lab)


async def test_one_agent_is_given_a_copy_of_its_own(lab: Lab) -> None:
    note = await lab.remember("the vault opens at noon", lab.a, namespace="agent", tags=["vault"], importance=0.7)
    given = await lab.invoke("memory.share", {"id": note.id, "to": "bob"}, lab.a)
    assert (given.namespace, given.agent, given.tags, given.importance) == ("agent", lab.b.agent, ["vault"], 0.7)
    copy = await lab.invoke("memory.get", {"id": given.id}, lab.b)
    assert (copy.origin, copy.content) == (note.id, "the vault opens at noon")
    await lab.invoke("memory.update", {"id": given.id, "content": "the vault opens at one"}, lab.b)
    assert await lab.recall("vault", lab.a) == ["the vault opens at noon"]
    with pytest.raises(Forbidden):  # where it came from stays its author's
        await lab.invoke("memory.get", {"id": note.id}, lab.b)
    with pytest.raises(NotFound, match="nobody"):
        await lab.invoke("memory.share", {"id": note.id, "to": "nobody"}, lab.a)
    for raw in ({}, {"to": "bob", "namespace": "global"}, {"namespace": "agent"}, {"namespace": "workspace"}):
        with pytest.raises(Invalid):
            await lab.invoke("memory.share", {"id": note.id, **raw}, lab.a)


async def test_a_team_is_who_descends_from_one_lead(lab: Lab) -> None:
    child = await lab.agent("child", lab.a)
    grandchild = await lab.agent("grandchild", child)
    stored = await lab.remember("we ship on thursdays", grandchild, namespace="team")
    assert stored.namespace == "team"
    for member in (lab.a, child, grandchild, lab.person):
        assert await lab.recall("ship", member) == ["we ship on thursdays"]
        assert await lab.recall("ship", member, namespace="team") == ["we ship on thursdays"]
        assert (await lab.invoke("memory.get", {"id": stored.id}, member)).id == stored.id
    assert await lab.recall("ship", lab.b) == []
    assert (await lab.invoke("memory.list", {}, lab.b)).memories == []
    with pytest.raises(Forbidden):
        await lab.invoke("memory.get", {"id": stored.id}, lab.b)
    told = await lab.remember("the budget is spent", agent="child", namespace="team")
    assert told.agent is None  # a person's
    assert await lab.recall("budget", grandchild) == ["the budget is spent"]
    note = await lab.remember("tests are slow", child, namespace="agent")
    await lab.invoke("memory.share", {"id": note.id, "namespace": "team"})  # a person may, too
    assert await lab.recall("slow", lab.a) == ["tests are slow"]


ALIKE = (
    "The staging database password rotates every Monday morning.",
    "The staging database password still rotates every Monday morning.",
    "the staging database password rotates every monday morning",
)


async def test_near_duplicates_become_the_newest_of_them_and_stay_readable(lab: Lab) -> None:
    old = [
        await lab.remember(text, lab.a, namespace="agent", tags=[f"t{n}"], importance=n / 10)
        for n, text in enumerate(ALIKE)
    ]
    await lab.remember("bananas are yellow", lab.a, namespace="agent")
    dry = await lab.invoke("memory.consolidate", {"dry_run": True}, lab.a)
    (wanted,) = dry.merged
    assert (wanted.id, wanted.sources, dry.looked_at, dry.done) == (old[2].id, [old[1].id, old[0].id], 4, False)
    assert len(await lab.recall("staging password", lab.a)) == 3  # it only said so
    done = await lab.invoke("memory.consolidate", {}, lab.a)
    assert done.merged == dry.merged
    assert await lab.recall("staging password", lab.a) == [ALIKE[2]]
    kept = await lab.invoke("memory.get", {"id": old[2].id}, lab.a)
    assert (sorted(kept.tags), kept.importance, kept.sources) == (["t0", "t1", "t2"], 0.2, [old[1].id, old[0].id])
    source = await lab.invoke("memory.get", {"id": old[0].id}, lab.a)
    assert (source.content, source.merged_into, source.tags) == (ALIKE[0], kept.id, ["t0"])
    with pytest.raises(Conflict, match=f"merged into {kept.id}"):
        await lab.invoke("memory.update", {"id": old[0].id, "content": "x"}, lab.a)
    assert (await lab.invoke("memory.consolidate", {}, lab.a)).merged == []
    for stranger in (kept.id, old[0].id):
        with pytest.raises(Forbidden):
            await lab.invoke("memory.get", {"id": stranger}, lab.b)
    await sound(lab)
    await lab.invoke("memory.forget", {"id": kept.id}, lab.a)  # and all that is in it
    for gone in old:
        with pytest.raises(NotFound):
            await lab.invoke("memory.get", {"id": gone.id}, lab.a)


async def test_what_differs_in_a_number_or_a_negation_or_its_place_is_never_merged(lab: Lab) -> None:
    for text in (
        "deploy the shop with make release on host 1",
        "deploy the shop with make release on host 2",
        "do deploy the shop with make release on friday evening",
        "do not deploy the shop with make release on friday evening",
    ):
        await lab.remember(text, lab.a, namespace="agent")
    await lab.remember("apples grow on old trees", lab.a, namespace="agent")
    await lab.remember("apples grow on old trees", lab.a, namespace="agent", layer="social")
    await lab.remember("pears hang from low branches", lab.a, namespace="agent")
    await lab.remember("pears hang from low branches", lab.b, namespace="agent")
    for call in (lab.a, lab.b, lab.person):
        for raw in ({"namespace": "agent", "similarity": 0.5}, {"namespace": "global"}, {"namespace": "team"}):
            assert (await lab.invoke("memory.consolidate", raw, call)).merged == []


async def test_an_agent_merges_only_its_own_and_a_person_all_of_theirs(lab: Lab) -> None:
    for call in (lab.a, lab.b):
        await lab.remember(ALIKE[0], call)
    for call in (lab.a, lab.b):
        assert (await lab.invoke("memory.consolidate", {"namespace": "global"}, call)).merged == []
    with pytest.raises(Forbidden, match="only its author"):
        await lab.invoke("memory.consolidate", {"agent": "ada"}, lab.b)
    assert (await lab.invoke("memory.consolidate", {"agent": "ada", "namespace": "global"})).merged == []
    (merged,) = (await lab.invoke("memory.consolidate", {})).merged
    assert (await lab.invoke("memory.get", {"id": merged.id})).agent == lab.b.agent


async def test_a_look_is_bounded_and_goes_on_where_it_ended(lab: Lab) -> None:
    for n in range(4):
        await lab.remember(f"the {'abcd'[n]} service logs to its own journal file", lab.a)
        await lab.remember(f"the {'abcd'[n]} service logs to its own journal file", lab.a)
    cursor, merged, looks = None, 0, 0
    while looks == 0 or cursor is not None:
        raw = {"namespace": "global", "limit": 3, "cursor": cursor, "similarity": 1}
        page = await lab.invoke("memory.consolidate", raw, lab.a)
        cursor, merged, looks = page.cursor, merged + len(page.merged), looks + 1
    assert (merged, looks) == (4, 3)
    assert len((await lab.invoke("memory.list", {}, lab.a)).memories) == 4
    for raw in ({"similarity": 0.1}, {"limit": 5000}, {"cursor": "x"}, {"namespace": "x"}):
        with pytest.raises(Invalid):
            await lab.invoke("memory.consolidate", raw, lab.a)
