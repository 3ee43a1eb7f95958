"""What is wrong with a flow is said before any of it runs, by the name of the step; and what it would cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aetherd.core.errors import Invalid
from tests.kernel.flow.conftest import Flows, puppet, shell

pytestmark = pytest.mark.anyio

ONE = {"name": "a", "set": 1}

WRONG: list[tuple[Any, str]] = [
    ({}, "flow: steps: a list of steps is needed here"),
    ({"steps": []}, "a list of steps is needed"),
    ({"steps": ["x"]}, "step 1 is no mapping"),
    ({"steps": [ONE], "sleeps": 1}, "sleeps: there is no such field"),
    ({"steps": [{"name": "a"}]}, "a: it says not what to do; a step is one of set, agent"),
    ({"steps": [{"name": "a", "fly": 1}]}, "a: there is no 'fly'; a step has name, needs"),
    ({"steps": [{"name": "a", "set": 1, "ask": "x"}]}, "a: it is set and ask at once"),
    ({"steps": [{"name": "1 x", "set": 1}]}, "1 x.name: string should match"),
    ({"steps": [ONE, ONE]}, "a: the name is given twice"),
    ({"steps": [{**ONE, "needs": ["b"]}]}, "a: needs: there is no step 'b' beside it; there are: a"),
    ({"steps": [{**ONE, "needs": ["b"]}, {"name": "b", "set": 1}]}, "is a circle: none of them could begin"),
    ({"steps": [{"name": "a", "set": "{{ steps.b.output }}"}]}, "there is no step 'b' before it; there are: none"),
    ({"steps": [{"name": "b", "set": "{{ steps.c.output }}"}, {"name": "c", "set": 1}]}, "does not wait for step 'c'"),
    ({"steps": [ONE, {"name": "b", "set": "{{ steps.a }}"}]}, "a step has output, state, error, cost_usd: say which"),
    ({"steps": [{"name": "a", "set": "{{ inputs.x }}"}]}, "there is no input 'x'; there are: none"),
    ({"steps": [{"name": "a", "set": "{{ secrets.x }}"}]}, "nothing is named 'secrets' here; there is inputs, steps"),
    ({"steps": [{"name": "a", "set": "{{ item }}"}]}, "nothing is named 'item' here"),
    ({"steps": [{"name": "a", "set": "{{ __import__('os') }}"}]}, "'(' was not expected there"),
    ({"steps": [{"name": "a", "set": "{{ 1 + 1 }}"}]}, "calls and arithmetic do not exist here"),
    ({"steps": [{"name": "a", "set": '{{ "\\q" }}'}]}, "not a text in JSON"),
    ({"steps": [{"name": "a", "set": "{{ inputs"}]}, "`{{` without its `}}`"),
    ({"steps": [{**ONE, "when": "steps.z.output"}]}, "there is no step 'z' before it"),
    ({"steps": [{"name": "l", "loop": {"steps": [ONE]}}]}, "l.loop.max: field required"),
    ({"steps": [{"name": "l", "loop": {"steps": [ONE], "max": 10**9}}]}, "less than or equal to 1000"),
    ({"steps": [{"name": "c", "call": "no.such"}]}, "c: there is no operation named 'no.such'"),
    ({"steps": [{"name": "c", "call": "memory.get"}]}, "c: call: memory.get needs 'id'"),
    ({"steps": [{"name": "c", "call": {"operation": "memory.get", "input": {"x": 1}}}]}, "takes no 'x'; it takes id"),
    ({"steps": [{"name": "c", "agent": {"goal": "x", "toolset": "god"}}]}, "process.spawn: toolset: input should be"),
    ({"steps": [{"name": "c", "agent": {"runtime": "command"}}]}, "c: agent: argv: the runtime command needs"),
    ({"steps": [{**ONE, "retry": {"attempts": 2}}]}, "retry: steps of kind set are not tried again"),
    ({"steps": [{"name": "v", "vote": {"question": "?", "options": ["a"]}}]}, "v.vote.options: list should have at"),
    ("steps: [", "flow: line 2, column 1: did not find"),
    ("steps: &x [*x]", "aliases (*name) are not read"),
    ("steps: !!python/object:os.system {}", "flow: line 1, column 8: "),
    ("[" * 100, "nested deeper than 40"),
    ("just words", "it begins with `steps:`"),
    ("x" * 1_000_000, "1,000,000 characters, at most 200,000"),
    ({"steps": [{"name": "a", "set": "x" * 1_000_000}]}, "characters, at most 200,000"),
    ({"steps": [ONE], "inputs": {"who": {"description": "a name"}}}, "inputs: who is needed: a name"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
async def test_what_is_wrong_is_named_and_nothing_runs(flows: Flows, flow: Any, said: str) -> None:
    with pytest.raises(Invalid) as failure:
        await flows.lab("flow.run", flow=flow)
    assert said in failure.value.message


async def test_bounds_that_multiply_to_too_much_are_refused(flows: Flows) -> None:
    inner: Any = {"name": "c", "loop": {"max": 1000, "steps": [ONE]}}
    with pytest.raises(Invalid, match=r"its bounds multiply to 1,\d{3},\d{3} steps, at most 50,000"):
        await flows.run({"name": "b", "loop": {"max": 1000, "steps": [inner]}})


async def test_a_dry_run_shows_order_bounds_and_the_worst_that_it_can_cost(flows: Flows) -> None:
    review = {"items": "{{ inputs.files }}", "steps": [{"name": "r", "agent": puppet("x", budget=0.1)}]}
    rounds = {"max": 3, "steps": [{"name": "p", "agent": puppet("y", budget=1.0)}]}
    vote = {"question": "?", "options": ["a", "b"], "agent": {"budget": 0.2}}
    steps: list[Any] = [
        {"name": "draft", "agent": {"goal": "write", "budget": 0.5}, "retry": {"attempts": 2}},
        {"name": "each", "each": review},
        {"name": "polish", "loop": rounds, "needs": ["draft"]},
        {"name": "merge", "vote": vote, "needs": ["each", "polish"]},
    ]
    found = await flows.run(*steps, given={"files": ["a", "b", "c", "d"]}, dry_run=True, name="big")
    assert (found.id, found.state, found.name) == (None, "planned", "big")
    assert [(s.step, s.needs, s.times, s.max_parallel, s.worst_case_usd) for s in found.plan.steps] == [
        ("draft", [], 2, None, 1.0),
        ("each", ["draft"], 1, 4, 0.0),
        ("each/r", [], 4, None, 0.4),
        ("polish", ["draft"], 1, 1, 0.0),
        ("polish/p", [], 3, None, 3.0),
        ("merge", ["each", "polish"], 1, None, 0.6),
    ]
    assert (found.plan.worst_case_usd, found.plan.most_agents, found.plan.unbounded) == (5.0, 12, [])
    unbounded = await flows.run({"name": "a", "agent": "think"}, dry_run=True)
    assert (unbounded.plan.worst_case_usd, unbounded.plan.unbounded) == (None, ["a"])
    bounded = await flows.run({"name": "a", "agent": "think"}, dry_run=True, budget=2.0)
    assert (bounded.plan.worst_case_usd, bounded.plan.unbounded) == (2.0, ["a"])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 < 2 and not (2 <= 1)", True),
        ("'b' in inputs.list or false", True),
        ('inputs.list contains "z"', False),
        ("inputs.list[-1] == 'b' and inputs['n'] >= -3.5", True),
        ("inputs.none == null", True),
    ],
)
async def test_expressions_compare_and_nothing_else(flows: Flows, expression: str, value: Any) -> None:
    given = {"list": ["a", "b"], "n": 2, "none": None}
    assert await flows.done({"set": f"{{{{ {expression} }}}}"}, given=given) is value


async def test_what_an_expression_finds_missing_fails_its_step_and_says_what_there_is(flows: Flows) -> None:
    error = await flows.failed({"name": "a", "set": {"x": 1}}, {"name": "b", "set": "{{ steps.a.output.y }}"})
    assert error == "step b: steps.a.output is {\"x\": 1}: it has no 'y'; it has x"
    error = await flows.failed({"name": "b", "set": 1, "when": "inputs.n < 'x'"}, given={"n": 1})
    assert error == 'step b: "inputs.n < \'x\'": 1 < "x" cannot be compared'


async def test_what_grows_beyond_all_bounds_fails_its_step(flows: Flows) -> None:
    texts = {"name": "l", "loop": {"max": 40, "steps": [{"name": "n", "set": "{{ last }}{{ last }}x"}]}}
    assert "n: an output of more than 262,144 characters" in await flows.failed(texts)
    lists = {"name": "l", "loop": {"max": 40, "steps": [{"name": "n", "set": ["{{ last }}", "{{ last }}"]}]}}
    assert "n: an output of more than 262,144 characters" in await flows.failed(lists)
    once = {"name": "a", "set": "x" * 100_000}
    many = {"name": "b", "set": "{{ steps.a.output }}" * 11}
    assert "b: a text that becomes longer than 1,048,576 characters" in await flows.failed(once, many)


async def test_the_flow_in_the_documentation_is_one(flows: Flows) -> None:
    text = (Path(__file__).parents[3] / "docs" / "flows.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    found = await flows.lab("flow.run", flow=text, inputs={"files": ["a.py", "b.py"]}, dry_run=True)
    assert (found.plan.worst_case_usd, found.plan.unbounded) == (5.0, [])
    assert found.plan.steps[-1].needs == ["checks", "notes"]


async def test_no_text_takes_long_to_read_and_none_grows_without_end(flows: Flows) -> None:
    """Each of these once took minutes of everybody's time, or all memory."""
    with pytest.raises(Invalid, match="without its"):
        await flows.run({"name": "a", "set": "{" * 150_000})
    voters = [shell("yes '' | head -c 90000; echo 'VOTE: b'")] * 2
    vote = {"question": "?", "options": ["a", "b"], "agents": voters}
    assert (await flows.done({"name": "v", "vote": vote}))["choice"] == "b"
    ticks = shell("printf '```'; yes '' | head -c 90000; echo x", output="json")
    assert "was to answer with JSON" in await flows.failed({"agent": ticks})
    deep = shell("head -c 90000 /dev/zero | tr '\\0' '['", output="json")
    assert "was to answer with JSON" in await flows.failed({"agent": deep})
    many: Any = ["{{ inputs.long }}", "and {{ inputs.long }}"] * 3_000
    remember = {"operation": "memory.remember", "input": {"content": "x", "tags": many}}
    for step in ({"set": many}, {"call": remember}, {"each": {"items": many, "steps": [ONE], "max_items": 1000}}):
        found = await flows.failed({"name": "big", **step}, given={"long": "x" * 200_000})
        assert "all that is filled in comes to more than" in found
