"""Each kind of step, through the daemon with real processes: what comes of it, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aetherd.core.errors import Conflict, Forbidden
from tests.kernel.flow.conftest import Flows, puppet, shell

pytestmark = pytest.mark.anyio

YAML = """
name: greeting
inputs:
  name: {description: whom}
  yes: {default: no}   # YAML 1.2: these are texts
steps:
  - name: who
    agent: {runtime: puppet, goal: "say {{ inputs.name }}"}
  - name: count
    agent:
      runtime: command
      argv: [/bin/sh, -c, "printf '%s' {{ steps.who.output }} | wc -c"]
  - set:
      text: "{{ steps.who.output }} has {{ steps.count.output }}"
      by: "{{ flow.name }}"
      yes: "{{ inputs.yes }}"
"""


async def test_the_output_of_a_step_is_the_input_of_the_next(flows: Flows) -> None:
    found = await flows.ended(await flows.lab("flow.run", flow=YAML, inputs={"name": "Ada"}))
    assert (found.state, found.outputs) == ("completed", {"text": "Ada has 3", "by": "greeting", "yes": "no"})
    assert [(step.name, step.kind, step.state) for step in found.steps] == [
        ("who", "agent", "completed"),
        ("count", "agent", "completed"),
        ("set3", "set", "completed"),
    ]
    process = await flows.gone(found.steps[0].pid)  # whose result was all that was wanted: it ends by itself
    assert (process.outcome, process.ended_by) == ("completed", None)


async def test_a_file_in_an_agents_home_is_a_flow(flows: Flows) -> None:
    agent = await flows.lab("agent.create", name="keeper")
    await flows.lab("fs.write", agent=agent.id, path="flow.yaml", content="steps: [{set: 7}]")
    ran = await flows.lab("flow.run", file="flow.yaml", agent=agent.id, wait_s=10)
    assert (ran.state, ran.outputs) == ("completed", 7)


async def test_an_operation_is_called_as_whoever_runs_the_flow(flows: Flows) -> None:
    steps = (
        {"name": "keep", "call": {"operation": "memory.remember", "input": {"content": "{{ inputs.what }}"}}},
        {"name": "find", "call": {"operation": "memory.get", "input": {"id": "{{ steps.keep.output.id }}"}}},
    )
    agent = flows.lab.running.agent_call((await flows.lab("agent.create", name="caller")).id)
    flow = await flows.run(
        *steps, given={"what": "the sky is blue"}, outputs="{{ steps.find.output.agent }}", call=agent
    )
    found = await flows.ended(flow, agent)
    assert (found.outputs, found.agent) == (agent.agent, agent.agent)
    stranger = flows.lab.running.agent_call((await flows.lab("agent.create", name="stranger")).id)
    with pytest.raises(Forbidden):
        await flows.lab("flow.get", stranger, id=flow.id)
    assert (await flows.lab("flow.list", stranger)).flows == []
    assert [one.id for one in (await flows.lab("flow.list", agent)).flows] == [flow.id]
    with pytest.raises(Forbidden, match=r"token\.create"):
        await flows.run({"call": {"operation": "token.create", "input": {"name": "x"}}}, call=agent)


async def test_a_flow_reaches_no_further_than_who_runs_it(flows: Flows) -> None:
    one, two = [await flows.lab("agent.create", name=name) for name in ("one-of-two", "two-of-two")]
    call = flows.lab.running.agent_call(one.id)
    flow = await flows.run({"name": "a", "agent": puppet("say hello", agent=two.id)}, call=call)
    assert f"agent {two.id} belongs to somebody else" in (await flows.ended(flow)).reason
    made = await flows.lab("token.create", name="script", scopes=["flow:write", "memory:write"])
    call = await flows.lab.running.house.authenticate(made.secret, "http")
    with pytest.raises(Forbidden, match=r"process\.spawn"):
        await flows.run({"name": "a", "agent": puppet("say hello")}, call=call)
    keep = {"name": "keep", "call": {"operation": "memory.remember", "input": {"content": "too late"}}}
    flow = await flows.run({"name": "hold", "ask": "?"}, keep, call=call)
    approval = await flows.asked(flow, "hold")
    await flows.lab("token.revoke", id=made.id)
    await flows.lab("approval.decide", id=approval, decision="allow_once")
    assert (await flows.ended(flow)).reason == "step keep: the token this flow was run with has been revoked"


async def test_what_destroys_waits_for_a_person_when_an_agent_runs_it(flows: Flows) -> None:
    agent = flows.lab.running.agent_call((await flows.lab("agent.create", name="destroyer")).id)
    kept = await flows.lab("memory.remember", agent, content="to be forgotten")
    flow = await flows.run(
        {"name": "gone", "call": {"operation": "memory.forget", "input": {"id": kept.id}}}, call=agent
    )
    approval = await flows.asked(flow, "gone")
    assert (await flows.lab("flow.get", id=flow.id)).state == "waiting"
    await flows.lab("approval.decide", id=approval, decision="allow_once")
    assert (await flows.ended(flow)).state == "completed"


async def test_a_person_says_yes_or_no(flows: Flows) -> None:
    ask = {"name": "may", "ask": {"title": "Ship {{ inputs.what }}?", "must": False}}
    said = {"set": "{{ steps.may.output.reason }}", "when": "not steps.may.output.allowed"}
    flow = await flows.run(ask, said, given={"what": "it"})
    approval = await flows.asked(flow, "may")
    assert (await flows.lab("approval.get", id=approval)).title == "Ship it?"
    await flows.lab("approval.decide", id=approval, decision="deny", reason="not on a friday")
    assert (await flows.ended(flow)).outputs == "not on a friday"
    flow = await flows.run({"name": "may", "ask": "Ship it?"})
    await flows.lab("approval.decide", id=await flows.asked(flow, "may"), decision="deny", reason="no")
    assert (await flows.ended(flow)).reason == "step may: denied by user:owner: no"


async def test_steps_begin_when_what_they_need_is_done_and_no_sooner(flows: Flows, square: Path) -> None:
    gate = square / "gate"
    wait = f"while [ ! -e {gate} ]; do sleep 0.02; done; echo"
    outputs = await flows.done(
        {"name": "late", "agent": shell(f"{wait} late")},
        {"name": "early", "agent": shell(f"touch {gate}; echo early"), "needs": []},
        {"name": "both", "set": ["{{ steps.late.output }}", "{{ steps.early.output }}"], "needs": ["late", "early"]},
        {"name": "left", "set": 1, "when": False},
        outputs={"both": "{{ steps.both.output }}", "left": "{{ steps.left.state }}"},
    )
    assert outputs == {"both": ["late", "early"], "left": "skipped"}


async def test_branches_run_at_once_and_are_joined(flows: Flows) -> None:
    outputs = await flows.done(
        {
            "name": "all",
            "parallel": {
                "branches": {"a": {"agent": puppet("say one")}, "b": [{"set": 2}, {"set": "{{ steps.set1.output }}"}]}
            },
        }
    )
    assert outputs == {"a": "one", "b": 2}


async def test_each_item_gets_the_same_steps_and_a_failure_is_fatal_or_collected(flows: Flows) -> None:
    each = {
        "items": "{{ inputs.list }}",
        "steps": [{"name": "s", "agent": shell("exit {{ item }}")}],
        "max_parallel": 2,
    }
    given = {"list": ["0", "3", "0"]}
    kept = await flows.done({"name": "each", "each": {**each, "on_error": "collect"}}, given=given)
    assert kept == ["", {"error": kept[1]["error"]}, ""]
    assert "step each/1/s: process" in kept[1]["error"]
    assert "exited with code 3" in kept[1]["error"]
    assert "step each/1/s: " in await flows.failed({"name": "each", "each": each}, given=given)
    many = {"name": "each", "each": {"items": [1, 2, 3], "max_items": 2, "steps": [{"set": "{{ item }}"}]}}
    assert await flows.failed(many) == "step each: items: 3 of them, at most 2 (max_items)"


async def test_when_one_branch_fails_the_others_are_stopped(flows: Flows, square: Path) -> None:
    gate = square / "gate"
    steps = {
        "slow": {"agent": shell(f"touch {gate}; sleep 1000")},
        "bad": {"agent": shell(f"while [ ! -e {gate} ]; do sleep 0.02; done; exit 1")},
    }
    flow = await flows.ended(await flows.run({"name": "all", "parallel": {"branches": steps}}))
    slow = next(step for step in flow.steps if step.name == "all/slow/agent1")
    assert (flow.state, slow.state) == ("failed", "cancelled")
    assert (await flows.gone(slow.pid)).outcome == "killed"


async def test_a_loop_ends_when_its_condition_holds_or_its_bound_is_reached(flows: Flows) -> None:
    counting = {"steps": [{"name": "n", "set": ["{{ round }}", "{{ last }}"]}], "max": 3}
    assert await flows.done({"name": "l", "loop": counting}) == [3, [2, [1, None]]]
    until = {**counting, "until": "steps.n.output[0] == 2"}
    assert await flows.done({"name": "l", "loop": until}) == [2, [1, None]]
    never = {**counting, "until": "false"}
    assert await flows.failed({"name": "l", "loop": never}) == "step l: `false` did not come to hold in 3 rounds"


@pytest.mark.parametrize(
    ("rule", "votes", "choice"),
    [("majority", "aab", "a"), ("unanimous", "aaa", "a"), (2, "bba", "b")],
)
async def test_votes_decide_by_the_rule(flows: Flows, rule: Any, votes: str, choice: str) -> None:
    agents = [shell(f"echo because; echo VOTE: {vote}") for vote in votes]
    vote = {"question": "a or b?", "options": ["a", "b"], "agents": agents, "rule": rule}
    outputs = await flows.done({"name": "v", "vote": vote})
    assert (outputs["choice"], outputs["votes"], outputs["by"]) == (choice, list(votes), None)


async def test_a_vote_that_decides_nothing_goes_to_a_person(flows: Flows) -> None:
    agents = [puppet("say \nVOTE: yes\n"), puppet("say no"), puppet("say \nvote: **no**\n")]
    vote = {"question": "Merge?", "options": ["yes", "no"], "agents": agents, "rule": "unanimous"}
    flow = await flows.run({"name": "v", "vote": vote})
    approval = await flows.asked(flow, "v")
    asked = await flows.lab("approval.get", id=approval)
    assert "the vote v is not decided (yes: 1, no: 1)" in asked.title
    await flows.lab("approval.decide", id=approval, decision="allow_once", reason="no")
    assert (await flows.ended(flow)).outputs["choice"] == "no"


async def test_a_step_is_tried_again_after_a_pause_that_doubles(flows: Flows, square: Path) -> None:
    script = f"touch {square}/$AETHER_PID; [ $(ls {square} | wc -l) -ge 3 ] && echo third"
    step = {"name": "s", "agent": shell(script), "retry": {"attempts": 3, "backoff_s": 100}}
    flow = await flows.run(step)
    for attempt, pause in ((1, 100), (2, 200)):
        await flows.lab.event("flow.step_finished", flow=flow.id, outcome="delayed", attempt=attempt)
        assert (await flows.step(flow, "s")).state == "delayed"
        flows.lab.clock.advance(pause)
    found = await flows.ended(flow)
    assert (found.outputs, found.steps[0].attempt, len(flows.spawned(flow))) == ("third", 3, 3)
    assert "exited with code 1" in await flows.failed({"name": "s", "agent": shell("exit 1")})


async def test_a_step_that_takes_too_long_is_stopped_and_the_flow_may_go_on(flows: Flows) -> None:
    slow = {"name": "slow", "agent": shell("sleep 1000"), "timeout_s": 0.3, "on_error": "continue"}
    outputs = await flows.done(slow, {"set": "{{ steps.slow.error }}"})
    assert outputs == "it took longer than 0.3 s"


async def test_a_cancelled_flow_stops_what_runs_and_closes_its_questions(flows: Flows) -> None:
    branches = {"run": {"agent": shell("sleep 1000")}, "ask": {"ask": "really?"}}
    flow = await flows.run({"name": "p", "parallel": {"branches": branches}})
    approval = await flows.asked(flow, "p/ask/ask1")
    started = await flows.lab.event("flow.step_started", flow=flow.id, step="p/run/agent1")
    found = await flows.lab("flow.cancel", id=flow.id, reason="enough")
    assert (found.state, found.reason) == ("cancelled", "cancelled by user:owner: enough")
    assert {step.state for step in found.steps} == {"cancelled"}
    assert (await flows.gone(started["pid"])).outcome == "killed"
    assert (await flows.lab("approval.get", id=approval)).state == "closed"
    with pytest.raises(Conflict, match="cancelled already"):
        await flows.lab("flow.cancel", id=flow.id)


async def test_an_agent_that_shall_answer_with_json_is_read_as_that(flows: Flows) -> None:
    said = "echo Sure:; echo '```json'; echo '{\"a\": [1, 2]}'; echo '```'"
    outputs = await flows.done(
        {"name": "j", "agent": shell(said, output="json")}, {"set": "{{ steps.j.output.a[-1] }}"}
    )
    assert outputs == 2
    assert "was to answer with JSON" in await flows.failed({"agent": shell("echo no", output="json")})
