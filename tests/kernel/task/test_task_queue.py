"""The queue: one claim wins, what is not done comes back, and nothing begins before what it waits for."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from aetherd.kernel.task.queue import Queue
from aetherd.operations.operation import Call
from tests.kernel.task.conftest import Work

pytestmark = pytest.mark.anyio


async def test_what_is_urgent_comes_first_and_of_equals_the_oldest(work: Work) -> None:
    for title, priority in (("first", 0), ("second", 0), ("urgent", 5), ("idle", -5)):
        await work.put(title, priority=priority)
    agent = await work.agent()
    assert [await work.take(agent) for _ in range(5)] == ["urgent", "first", "second", "idle", None]


async def test_workers_wait_for_work_and_one_of_them_gets_it(work: Work) -> None:
    got: list[Any] = []

    async def wait(worker: Call) -> None:
        got.append((await work.claim(worker, wait_s=60)).task)
        if got[-1] is not None and len(got) == 1:
            await work.put("second")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for worker in (await work.agent(), await work.agent()):
                group.start_soon(wait, worker)
            await anyio.wait_all_tasks_blocked()
            await work.put("first")
    assert [task.title for task in got] == ["first", "second"]
    assert (await work.claim(None, wait_s=0.05)).task is None


async def test_queues_are_apart(work: Work) -> None:
    await work.put()
    assert (await work.lab("task.claim", queue=f"{work.queue}.other")).task is None
    assert await work.take(None) == "work"


async def test_sixteen_workers_at_once_never_get_the_same(work: Work) -> None:
    made = {(await work.put(str(n))).id for n in range(60)}
    workers = [await work.agent() for _ in range(16)]
    got: list[str] = []

    async def run(worker: Call) -> None:
        while (claimed := await work.claim(worker)).task is not None:
            got.append(claimed.task.id)
            await work.lab("task.complete", worker, id=claimed.task.id, result="ok")

    async with anyio.create_task_group() as group:
        for worker in workers:
            group.start_soon(run, worker)
    assert sorted(got) == sorted(made)


async def test_what_is_done_tells_its_result_and_how_it_went(work: Work) -> None:
    made, agent = await work.put(text="count", data={"n": 3}), await work.agent()
    claimed = (await work.claim(agent)).task
    assert (claimed.holder, claimed.attempt, claimed.text, claimed.data) == (agent.actor, 1, "count", {"n": 3})
    done = await work.lab("task.complete", agent, id=made.id, result="3 of 3")
    assert (done.state, done.result, done.due) == ("done", "3 of 3", None)
    assert await work.lab("task.get", agent, id=made.id) == done
    assert work.events(made.id) == ["task.created", "task.claimed", "task.completed"]


async def test_a_lease_that_ends_gives_the_task_to_another(work: Work) -> None:
    made, one, two = await work.put(), await work.agent(), await work.agent()
    await work.claim(one, lease_s=60)
    assert await work.take(two) is None
    work.lab.clock.advance(61)
    assert "lease" in (await work.becomes(made.id, "queued")).reason
    assert await work.take(two) == "work"
    with pytest.raises(Conflict, match="you do not hold it"):
        await work.lab("task.complete", one, id=made.id, result="late")
    assert (await work.lab("task.complete", two, id=made.id)).attempt == 2


async def test_work_that_came_late_counts_as_long_as_nobody_else_has_begun(work: Work) -> None:
    made, one = await work.put(), await work.agent()
    await work.claim(one, lease_s=60)
    work.lab.clock.advance(61)
    await work.becomes(made.id, "queued")
    assert (await work.lab("task.complete", one, id=made.id, result="late")).result == "late"


async def test_claiming_again_keeps_it_longer(work: Work) -> None:
    made, one = await work.put(), await work.agent()
    first = (await work.claim(one, lease_s=6000)).task
    work.lab.clock.advance(4000)
    again = (await work.claim(one, id=made.id, lease_s=6000)).task
    assert again.due > first.due
    assert again.attempt == 1
    work.lab.clock.advance(4000)  # past the first lease, not past the second
    other = await work.put("other")
    await work.claim(one, id=other.id, lease_s=10)
    work.lab.clock.advance(11)
    await work.becomes(other.id, "queued")  # a sweep has been
    assert await work.state(made.id) == "claimed"


async def test_two_who_share_a_token_are_told_apart_by_the_lease(work: Work) -> None:
    made = await work.put()
    lease = (await work.claim(None)).lease
    for raw in ({}, {"lease": "guessed"}):
        with pytest.raises(Conflict, match="is held by user:owner until"):
            await work.claim(None, id=made.id, **raw)
    assert (await work.claim(None, id=made.id, lease=lease)).lease == lease
    with pytest.raises(Conflict, match="you do not hold it"):
        await work.lab("task.complete", id=made.id, lease="guessed")
    assert (await work.lab("task.complete", id=made.id, lease=lease)).state == "done"


async def test_what_fails_is_tried_again_after_pauses_that_double_and_then_given_up(work: Work) -> None:
    made, agent = await work.put(max_attempts=3, backoff_s=100), await work.agent()
    for attempt, pause in ((1, 100), (2, 200)):
        await work.claim(agent)
        failed = await work.lab("task.fail", agent, id=made.id, reason=f"broken {attempt}")
        assert (failed.state, failed.reason, failed.attempt) == ("delayed", f"broken {attempt}", attempt)
        work.lab.clock.advance(pause - 10)
        assert await work.take(agent) is None
        await work.happens(made.id, "task.queued", attempt)
    await work.claim(agent)
    assert (await work.lab("task.fail", agent, id=made.id, reason="broken 3")).state == "dead"
    assert await work.take(agent) is None
    listed = (await work.lab("task.list", queue=work.queue, states=["dead"])).tasks
    assert [(task.id, task.reason) for task in listed] == [(made.id, "broken 3")]


async def test_what_cannot_work_is_not_tried_again(work: Work) -> None:
    made, agent = await work.put(), await work.agent()
    await work.claim(agent)
    assert (await work.lab("task.fail", agent, id=made.id, reason="no such file", retry=False)).state == "dead"


async def test_leases_that_end_use_attempts_up_too(work: Work) -> None:
    made, agent = await work.put(max_attempts=1), await work.agent()
    await work.claim(agent, lease_s=10)
    work.lab.clock.advance(11)
    assert (await work.becomes(made.id, "dead")).ended_at is not None


async def test_parts_begin_in_their_order_and_see_what_came_of_the_others(work: Work) -> None:
    job = await work.put(
        "release",
        parts=[
            {"key": "build", "title": "build"},
            {"key": "docs", "title": "docs"},
            {"key": "test", "title": "test", "depends_on": ["build"]},
        ],
    )
    agent = await work.agent()
    assert [await work.take(agent) for _ in range(3)] == ["build", "docs", None]
    await work.lab("task.complete", agent, id=job.parts["build"], result="build 7")
    claimed = await work.claim(agent)
    assert [(one.title, one.result) for one in claimed.inputs] == [("build", "build 7")]
    for key in ("test", "docs"):
        assert await work.state(job.id) == "waiting"
        await work.lab("task.complete", agent, id=job.parts[key], result=f"{key} fine")
    whole = await work.claim(agent)
    assert whole.task.id == job.id
    assert {one.title: one.result for one in whole.inputs} == {
        "build": "build 7",
        "docs": "docs fine",
        "test": "test fine",
    }
    assert [task.title for task in (await work.lab("task.list", parent=job.id)).tasks] == ["test", "docs", "build"]


async def test_what_depends_on_something_done_begins_at_once(work: Work) -> None:
    first = await work.put()
    await work.claim(None)
    await work.lab("task.complete", id=first.id)
    assert (await work.put("next", depends_on=[first.id, first.id])).state == "queued"


async def test_cancelling_takes_parts_and_what_waits_along_and_tells_who_works_on_it(work: Work) -> None:
    agent = await work.agent()
    job = await work.put("job", parts=[{"key": "a", "title": "a"}, {"key": "b", "title": "b"}])
    later = await work.put("later", depends_on=[job.id])
    await work.claim(agent)
    gone = await work.lab("task.cancel", id=job.id, reason="changed my mind")
    assert set(gone.ids) == {job.id, later.id, *job.parts.values()}
    with pytest.raises(Conflict, match=r"was cancelled \(changed my mind\)"):
        await work.lab("task.complete", agent, id=job.parts["a"])
    assert await work.take(agent) is None
    inbox = (await work.lab("message.inbox", agent)).messages
    assert [(one.kind, "Stop: 'a'" in one.text) for one in inbox] == [("status_update", True)]


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({"parts": [{"key": "a", "title": "a", "depends_on": ["a"]}]}, Invalid, "a -> a is a circle"),
        (
            {
                "parts": [
                    {"key": "a", "title": "a", "depends_on": ["c"]},
                    {"key": "b", "title": "b", "depends_on": ["a"]},
                    {"key": "c", "title": "c", "depends_on": ["b"]},
                ]
            },
            Invalid,
            "a -> c -> b -> a is a circle",
        ),
        ({"parts": [{"key": "a", "title": "a"}, {"key": "a", "title": "b"}]}, Invalid, "'a' is given twice"),
        ({"parts": [{"key": "a", "title": "a", "depends_on": ["z"]}]}, NotFound, "no part or task 'z'"),
        ({"depends_on": ["task_none"]}, NotFound, "no part or task 'task_none'"),
        ({"text": "x" * 50_001}, Invalid, "50,001 characters, at most 50,000: keep it in a file"),
        ({"data": {"x": "y" * 50_000}}, Invalid, "characters of json"),
        ({"to": "nobody-there"}, NotFound, "no agent 'nobody-there'"),
        ({"queue": "No Spaces"}, Invalid, "queue"),
        ({"priority": 11}, Invalid, "priority"),
        ({"parts": [{"key": str(n), "title": "t"} for n in range(51)]}, Invalid, "parts"),
    ],
)
async def test_a_task_that_cannot_be_is_refused_whole_with_the_reason(
    work: Work, raw: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        await work.lab("task.create", title="bad", **{"queue": work.queue, **raw})
    assert (await work.lab("task.list", queue=work.queue)).tasks == []


async def test_what_the_caller_does_not_hold_it_cannot_end(work: Work) -> None:
    made, one, two = await work.put(), await work.agent(), await work.agent()
    for name, raw in (("task.complete", {}), ("task.fail", {"reason": "no"})):
        with pytest.raises(Conflict, match=r"you do not hold task .*claim it first"):
            await work.lab(name, one, id=made.id, **raw)
        with pytest.raises(NotFound, match="no task task_none"):
            await work.lab(name, one, id="task_none", **raw)
    await work.claim(one)
    for call in (two, None):
        with pytest.raises(Conflict, match=f"is held by {one.actor} until .*: you do not hold it"):
            await work.lab("task.complete", call, id=made.id)
    with pytest.raises(Invalid, match=r"1,000,000 characters, at most 50,000: keep it in a file"):
        await work.lab("task.complete", one, id=made.id, result="x" * 1_000_000)
    await work.lab("task.complete", one, id=made.id)
    with pytest.raises(Conflict, match="is done already"):
        await work.lab("task.complete", one, id=made.id)
    with pytest.raises(Conflict, match="is done already"):
        await work.claim(two, id=made.id)
    with pytest.raises(Conflict, match="is done already"):
        await work.lab("task.cancel", id=made.id)


async def test_only_its_maker_cancels_and_delegates(work: Work) -> None:
    one, two = await work.agent(), await work.agent()
    made = await work.put("of one", one)
    for name, raw in (("task.cancel", {}), ("task.delegate", {"to": two.agent})):
        with pytest.raises(Forbidden):
            await work.lab(name, two, id=made.id, **raw)
    assert (await work.lab("task.cancel", one, id=made.id)).ids == [made.id]


async def test_another_user_sees_and_takes_nothing(work: Work) -> None:
    made = await work.put()
    stranger = work.lab.running.call(actor="user:stranger", user="stranger")
    assert (await work.claim(stranger)).task is None
    assert (await work.lab("task.list", stranger)).tasks == []
    for name, raw in (("task.get", {}), ("task.claim", {}), ("task.complete", {}), ("task.fail", {"reason": "x"})):
        with pytest.raises(Forbidden, match="somebody else"):
            await work.lab(name, stranger, id=made.id, **raw)
    with pytest.raises(Forbidden):
        await work.lab("task.create", stranger, title="x", depends_on=[made.id])


async def test_lists_page_and_cut_what_is_long(work: Work) -> None:
    agent = await work.agent()
    made = [(await work.put(str(n), text="t" * 3000)).id for n in range(5)]
    await work.claim(agent, id=made[2])
    seen, cursor = [], None
    while True:
        page = await work.lab("task.list", agent, queue=work.queue, limit=2, cursor=cursor)
        seen += page.tasks
        if (cursor := page.cursor) is None:
            break
    assert [task.id for task in seen] == made[::-1]
    assert {(len(task.text), task.truncated) for task in seen} == {(2000, True)}
    assert [task.id for task in (await work.lab("task.list", agent, mine=True)).tasks] == [made[2]]
    with pytest.raises(Invalid, match="cursor"):
        await work.lab("task.list", cursor="x")


async def test_text_and_result_go_into_no_event_and_no_audit_row(work: Work) -> None:
    made = await work.put(text="canary", data={"k": "canary"})
    await work.claim(None)
    await work.lab("task.complete", id=made.id, result="canary")
    assert "canary" not in str([one for one in work.lab.events if one["type"].startswith("task.")])
    assert "canary" not in str(await work.lab("audit.query", operation="task"))


async def test_a_claim_and_its_event_stand_or_fall_together(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await work.put()

    def torn(*_: object) -> None:
        raise RuntimeError("torn")

    with monkeypatch.context() as patch:
        patch.setattr(Queue, "_claimed", torn)
        with pytest.raises(RuntimeError, match="torn"):
            await work.claim(None)
    assert await work.state(made.id) == "queued"
