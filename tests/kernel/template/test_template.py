"""Templates: those that come with aetherd hold what they promise, and people keep their own beside them."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.errors import AetherError, Conflict, Forbidden, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.kernel.template import shelf
from aetherd.operations.catalog import schema_of, tool_name
from aetherd_mcp import toolsets
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio

ROLES = (
    "web-researcher code-developer code-reviewer data-analyst system-admin technical-writer test-engineer "
    "project-manager"
)


def name() -> str:
    """Return a name for a template that no other test has."""
    return f"own-{new_id('x')[2:].lower()}"


async def own(lab: Lab, **raw: Any) -> Any:
    return await lab("template.create", **{"name": name(), "title": "Own", **raw})


async def test_the_eight_roles_and_sixteen_more_come_with_it(lab: Lab) -> None:
    found = {one.name: one for one in (await lab("template.list", limit=500)).templates if one.builtin}
    assert set(ROLES.split()) < set(found)
    assert len(found) == 24
    told = set()
    for key, one in found.items():
        whole = await lab("template.get", template=key)
        assert len(whole.instructions) > 400, key
        assert one.description.endswith("."), key
        assert one.tools, key
        assert {"memory.recall", "control.request_human"} <= set(one.tools), key
        assert one.limits.wall_s, key
        told.add(whole.instructions)
    assert len(told) == 24
    assert "fs.write" not in found["code-reviewer"].tools
    assert "process.spawn" not in found["code-developer"].tools


async def test_the_menu_of_every_built_in_template_keeps_to_the_ceiling_of_its_toolset(lab: Lab) -> None:
    operations = {op.name: op for op in lab.kernel.registry}
    for spec in shelf.builtin().values():
        shown = [operations[tool] for tool in spec.tools or () if toolsets.shown(spec.toolset)(operations[tool])]
        cost = sum(toolsets.tokens(tool_name(op.name), op.doc, schema_of(op.input, "validation")) for op in shown)
        tools, tokens = toolsets.CEILINGS[spec.toolset]
        assert len(shown) <= tools, spec.name
        assert cost <= tokens, spec.name


def test_a_wrong_built_in_file_is_told_by_name() -> None:
    kits = {"common": ["memory.recall"]}
    assert shelf._read("x", 'title = "X"\ntoolset = "worker"\nkits = ["common"]', kits).tools == ["memory.recall"]
    for text in (
        'title = "X"',
        'title = "X"\ntoolset = "worker"\nkits = ["none"]',
        'toolset = "worker"\nwish = 1',
        "=",
    ):
        with pytest.raises((ValueError, KeyError)):
            shelf._read("x", text, kits)


async def test_own_templates_are_listed_after_the_built_in_ones_and_page_by_page(lab: Lab) -> None:
    tag = new_id("t")
    made = [await own(lab, tags=[tag.upper(), " "]) for _ in range(3)]
    pages, cursor = [], None
    while True:
        page = await lab("template.list", tag=tag, limit=2, **({"cursor": cursor} if cursor else {}))
        pages.append([one.name for one in page.templates])
        if (cursor := page.cursor) is None:
            break
    assert pages == [[made[2].name, made[1].name], [made[0].name]]
    assert {one.builtin for one in (await lab("template.list", own=True)).templates} == {False}
    everything = [one.builtin for one in (await lab("template.list", limit=500)).templates]
    assert everything == sorted(everything, reverse=True)
    with pytest.raises(Invalid, match="not a cursor"):
        await lab("template.list", cursor="x")


async def test_a_fork_remembers_where_it_comes_from_and_changes_only_what_is_said(lab: Lab) -> None:
    there = await lab("template.get", template="code-reviewer")
    fork = await lab("template.fork", template="code-reviewer", name=name(), title="My reviewer", model=None)
    same = ("description", "instructions", "runtime", "toolset", "tools", "limits", "tags")
    assert [getattr(fork, field) for field in same] == [getattr(there, field) for field in same]
    assert (fork.title, fork.model, fork.forked_from) == ("My reviewer", None, f"code-reviewer@{there.version}")
    narrow = await lab("template.fork", template=fork.name, name=name(), tools=["aether_memory_recall"])
    assert (narrow.tools, narrow.toolset, narrow.forked_from) == (["memory.recall"], "all", f"{fork.name}@1")
    open_ = await lab("template.fork", template=fork.name, name=name(), tools=None)
    assert open_.tools is None


async def test_each_person_has_one_rating_and_all_see_the_average(lab: Lab) -> None:
    made = await own(lab)
    assert (made.rating, made.ratings) == (None, 0)
    other = lab.running.call(user="other", actor="user:other")
    for call, rating in ((None, 2), (None, 5), (other, 2)):
        await lab("template.rate", call, template="translator", rating=rating)
    seen = await lab("template.get", template="translator")
    assert (seen.rating, seen.ratings) == (3.5, 2)
    first = await lab("template.rate", template=made.name, rating=4)
    assert (first.rating, first.ratings) == (4.0, 1)
    event = await lab.event("template.rated", template=made.name)
    assert (event["data"]["stars"], event["data"]["ratings"]) == (4, 1)


async def test_what_is_removed_is_gone_with_its_ratings_and_what_is_built_in_stays(lab: Lab) -> None:
    made = await own(lab)
    await lab("template.rate", template=made.name, rating=1)
    await lab("template.remove", template=made.name)
    with pytest.raises(NotFound):
        await lab("template.get", template=made.name)
    again = await own(lab, name=made.name)
    assert again.ratings == 0
    with pytest.raises(Forbidden, match="comes with aetherd"):
        await lab("template.remove", template="translator")


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({"tools": ["memory.recal"]}, Invalid, r"no operation 'memory.recal'; near it are: memory\.recall"),
        ({"tools": ["qqqqq"]}, Invalid, r"no operation 'qqqqq'; tool\.search finds"),
        ({"tools": ["token.create"]}, Invalid, r"token\.create is for people"),
        ({"tools": [""]}, Invalid, "tools"),
        ({"name": "code-reviewer"}, Conflict, "exists; choose another"),
        ({"name": "My Role"}, Invalid, "name"),
        ({"title": ""}, Invalid, "title"),
        ({"limits": {"wall_s": 0}}, Invalid, "wall_s"),
        ({"limits": {"steps": 0}}, Invalid, "steps"),
        ({"toolset": "most"}, Invalid, "toolset"),
        ({"instructions": "x" * 20_001}, Invalid, "instructions"),
    ],
)
async def test_a_template_that_cannot_hold_is_refused_with_the_reason(
    lab: Lab, raw: dict[str, Any], error: type[AetherError], told: str
) -> None:
    with pytest.raises(error, match=told):
        await own(lab, **raw)


async def test_wrong_references_and_ratings_are_refused(lab: Lab) -> None:
    made = await own(lab)
    with pytest.raises(Conflict):
        await own(lab, name=made.name)
    for rating in (0, 6, 2.5):
        with pytest.raises(Invalid, match="rating"):
            await lab("template.rate", template=made.name, rating=rating)
    for operation, raw in (("get", {}), ("rate", {"rating": 3}), ("remove", {}), ("fork", {"name": name()})):
        with pytest.raises(NotFound, match="near it are: code-reviewer"):
            await lab(f"template.{operation}", template="code-reviwer", **raw)


async def test_templates_are_their_persons_own_and_agents_only_read_them(lab: Lab) -> None:
    made = await own(lab)
    stranger = lab.running.call(user="stranger")
    with pytest.raises(NotFound):
        await lab("template.get", stranger, template=made.name)
    assert (await lab("template.list", stranger, own=True)).templates == []
    agent = lab.running.agent_call((await lab("agent.create", name=new_id("name"))).id)
    assert (await lab("template.get", agent, template=made.name)).name == made.name
    for operation, raw in (("create", {"title": "x"}), ("remove", {}), ("rate", {"rating": 3})):
        key = "name" if operation == "create" else "template"
        with pytest.raises(Forbidden):
            await lab(f"template.{operation}", agent, **{key: made.name, **raw})


async def test_own_templates_live_through_a_restart(estate: Estate) -> None:
    async with estate.open() as one:
        made = await own(one, tools=["memory.recall"], limits={"wall_s": 60})
    async with estate.open() as two:
        assert await two("template.get", template=made.name) == made
