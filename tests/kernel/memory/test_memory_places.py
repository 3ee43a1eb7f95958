"""Memory among the other rooms: kept in a workspace, and what aetherd itself notes of each run."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.errors import Forbidden, NotFound
from aetherd.kernel.memory import journal
from fakes import Estate, Lab, anyio_backend, estate, lab

__all__ = ["anyio_backend", "estate", "lab"]

pytestmark = pytest.mark.anyio


async def recall(lab: Lab, query: str, call: Any = None, **more: Any) -> list[str]:
    return [one.content for one in (await lab("memory.recall", call, query=query, **more)).memories]


async def test_a_workspace_s_memories_are_for_those_who_have_it(lab: Lab) -> None:
    agents = {name: await lab("agent.create", name=f"{name}-shop") for name in ("ann", "bob", "eve")}
    ann, bob, eve = (lab.running.agent_call(agent.id) for agent in agents.values())
    space = await lab("workspace.create", ann, name="shop")
    await lab("workspace.mount", ann, workspace="shop", agent=agents["ann"].id)
    stored = await lab("memory.remember", ann, content="the till is in drawer three", workspace="shop")
    assert (stored.namespace, stored.workspace, stored.agent) == ("workspace", space.id, agents["ann"].id)
    for outsider in (bob, eve):
        assert await recall(lab, "till", outsider) == []
        assert (await lab("memory.list", outsider)).memories == []
        for name, raw in (
            ("memory.get", {"id": stored.id}),
            ("memory.recall", {"query": "till", "workspace": "shop"}),
            ("memory.list", {"workspace": space.id}),
            ("memory.remember", {"content": "x", "workspace": "shop"}),
            ("memory.consolidate", {"workspace": "shop"}),
        ):
            with pytest.raises(Forbidden):
                await lab(name, outsider, **raw)
    await lab("workspace.mount", workspace="shop", agent=agents["bob"].id)
    for member in (ann, bob, None):
        assert await recall(lab, "till", member) == ["the till is in drawer three"]
        assert await recall(lab, "till", member, workspace="shop") == ["the till is in drawer three"]
    note = await lab("memory.remember", bob, content="the till sticks", namespace="agent")
    shared = await lab("memory.share", bob, id=note.id, workspace="shop")
    assert (shared.id, shared.workspace) == (note.id, space.id)
    assert set(await recall(lab, "till", ann)) == {"the till is in drawer three", "the till sticks"}
    with pytest.raises(Forbidden):
        await lab("memory.share", eve, id=note.id, workspace="shop")
    await lab("workspace.unmount", workspace="shop", agent=agents["bob"].id)
    assert await recall(lab, "till", bob) == []
    with pytest.raises(NotFound):
        await lab("memory.remember", ann, content="x", workspace="nowhere")


async def test_each_run_is_noted_once_behind_what_was_remembered_on_purpose(lab: Lab) -> None:
    agent = await lab("agent.create", name="smith")
    call = lab.running.agent_call(agent.id)
    made = await lab.sh("exit 3", agent=agent.id, goal="forge the golden anvil")
    await lab.ended(made.pid)
    (noted,) = (await lab("memory.list", call, tags=["journal"])).memories
    assert (noted.journal, noted.layer, noted.namespace, noted.agent) == (made.pid, "episodic", "agent", agent.id)
    assert "failed" in noted.content
    assert "Goal: forge the golden anvil" in noted.content
    await lab("memory.remember", call, content="an anvil weighs much", importance=0)
    for _ in range(3):
        lab.clock.advance(365 * 86_400)
    made = await lab.sh("true", agent=agent.id, goal="forge the golden anvil")
    await lab.ended(made.pid)
    found = (await lab("memory.recall", call, query="forge the golden anvil")).memories
    assert [one.journal for one in found] == [None, made.pid, noted.journal]
    assert [one.content for one in (await lab("memory.recall", call, query="anvil", limit=1)).memories] == [
        "an anvil weighs much"
    ]
    other = lab.running.agent_call((await lab("agent.create", name="other")).id)
    assert await recall(lab, "golden", other) == []
    shared = await lab("memory.share", call, id=noted.id, namespace="global")  # now it is on purpose
    assert (shared.journal, shared.tags) == (None, ["failed"])
    assert await recall(lab, "golden", other) == [noted.content]


async def test_only_the_newest_journals_of_an_agent_are_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT", 2)
    agent = await lab("agent.create", name="busy")
    await lab("memory.remember", content="kept", agent=agent.id)
    pids = []
    for _ in range(4):
        pids.append((await lab.sh("true", agent=agent.id, goal="work")).pid)
        await lab.ended(pids[-1])
    found = (await lab("memory.list", agent=agent.id)).memories
    assert [one.journal for one in found] == [pids[3], pids[2], None]


async def test_a_run_that_ended_without_the_daemon_is_noted_once(estate: Estate) -> None:
    async with estate.open() as first:
        made = await first.sh("until [ -e done ]; do sleep 0.05; done", goal="outlive the daemon")
        await first.event("process.started", pid=made.pid)
        work = first.home / "agents" / made.agent / "home" / "work"
    (work / "done").touch()
    for _ in range(2):
        async with estate.open() as later:
            await later.ended(made.pid)
            assert [one.journal for one in (await later("memory.list")).memories] == [made.pid]
