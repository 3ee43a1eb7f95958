"""Delegation: one agent is told, the one who asked learns how it goes, and a process that ends gives back."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.errors import AetherError, Conflict, Forbidden, Invalid, NotFound
from aetherd.operations.operation import Call
from fakes import Estate
from tests.kernel.task.conftest import Work

pytestmark = pytest.mark.anyio


async def letters(work: Work, call: Call | None) -> list[tuple[str, str]]:
    """Return kind and text of the messages somebody got, oldest first."""
    found = (await work.lab("message.inbox", call)).messages
    return [(one.kind, one.text) for one in reversed(found)]


async def kinds(work: Work, call: Call | None) -> list[str]:
    return [kind for kind, _ in await letters(work, call)]


async def test_who_is_given_a_task_is_told_and_who_gave_it_learns_how_it_goes(work: Work) -> None:
    lead, hand, third = [await work.agent() for _ in range(3)]
    made = await work.put("sweep the floor", lead, text="all of it")
    given = await work.lab("task.delegate", lead, id=made.id, to=hand.agent)
    assert (given.agent, given.task.to, given.pid) == (hand.agent, hand.agent, None)
    ((kind, text),) = await letters(work, hand)
    assert kind == "task_delegate"
    assert "sweep the floor\nall of it" in text
    assert f'task.claim, input {{"id": "{made.id}"}}' in text
    assert await work.take(third) is None
    assert (await work.claim(hand)).task.id == made.id
    await work.lab("task.complete", hand, id=made.id, result="it shines")
    (accepted, completed) = await letters(work, lead)
    assert (accepted[0], completed) == ("task_accepted", ("task_completed", "'sweep the floor' is done.\nit shines"))


async def test_what_is_given_to_one_is_hidden_from_others(work: Work) -> None:
    lead, hand, third = [await work.agent() for _ in range(3)]
    made = await work.put("secret", lead, to=hand.agent)
    assert await kinds(work, hand) == ["task_delegate"]
    assert (await work.lab("task.list", third, queue=work.queue)).tasks == []
    for name, raw in (("task.get", {}), ("task.claim", {}), ("task.complete", {}), ("task.fail", {"reason": "x"})):
        with pytest.raises(Forbidden, match="somebody else"):
            await work.lab(name, third, id=made.id, **raw)
    with pytest.raises(Conflict, match=r"is for .* alone"):
        await work.claim(lead, id=made.id)


async def test_who_refuses_gives_it_back_and_it_can_be_given_to_another(work: Work) -> None:
    lead, one, two = [await work.agent() for _ in range(3)]
    made = await work.put("dig", lead, to=one.agent)
    assert (await work.lab("task.fail", one, id=made.id, reason="my back")).state == "dead"
    (kind, text), *_ = await letters(work, lead)
    assert (kind, "my back" in text) == ("task_rejected", True)
    await work.lab("task.delegate", lead, id=made.id, to=two.agent)
    assert (await work.claim(two, id=made.id)).task.attempt == 1


async def test_a_task_that_waits_is_told_when_it_can_begin(work: Work) -> None:
    lead, hand = await work.agent(), await work.agent()
    job = await work.put(
        "job",
        lead,
        parts=[{"key": "a", "title": "a"}, {"key": "b", "title": "b", "to": hand.agent, "depends_on": ["a"]}],
    )
    assert await kinds(work, hand) == []
    await work.claim(lead, id=job.parts["a"])
    await work.lab("task.complete", lead, id=job.parts["a"])
    assert await kinds(work, hand) == ["task_delegate"]


async def test_who_refuses_before_it_can_begin_keeps_nobody_else_from_it(work: Work) -> None:
    lead, one, two = [await work.agent() for _ in range(3)]
    first = await work.put("first", lead)
    made = await work.put("then", lead, to=one.agent, depends_on=[first.id])
    assert (await work.lab("task.fail", one, id=made.id, reason="no time")).state == "dead"
    await work.claim(lead, id=first.id)
    await work.lab("task.complete", lead, id=first.id)
    assert (await work.lab("task.delegate", lead, id=made.id, to=two.agent)).task.state == "queued"
    assert (await work.claim(two)).task.id == made.id


async def test_what_is_given_up_is_told(work: Work) -> None:
    lead, hand = await work.agent(), await work.agent()
    made = await work.put("climb", lead, to=hand.agent, max_attempts=1)
    await work.claim(hand, lease_s=10)
    work.lab.clock.advance(11)
    await work.becomes(made.id, "dead")
    assert [text for kind, text in await letters(work, lead) if kind == "status_update"] == [
        f"'climb' was given up: the lease of {hand.actor} ended\ntask.delegate gives it to another."
    ]


async def test_a_person_delegates_too_and_is_told(work: Work) -> None:
    hand = await work.agent()
    made = await work.put("greet")
    await work.lab("task.delegate", id=made.id, to=hand.agent)
    await work.claim(hand)
    await work.lab("task.complete", hand, id=made.id, result="hello")
    mine = [(one.kind, one.sender) for one in (await work.lab("message.inbox")).messages if made.id in str(one.data)]
    assert mine == [("task_completed", hand.agent), ("task_accepted", hand.agent)]


async def test_a_new_agent_is_started_for_it_with_the_task_as_its_goal(work: Work) -> None:
    lead = await work.agent()
    made = await work.put("sing", lead, text="a song")
    given = await work.lab("task.delegate", lead, id=made.id, runtime="puppet", name=f"singer-{work.queue}")
    process = await work.lab.ready(await work.lab("process.get", pid=given.pid))
    assert (process.agent, process.name) == (given.agent, f"singer-{work.queue}")
    assert process.goal.startswith(f"sing\n\na song\n\nThis is task {made.id}.")
    singer = work.lab.agent_of(process)
    await work.claim(singer, id=made.id)
    await work.lab("task.complete", singer, id=made.id, result="la")
    assert await kinds(work, lead) == ["task_accepted", "task_completed"]
    assert await kinds(work, singer) == []  # it has it as its goal already


async def test_a_process_that_ends_gives_its_task_up_and_says_so(work: Work) -> None:
    lead = await work.agent()
    made = await work.put("run", lead)
    given = await work.lab("task.delegate", lead, id=made.id, runtime="puppet")
    await work.lab("process.kill", pid=given.pid)
    await work.lab.ended(given.pid)
    assert (await work.becomes(made.id, "dead")).reason == "the process has ended"
    assert await kinds(work, lead) == ["status_update"]
    again = await work.lab("task.delegate", lead, id=made.id, runtime="puppet")
    assert again.task.state == "queued"


async def test_what_a_process_took_from_the_queue_goes_back_into_it_when_it_ends(work: Work) -> None:
    process = await work.lab.spawn()
    made = await work.put()
    await work.claim(work.lab.agent_of(process))
    await work.lab("process.kill", pid=process.pid)
    await work.lab.ended(process.pid)
    assert (await work.becomes(made.id, "queued")).holder is None


async def test_a_start_that_is_refused_leaves_the_task_as_it_was(work: Work) -> None:
    made = await work.put()
    before, agents = await work.lab("task.get", id=made.id), await work.lab("agent.list", limit=500)
    with pytest.raises(AetherError, match="no-such"):
        await work.lab("task.delegate", id=made.id, runtime="no-such")
    await work.claim(None)
    with pytest.raises(Conflict, match="is held by user:owner"):
        await work.lab("task.delegate", id=made.id, runtime="puppet")
    assert (await work.lab("agent.list", limit=500)) == agents
    assert (await work.lab("task.get", id=made.id)).to == before.to


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({}, Invalid, "give `to` for an agent that exists, or `runtime`"),
        ({"to": "x", "runtime": "builtin"}, Invalid, "give `to`"),
        ({"to": "x", "model": "m"}, Invalid, "for a new agent"),
        ({"to": "nobody-there"}, NotFound, "no agent 'nobody-there'"),
    ],
)
async def test_a_wrong_delegation_is_refused_with_the_reason(
    work: Work, raw: dict[str, Any], error: type[Exception], told: str
) -> None:
    made = await work.put()
    with pytest.raises(error, match=told):
        await work.lab("task.delegate", id=made.id, **raw)


async def test_giving_and_starting_need_the_scopes_of_what_they_do(work: Work) -> None:
    made = await work.put()
    poor = work.lab.running.call(scopes=frozenset({"task:write"}))
    for raw, scope in (({"to": "x"}, "message:write"), ({"runtime": "puppet"}, "process:write")):
        with pytest.raises(Forbidden, match=scope):
            await work.lab("task.delegate", poor, id=made.id, **raw)


async def test_leases_and_waiting_messages_live_through_a_restart(estate: Estate) -> None:
    async with estate.open() as one:
        work = Work(one, "q")
        hand, other = await work.agent(), await work.agent()
        short, long, given = [await work.put(title) for title in ("short", "long", "given")]
        await work.claim(hand, id=short.id, lease_s=60)
        await work.claim(hand, id=long.id, lease_s=600)
        await one("task.delegate", id=given.id, to=other.agent)
    estate.clock.advance(120)  # while nobody was there
    async with estate.open() as two:
        work = Work(two, "q")
        assert await work.state(short.id) == "queued"  # at once: the sweep is part of the start
        assert (await work.lab("task.complete", hand, id=long.id, result="held through")).state == "done"
        process = await two.spawn(agent=other.agent)
        told = await two.event("agent.told", pid=process.pid)
        assert f"This is task {given.id}." in told["data"]["text"]
