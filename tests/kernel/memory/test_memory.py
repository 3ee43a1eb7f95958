"""Memory: what one agent stores another recalls, private notes stay private, and no text breaks a query."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlmodel import select

from aetherd.core.errors import Forbidden, Invalid, NotFound, Unavailable
from aetherd.events.log import EventRow
from aetherd.kernel.memory import search as search_module
from aetherd.kernel.memory.models import Recall, Remember
from aetherd.operations.operation import Call
from tests.kernel.memory.conftest import Lab

pytestmark = pytest.mark.anyio

AWKWARD = [
    '"',
    "''",
    "AND",
    "OR OR",
    "NOT x",
    "NEAR(a b, 2)",
    "content:x",
    "{content tags} : x",
    "-",
    "a-b",
    "*",
    "a*",
    "^x",
    "(",
    ")",
    "a + b",
    "🔥",
    "\x00",
    "x\x00y",
    "日本語",
    "é",
    "e\u0301",
    "हिन्दी",
    "a\u200db",
    "'; DROP TABLE memory; --",
    "%",
    "_",
    "\\",
    "x" * 10_000,
    "word " * 2_000,
    '"' * 5_000,
]


async def test_what_one_agent_remembers_a_second_recalls_with_the_plainest_calls(lab: Lab) -> None:
    stored = await lab.remember("The staging password rotates every Monday.", lab.a)
    found = await lab.invoke("memory.recall", {"query": "when does the password rotate?"}, lab.b)
    (memory,) = found.memories
    assert memory.id == stored.id
    assert memory.content == "The staging password rotates every Monday."
    assert (memory.agent, memory.namespace, memory.layer) == (lab.a.agent, "global", "semantic")
    assert 0 < memory.score <= 1


async def test_a_private_note_is_for_its_agent_and_for_people(lab: Lab) -> None:
    note = await lab.remember("my private plan", lab.a, namespace="agent")
    assert await lab.recall("plan", lab.a) == ["my private plan"]
    assert await lab.recall("plan", lab.person) == ["my private plan"]
    assert await lab.recall("plan", lab.b) == []
    assert await lab.recall("plan", lab.b, namespace="agent") == []
    assert await lab.recall("plan", lab.b, agent="ada") == []
    assert (await lab.invoke("memory.list", {"agent": "ada"}, lab.b)).memories == []
    with pytest.raises(Forbidden):
        await lab.invoke("memory.get", {"id": note.id}, lab.b)
    assert (await lab.invoke("memory.get", {"id": note.id}, lab.a)).content == "my private plan"


async def test_a_person_can_leave_a_private_note_for_an_agent(lab: Lab) -> None:
    note = await lab.remember("your budget is ten dollars", agent="ada")
    assert (note.namespace, note.agent) == ("agent", lab.a.agent)
    assert await lab.recall("budget", lab.a) == ["your budget is ten dollars"]
    assert await lab.recall("budget", lab.b) == []


async def test_an_agent_leaves_notes_for_its_children_only(lab: Lab) -> None:
    child = await lab.agent("child", lab.a)
    await lab.remember("brush your teeth", lab.a, agent="child")
    assert await lab.recall("teeth", child) == ["brush your teeth"]
    with pytest.raises(Forbidden):
        await lab.remember("x", lab.b, agent="child")


async def test_another_user_finds_nothing_of_it(lab: Lab) -> None:
    note = await lab.remember("shared among mine", lab.a)
    stranger = Call("c", "user:stranger", frozenset("*"), "http", user="stranger")
    elsewhere = Call("c", "user:owner", frozenset("*"), "http", org="elsewhere")
    for call in (stranger, elsewhere):
        assert await lab.recall("shared", call) == []
        assert (await lab.invoke("memory.list", {}, call)).memories == []
        for name in ("memory.get", "memory.forget"):
            with pytest.raises(Forbidden):
                await lab.invoke(name, {"id": note.id}, call)


async def test_only_the_author_or_a_person_forgets(lab: Lab) -> None:
    one, two = await lab.remember("wrong fact", lab.a), await lab.remember("wrong person fact")
    for memory in (one, two):
        assert (await lab.invoke("memory.get", {"id": memory.id}, lab.b)).id == memory.id
        with pytest.raises(Forbidden, match="somebody else"):
            await lab.invoke("memory.forget", {"id": memory.id}, lab.b)
    await lab.invoke("memory.forget", {"id": one.id}, lab.a)
    await lab.invoke("memory.forget", {"id": two.id}, lab.person)
    assert await lab.recall("wrong", lab.b) == []
    for name in ("memory.get", "memory.forget"):
        with pytest.raises(NotFound):
            await lab.invoke(name, {"id": one.id}, lab.a)


async def test_a_forgotten_memory_is_in_no_index_either(lab: Lab) -> None:
    memory = await lab.remember("xylophone")
    await lab.remember("zither")
    await lab.invoke("memory.forget", {"id": memory.id})

    def terms(tx: Any) -> Any:
        tx.execute("INSERT INTO memory_fts(memory_fts, rank) VALUES ('integrity-check', 1)")
        return tx.execute("SELECT count(*) FROM memory_fts WHERE memory_fts MATCH 'xylophone'").fetchone()[0]

    assert await lab.kernel.store.write(terms) == 0


async def test_an_unknown_namespace_or_a_place_without_a_name_is_refused_clearly(lab: Lab) -> None:
    for name, field in (("memory.remember", "content"), ("memory.recall", "query"), ("memory.list", "limit")):
        with pytest.raises(Invalid, match="'agent', 'team', 'workspace' or 'global'"):
            await lab.invoke(name, {field: 1 if field == "limit" else "x", "namespace": "x"}, lab.a)
    with pytest.raises(Invalid, match="which workspace"):
        await lab.remember("x", lab.a, namespace="workspace")
    with pytest.raises(Invalid, match="whose team"):
        await lab.remember("x", namespace="team")
    with pytest.raises(Unavailable, match="no workspaces in this house"):
        await lab.remember("x", lab.a, workspace="shop")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"content": ""}, "content: string should have at least 1 character"),
        ({"content": "x" * 100_001}, "content: string should have at most 100000 characters"),
        ({"content": "x" * (1 << 20)}, "content: string should have at most 100000 characters"),
        (
            {"content": "x", "layer": "fantasy"},
            "layer: input should be 'episodic', 'semantic', 'procedural' or 'social'",
        ),
        ({"content": "x", "importance": 1.1}, "importance: "),
        ({"content": "x", "tags": ["x" * 65]}, "tags.0: "),
        ({"content": "x", "namespace": "global", "agent": "ada"}, "agent"),
        ({"content": "x", "namespace": "agent"}, "agent"),
        ({"content": "x", "namespace": "team"}, "team"),
        ({"content": "x", "namespace": "workspace", "agent": "ada"}, "workspace"),
        ({"content": "x", "workspace": "shop", "namespace": "team"}, "workspace"),
    ],
    ids=range(11),
)
async def test_a_memory_that_makes_no_sense_is_invalid_and_the_error_says_why(
    lab: Lab, raw: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        await lab.invoke("memory.remember", raw)


async def test_recall_keeps_to_layer_tags_namespace_and_author(lab: Lab) -> None:
    await lab.remember("tea one", lab.a, layer="social", tags=["Drinks", " hot "])
    await lab.remember("tea two", lab.a, tags=["drinks"])
    await lab.remember("tea three", lab.b, namespace="agent")
    await lab.remember("tea four", lab.b, tags=["🔥"])

    async def found(**more: Any) -> set[str]:
        return {content.split()[1] for content in await lab.recall("tea", lab.b, **more)}

    assert await found() == {"one", "two", "three", "four"}
    assert await found(layer="social") == {"one"}
    assert await found(tags=["DRINKS"]) == {"one", "two"}
    assert await found(tags=["drinks", "hot"]) == {"one"}
    assert await found(tags=["🔥"]) == {"four"}
    assert await found(tags=["none"]) == set()
    assert await found(namespace="agent") == {"three"}
    assert await found(namespace="global") == {"one", "two", "four"}
    assert await found(agent="ada") == {"one", "two"}
    assert await found(agent="bob") == {"three", "four"}
    assert len(await lab.recall("tea", lab.b, limit=2)) == 2


async def test_words_are_found_in_tags_and_by_their_stem_and_without_accents(lab: Lab) -> None:
    await lab.remember("Die Café-Rechnung", tags=["accounting"])
    await lab.remember("we are deploying on fridays")
    assert await lab.recall("accounting") == ["Die Café-Rechnung"]
    assert await lab.recall("CAFE") == ["Die Café-Rechnung"]
    assert await lab.recall("deploys") == ["we are deploying on fridays"]


async def test_the_start_of_a_word_is_found_when_no_whole_word_is(lab: Lab) -> None:
    await lab.remember("kubernetes cluster")
    await lab.remember("東京都の天気")
    assert await lab.recall("kubern") == ["kubernetes cluster"]
    assert await lab.recall("東京") == ["東京都の天気"]
    assert await lab.recall("ku") == []


async def test_text_without_words_is_found_as_it_is(lab: Lab) -> None:
    await lab.remember("the build is 🔥 today")
    assert await lab.recall("🔥") == ["the build is 🔥 today"]
    assert await lab.recall("🧊") == []


async def test_stop_words_find_nothing_by_themselves_unless_they_are_all_there_is(lab: Lab) -> None:
    await lab.remember("the cat")
    assert await lab.recall("the dog") == []
    assert await lab.recall("the") == ["the cat"]


async def test_importance_and_freshness_weigh_but_never_hide(lab: Lab) -> None:
    await lab.remember("lamp old", importance=0.5)
    lab.clock.at += timedelta(days=365)
    await lab.remember("lamp trivial", importance=0)
    await lab.remember("lamp vital", importance=1)
    await lab.remember("lamp fresh", importance=0.5)
    assert await lab.recall("lamp") == ["lamp vital", "lamp fresh", "lamp trivial", "lamp old"]


async def test_a_better_fit_beats_a_fresher_one(lab: Lab) -> None:
    await lab.remember("the postgres vacuum job hangs on the replica")
    for n in range(20):
        await lab.remember(f"a job called number {n}")
    assert (await lab.recall("postgres vacuum job"))[0] == "the postgres vacuum job hangs on the replica"


@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
async def test_no_text_breaks_a_query_and_what_was_stored_is_given_back(lab: Lab, text: str) -> None:
    stored = await lab.remember(text, lab.a)
    await lab.recall(text, lab.b)
    assert (await lab.invoke("memory.get", {"id": stored.id}, lab.b)).content == text
    assert text.isspace() or stored.id in {m.id for m in (await lab.invoke("memory.list", {}, lab.b)).memories}


async def test_random_text_never_breaks_a_query(lab: Lab) -> None:
    texts: list[tuple[str, list[str]]] = []

    @profile(max_examples=150, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.text(min_size=1, max_size=60),
        st.lists(st.text(min_size=1, max_size=10), max_size=3),
    )
    def collect(text: str, tags: list[str]) -> None:
        texts.append((text, tags))

    collect()
    await lab.remember("something to look through", lab.a, namespace="agent", tags=["a"])
    with anyio.fail_after(60):
        for text, tags in texts:
            await lab.memory.recall(Recall(query=text, tags=tags), lab.a)
            await lab.memory.context(str(lab.a.agent), "owner", "home", text)


async def test_a_long_memory_is_cut_in_lists_and_whole_by_id(lab: Lab) -> None:
    stored = await lab.remember("long " * 2000)
    (found,) = (await lab.invoke("memory.recall", {"query": "long"})).memories
    assert (len(found.content), found.truncated) == (2000, True)
    whole = await lab.invoke("memory.get", {"id": stored.id})
    assert (len(whole.content), whole.truncated) == (10_000, False)


async def test_the_list_pages_newest_first_without_gap_or_double(lab: Lab) -> None:
    for n in range(7):
        await lab.remember(f"fact {n}", lab.a if n % 2 else lab.b, namespace="global" if n != 3 else "agent")
    seen, cursor = [], None
    while True:
        page = await lab.invoke("memory.list", {"limit": 2, "cursor": cursor}, lab.b)
        seen += [memory.content for memory in page.memories]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == ["fact 6", "fact 5", "fact 4", "fact 2", "fact 1", "fact 0"]
    for garbage in ("x", "9" * 40, "-1"):
        with pytest.raises(Invalid):
            await lab.invoke("memory.list", {"cursor": garbage})


async def test_common_words_cost_a_bounded_number_of_rows(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PROBE", 5), ("LISTED", 40), ("LEAST", 10), ("CANDIDATES", 20)):
        monkeypatch.setattr(search_module, name, value)

    def fill(tx: Any) -> None:
        for n in range(3000):
            content = "common" + (" seldom" if n == 10 else "") + (" often" if n % 2 else "")
            private = n % 50 == 0
            tx.execute(
                "INSERT INTO memory (id, content, layer, namespace, tags, scope, importance, agent, user, org, "
                "created_at, created_by) VALUES (?, ?, 'semantic', ?, '[]', ?, 0.5, ?, 'owner', 'home', ?, '')",
                (
                    f"memory_{n}",
                    content,
                    "agent" if private else "global",
                    str(lab.a.agent).replace("_", "") if private else "",
                    lab.a.agent,
                    "2026-01-01T00:00:00.000000Z",
                ),
            )

    await lab.kernel.store.write(fill)

    async def ids(query: str, call: Call, **more: Any) -> list[str]:
        found = await lab.invoke("memory.recall", {"query": query, **more}, call)
        return [memory.id for memory in found.memories]

    assert (await ids("common seldom", lab.b))[0] == "memory_10"  # rare: ranked over everything
    assert len(await ids("common", lab.b)) == 10  # everywhere: the newest
    assert all(int(key.partition("_")[2]) > 2900 for key in await ids("common", lab.b))
    assert all(int(key.partition("_")[2]) % 2 for key in await ids("common often", lab.b))
    assert await ids("common", lab.b, namespace="agent") == []
    assert len(await ids("common", lab.a, namespace="agent")) == 10
    assert await ids("common", lab.b, layer="social") == []


async def test_a_starting_agent_is_told_what_fits_its_goal_and_no_more(lab: Lab) -> None:
    shared = await lab.remember("The release script lives in tools/release.sh\nand needs a tag.", lab.a)
    await lab.remember("release secrets of ada", lab.a, namespace="agent")
    await lab.remember("bananas are yellow", lab.a)
    told = await lab.memory.context(str(lab.b.agent), "owner", "home", "Cut a release of the app")
    assert f"[{shared.id}] The release script lives in tools/release.sh and needs a tag." in told
    assert "ada" not in told
    assert "bananas" not in told
    for nothing in (None, "", "quantum chromodynamics"):
        assert await lab.memory.context(str(lab.b.agent), "owner", "home", nothing) == ""
    assert await lab.memory.context(str(lab.b.agent), "stranger", "home", "release") == ""
    assert "ada" not in await lab.memory.context("", "owner", "home", "release")  # an agent not made yet


async def test_what_a_starting_agent_is_told_is_short(lab: Lab) -> None:
    for n in range(20):
        await lab.remember(f"release {n} " + "blah " * 1000)
    assert 0 < len(await lab.memory.context(str(lab.b.agent), "owner", "home", "release")) <= 1500


async def test_events_and_audit_tell_that_but_not_what(lab: Lab) -> None:
    stored = await lab.remember("canary", lab.a, tags=["x"])
    await lab.recall("canary", lab.b)
    await lab.invoke("memory.forget", {"id": stored.id}, lab.a)
    rows = await lab.kernel.store.read(lambda s: list(s.exec(select(EventRow).where(EventRow.agent == lab.a.agent))))
    assert [row.type for row in rows][-2:] == ["memory.remembered", "memory.forgotten"]
    assert [row.pid for row in rows][-2:] == [7, 7]
    assert "canary" not in str([row.body for row in rows])
    records = (await lab.invoke("audit.query", {"operation": "memory"})).records
    assert [record.operation for record in records] == ["memory.forget", "memory.remember"]
    assert "canary" not in str(records)


def test_inputs_do_not_show_their_text_when_printed() -> None:
    assert "canary" not in repr(Remember(content="canary")) + repr(Recall(query="canary"))
