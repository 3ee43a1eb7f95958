"""Approvals: what waits for a person is asked once, answered once, and what was allowed runs once, as the asker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound, PendingApproval
from aetherd.events.log import EventRow
from aetherd.kernel.approval.tables import ApprovalRow
from aetherd.store import Tx
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio


async def asked(lab: Lab, process: Any, title: str = "Run ls") -> Any:
    """Return a process's open question once it is there."""
    event = await lab.event("approval.requested", pid=process.pid, title=title)
    return await lab("approval.get", id=event["data"]["approval"])


async def asking(lab: Lab, command: str = "ls", **raw: Any) -> tuple[Any, Any]:
    """Start a puppet that asks for leave; return it and its question."""
    made = await lab.spawn(goal=f"ask Bash {command}", **raw)
    return made, await asked(lab, made, f"Run {command}")


async def family(lab: Lab) -> tuple[Any, Any]:
    """Return the call of a running agent, and a process it has spawned."""
    mother = await lab.sh("exec sleep 1000")
    call = lab.agent_of(mother)
    return call, await lab("process.spawn", call, runtime="command", argv=["/bin/sleep", "1000"])


async def pending_kill(lab: Lab, call: Any, pid: int) -> str:
    """Have an agent try to kill; return the approval it waits for."""
    with pytest.raises(PendingApproval, match=r"process\.kill waits for a person") as waits:
        await lab("process.kill", call, pid=pid)
    return str(waits.value.data["approval"])


def answers(lab: Lab, process: Any) -> list[bool]:
    """Return the answers that really reached a puppet."""
    return [line["allow"] for line in lab.heard(process) if line["type"] == "answer"]


# A runtime's own question ----------------------------------------------------------------------------


async def test_a_question_of_a_runtime_is_shown_whole_and_the_agent_waits(lab: Lab) -> None:
    made, question = await asking(lab)
    assert (question.state, question.kind, question.tool, question.input) == (
        "pending",
        "permission",
        "Bash",
        {"command": "ls"},
    )
    assert (question.pid, question.agent, question.agent_name, question.origin) == (
        made.pid,
        made.agent,
        made.name,
        [made.agent],
    )
    found = await lab("process.get", pid=made.pid)
    assert (found.phase, found.approvals, found.state) == ("waiting_approval", 1, "running")
    shown = await lab.event("agent.permission_requested", pid=made.pid)
    assert shown["data"]["approval"] == question.id


async def test_an_allowed_question_goes_on_and_the_answer_arrives_once(lab: Lab) -> None:
    made, question = await asking(lab)
    decided = await lab("approval.decide", id=question.id, decision="allow_once")
    assert (decided.state, decided.decision, decided.decided_by) == ("allowed", "allow_once", "user:owner")
    assert (await lab.result(made.pid)).text == "allowed"
    assert answers(lab, made) == [True]
    found = await lab("process.get", pid=made.pid)
    assert (found.approvals, found.phase) == (0, "completed")


async def test_a_refusal_and_its_reason_reach_the_runtime(lab: Lab) -> None:
    made, question = await asking(lab)
    decided = await lab("approval.decide", id=question.id, decision="deny", reason="not on a Friday")
    assert (decided.state, decided.reason) == ("denied", "not on a Friday")
    assert (await lab.result(made.pid)).text == "denied"
    assert [one["text"] for one in lab.of(made.pid, "agent.tool_result")] == ["refused: not on a Friday"]


async def test_a_question_is_answered_once(lab: Lab) -> None:
    _, question = await asking(lab)
    await lab("approval.decide", id=question.id, decision="deny")
    with pytest.raises(Conflict, match="is denied already") as refused:
        await lab("approval.decide", id=question.id, decision="allow_once")
    assert refused.value.data == {"state": "denied", "by": "user:owner"}
    assert (await lab("approval.get", id=question.id)).state == "denied"


async def test_of_many_answers_at_once_one_counts(lab: Lab) -> None:
    made, question = await asking(lab)
    outcomes: list[str] = []

    async def answer(decision: str) -> None:
        try:
            outcomes.append((await lab("approval.decide", id=question.id, decision=decision)).state)
        except Conflict:
            outcomes.append("conflict")

    async with anyio.create_task_group() as group:
        for decision in ("allow_once", "deny", "allow_once", "deny"):
            group.start_soon(answer, decision)
    assert outcomes.count("conflict") == 3
    await lab.result(made.pid)
    assert len(answers(lab, made)) == 1


async def test_a_question_the_runtime_withdraws_is_closed(lab: Lab) -> None:
    made = await lab.spawn(goal="ask Bash ls ;; withdraw ;; say never mind")
    await lab.result(made.pid)
    (question,) = (await lab("approval.list", pid=made.pid)).approvals
    assert (question.state, question.reason) == ("closed", "the runtime withdrew it")
    with pytest.raises(Conflict, match="closed already"):
        await lab("approval.decide", id=question.id, decision="allow_once")


async def test_the_end_of_the_process_closes_its_questions(lab: Lab) -> None:
    made, question = await asking(lab)
    request = await lab("approval.request", lab.agent_of(made), title="may I?")
    await lab("process.kill", pid=made.pid)
    for one in (question, request):
        found = await lab("approval.get", id=one.id)
        assert found.state == "closed"
    assert (await lab("process.get", pid=made.pid)).approvals == 0


async def test_a_question_waits_over_a_restart_and_its_answer_arrives_once(estate: Estate) -> None:
    async with estate.open() as lab:
        made, question = await asking(lab)
    async with estate.open() as lab:
        assert (await lab("process.get", pid=made.pid)).phase == "waiting_approval"
        await lab("approval.decide", id=question.id, decision="allow_once")
        assert (await lab.result(made.pid)).text == "allowed"
        assert answers(lab, made) == [True]


# Answers in advance ----------------------------------------------------------------------------------


async def test_leave_for_the_run_covers_the_same_tool_until_the_run_ends(lab: Lab) -> None:
    made, question = await asking(lab)
    await lab("approval.decide", id=question.id, decision="allow_run")
    await lab.result(made.pid)
    assert [line["for_run"] for line in lab.heard(made) if line["type"] == "answer"] == [True]
    await lab("process.send", pid=made.pid, text="ask Bash rm x")
    second = await asked(lab, made, "Run rm x")
    assert (second.state, second.rule, second.decided_by) == ("allowed", "Bash", "user:owner")
    await lab("process.send", pid=made.pid, text="ask Write x")
    assert (await asked(lab, made, "Run x")).state == "pending"
    await lab("process.kill", pid=made.pid)
    again, third = await asking(lab, agent=made.agent)
    assert (again.agent, third.state) == (made.agent, "pending")


async def test_a_pattern_covers_what_matches_and_no_second_command(lab: Lab) -> None:
    made, question = await asking(lab, "git log")
    await lab("approval.decide", id=question.id, decision="allow_pattern", pattern="Bash(git *)")
    await lab.result(made.pid)
    await lab("process.send", pid=made.pid, text="ask Bash git status")
    found = await asked(lab, made, "Run git status")
    assert (found.state, found.rule) == ("allowed", "Bash(git *)")
    await lab("process.send", pid=made.pid, text="ask Bash git status; rm x")
    assert (await asked(lab, made, "Run git status; rm x")).state == "pending"
    _, of_another = await asking(lab, "git status")
    assert of_another.state == "pending"


async def test_a_pattern_ends_with_its_time(lab: Lab) -> None:
    made, question = await asking(lab, "git log")
    until = (lab.clock.now() + timedelta(hours=1)).isoformat()
    await lab("approval.decide", id=question.id, decision="allow_pattern", pattern="Bash(git *)", until=until)
    await lab("process.send", pid=made.pid, text="ask Bash git one")
    assert (await asked(lab, made, "Run git one")).state == "allowed"
    lab.clock.advance(3601)
    await lab("process.send", pid=made.pid, text="ask Bash git two")
    assert (await asked(lab, made, "Run git two")).state == "pending"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"decision": "allow_pattern"}, "needs a `pattern`"),
        ({"decision": "allow_pattern", "pattern": "Bash(git"}, "is not `Tool`"),
        ({"decision": "allow_pattern", "pattern": "Bash", "until": "soon"}, "not an ISO 8601 time"),
        ({"decision": "maybe"}, "decision"),
    ],
)
async def test_an_answer_that_says_nothing_is_refused_and_the_question_stays(
    lab: Lab, more: dict[str, str], words: str
) -> None:
    _, question = await asking(lab)
    with pytest.raises(Invalid, match=words):
        await lab("approval.decide", id=question.id, **more)
    assert (await lab("approval.get", id=question.id)).state == "pending"


async def test_a_question_nobody_answers_expires_and_counts_as_a_refusal(lab: Lab) -> None:
    made, question = await asking(lab)
    lab.clock.advance(lab.running.house.settings.approval_ttl_s + 1)
    await lab.event("approval.decided", pid=made.pid, state="expired")
    found = await lab("approval.wait", id=question.id)
    assert (found.state, found.reason, found.decided_by) == ("expired", "nobody answered in time", None)
    assert (await lab.result(made.pid)).text == "denied"
    assert answers(lab, made) == [False]


# An agent's own question -----------------------------------------------------------------------------


async def test_an_agent_asks_waits_and_is_answered(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    call = lab.agent_of(made)
    question = await lab("approval.request", call, title="May I deploy?", detail="it is late")
    assert (question.state, question.kind, question.title) == ("pending", "request", "May I deploy?")
    assert question.input == {"detail": "it is late"}
    assert (await lab("approval.wait", call, id=question.id, timeout_s=0.05)).state == "pending"
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            found = await lab("approval.wait", call, id=question.id)
            assert (found.state, found.reason) == ("denied", "no")

        group.start_soon(wait)
        await lab("approval.decide", id=question.id, decision="deny", reason="no")


async def test_an_agent_neither_answers_nor_sees_the_questions_of_others(lab: Lab) -> None:
    made, question = await asking(lab)
    stranger = lab.agent_of(await lab.sh("exec sleep 1000"))
    for call in (lab.agent_of(made), stranger):
        with pytest.raises(Forbidden, match="is for people"):
            await lab("approval.decide", call, id=question.id, decision="allow_once")
    assert [one.id for one in (await lab("approval.list", lab.agent_of(made))).approvals] == [question.id]
    assert (await lab("approval.list", stranger)).approvals == []
    with pytest.raises(Forbidden):
        await lab("approval.get", stranger, id=question.id)
    with pytest.raises(NotFound):
        await lab("approval.decide", lab.running.call(user="stranger"), id=question.id, decision="deny")


async def test_the_list_is_filtered_and_paged_newest_first(lab: Lab) -> None:
    call = lab.agent_of(await lab.sh("exec sleep 1000"))
    made = [(await lab("approval.request", call, title=f"question {number}")).id for number in range(3)]
    await lab("approval.decide", id=made[1], decision="allow_once")
    pending = (await lab("approval.list", pid=call.pid, state="pending")).approvals
    assert [one.id for one in pending] == [made[2], made[0]]
    assert [one.id for one in (await lab("approval.list", pid=call.pid, state="allowed")).approvals] == [made[1]]
    page = await lab("approval.list", pid=call.pid, limit=2)
    last = await lab("approval.list", pid=call.pid, limit=2, cursor=page.cursor)
    assert [one.id for one in (*page.approvals, *last.approvals)] == made[::-1]
    assert last.cursor is None


async def test_whoever_waits_for_an_answer_learns_at_once_that_the_end_of_the_process_closed_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aetherd.kernel.approval.service.BEAT_S", 1000)
    made, question = await asking(lab)
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            assert (await lab("approval.wait", id=question.id, timeout_s=1000)).state == "closed"

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await lab("process.kill", pid=made.pid)


async def test_an_agent_has_at_most_a_hundred_questions_open(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetherd.kernel.approval.service.OPEN", 2)
    call, child = await family(lab)
    first = await lab("approval.request", call, title="one")
    await pending_kill(lab, call, child.pid)
    for name, raw in (("approval.request", {"title": "three"}), ("process.kill", {"pid": child.pid})):
        with pytest.raises(Exhausted, match=r"2 of your questions wait for a person; wait .*approval\.wait"):
            await lab(name, call, **raw)
    assert len((await lab("approval.list", call)).approvals) == 2
    await lab("approval.decide", id=first.id, decision="deny")
    assert (await lab("approval.request", call, title="three")).state == "pending"


async def test_a_question_of_another_user_expires_as_theirs(lab: Lab) -> None:
    stranger = lab.running.call(actor="user:stranger", user="stranger")
    for call, user in ((stranger, "stranger"), (None, "owner")):
        question = await lab("approval.request", call, title="may I?")
        lab.clock.advance(lab.running.house.settings.approval_ttl_s + 1)
        told = await lab.event("approval.decided", approval=question.id, state="expired")
        row = await lab.kernel.store.read(lambda session, key=told["id"]: session.get_one(EventRow, key))  # type: ignore[misc]
        assert (told["actor"], row.user) == ("system", user)


# Operations that cannot be undone --------------------------------------------------------------------


async def test_a_person_kills_without_asking_and_an_agent_reads_and_writes_without(lab: Lab) -> None:
    call, child = await family(lab)
    assert (await lab("process.get", call, pid=child.pid)).state == "running"
    assert (await lab("process.pause", call, pid=child.pid)).state == "paused"
    assert (await lab("process.kill", pid=child.pid)).state == "exited"
    assert (await lab("approval.list", pid=call.pid)).approvals == []


async def test_an_allowed_call_runs_once_as_the_one_who_asked(lab: Lab) -> None:
    call, child = await family(lab)
    key = await pending_kill(lab, call, child.pid)
    question = await lab("approval.get", id=key)
    assert (question.kind, question.tool, question.input) == ("operation", "process.kill", {"pid": child.pid})
    await lab("approval.decide", id=key, decision="allow_once")
    found = await lab("approval.wait", call, id=key)
    assert found.result["state"] == "exited"
    assert (await lab("process.get", pid=child.pid)).ended_by == f"agent:{call.agent}"
    assert len(lab.of(child.pid, "process.exited")) == 1


@pytest.mark.parametrize("decision", ["allow_once", "deny"])
async def test_an_agent_whose_call_needs_leave_is_seen_to_wait_for_the_person(lab: Lab, decision: str) -> None:
    call, child = await family(lab)
    key = await pending_kill(lab, call, child.pid)
    found = await lab("process.get", pid=call.pid)
    assert (found.phase, found.approvals) == ("waiting_approval", 1)
    await lab("approval.decide", id=key, decision=decision)
    found = await lab("process.get", pid=call.pid)
    assert (found.phase, found.approvals) == ("executing", 0)


async def test_a_refused_call_is_not_run(lab: Lab) -> None:
    call, child = await family(lab)
    key = await pending_kill(lab, call, child.pid)
    await lab("approval.decide", id=key, decision="deny", reason="it is needed")
    found = await lab("approval.wait", call, id=key)
    assert (found.state, found.result) == ("denied", None)
    assert (await lab("process.get", pid=child.pid)).state == "running"


async def test_an_allowed_call_that_fails_says_so_in_its_result(lab: Lab) -> None:
    call, child = await family(lab)
    key = await pending_kill(lab, call, child.pid)
    await lab("process.kill", pid=child.pid)
    await lab("approval.decide", id=key, decision="allow_once")
    found = await lab("approval.wait", call, id=key)
    assert found.result["error"]["code"] == "conflict"


async def test_leave_in_advance_lets_an_agent_kill_at_once(lab: Lab) -> None:
    call, child = await family(lab)
    other = await lab("process.spawn", call, runtime="command", argv=["/bin/sleep", "1000"])
    key = await pending_kill(lab, call, child.pid)
    await lab("approval.decide", id=key, decision="allow_pattern", pattern="process.kill")
    assert (await lab("process.kill", call, pid=other.pid)).state == "exited"
    assert [one["to"] for one in lab.of(call.pid, "process.phase_changed")][-1] == "executing"
    newest = (await lab("approval.list", pid=call.pid, limit=1)).approvals[0]
    assert (newest.state, newest.rule, newest.input) == ("allowed", "process.kill", {"pid": other.pid})


async def test_an_input_that_is_wrong_or_not_the_agents_own_is_refused_before_anybody_is_asked(lab: Lab) -> None:
    call, _ = await family(lab)
    stranger = await lab.sh("exec sleep 1000")
    with pytest.raises(Forbidden):
        await lab("process.kill", call, pid=stranger.pid)
    with pytest.raises(Invalid):
        await lab("process.kill", call, pid="x")
    assert (await lab("approval.list", pid=call.pid)).approvals == []


@pytest.fixture
async def patient(estate: Estate) -> AsyncIterator[Lab]:
    """A house in which a call waits long for a person."""
    async with estate.open(approval_wait_s=60) as made:
        yield made


@pytest.mark.parametrize("decision", ["allow_once", "deny"])
async def test_an_answer_in_time_is_the_answer_of_the_call_itself(patient: Lab, decision: str) -> None:
    call, child = await family(patient)

    async def decide() -> None:
        event = await patient.event("approval.requested", kind="operation")
        await patient("approval.decide", id=event["data"]["approval"], decision=decision, reason="it is needed")

    async with anyio.create_task_group() as group:
        group.start_soon(decide)
        if decision == "deny":
            with pytest.raises(Forbidden, match=r"process\.kill was denied by user:owner: it is needed"):
                await patient("process.kill", call, pid=child.pid)
        else:
            assert (await patient("process.kill", call, pid=child.pid)).state == "exited"
    assert len(patient.of(child.pid, "process.exited")) == (decision != "deny")


@pytest.mark.parametrize("began", [False, True])
async def test_a_call_allowed_before_a_crash_is_run_after_it_unless_it_had_begun(estate: Estate, began: bool) -> None:
    async with estate.open(approval_wait_s=0.05) as lab:
        call, child = await family(lab)
        key = await pending_kill(lab, call, child.pid)
        room = lab.kernel.rooms["approval"]

        def crash(tx: Tx) -> None:
            """Decide, and be killed before, or while, the call is run."""
            row = tx.session.get_one(ApprovalRow, key)
            room._settle(tx, row, "allow_once", "user:owner", None, None)
            row.began = began

        await lab.kernel.store.write(crash)
    async with estate.open() as lab:
        found = await lab("approval.wait", id=key)
        if began:
            assert "look whether it took effect" in found.result["error"]["message"]
        else:
            assert found.result["ended_by"] == f"agent:{call.agent}"
        assert (await lab("process.get", pid=child.pid)).state == ("running" if began else "exited")
