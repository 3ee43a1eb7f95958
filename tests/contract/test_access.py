"""Who may do what: every operation by every kind of caller, expected from its rule, scope and effect alone."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from aetherd.core.errors import AetherError, Forbidden, Invalid, NotFound, PendingApproval
from aetherd.daemon.kernel import GUARDS
from aetherd.daemon.rooms import ROOMS
from aetherd.operations.dispatch import Invocation, Proceed
from aetherd.operations.operation import Call, Effect, Operation, Rule, Subject, operations_of
from tests.contract.world import World

pytestmark = pytest.mark.anyio
OPERATIONS = {op.name: op for service in ROOMS for op in operations_of(service)}
PRINCIPALS = ("owner", "A", "B", "reader", "nobody")

every_operation = pytest.mark.parametrize("name", OPERATIONS)


class Through(Exception):
    """Raised where the handler would have begun."""


def caller(world: World, principal: str) -> Call:
    """Return the call of a principal; nobody has no scope at all."""
    running = world.faces.running
    if principal in ("A", "B"):
        return (world.a if principal == "A" else world.b).call
    scopes = {"owner": {"*"}, "reader": {"*:read"}, "nobody": set[str]()}[principal]
    call: Call = running.call(scopes=frozenset(scopes))
    return call


def expected(op: Operation, principal: str, call: Call) -> str:
    """Derive what must happen to a call about something that A owns."""
    agent = principal in ("A", "B")
    if not call.has(op.scope):
        return "forbidden"
    if op.access is Rule.PEOPLE and agent:
        return "forbidden"
    if isinstance(op.access, Subject) and principal == "B":
        return "forbidden"
    if op.effect is Effect.DESTROY and agent:
        return "pending_approval"
    return "through"


async def outcome(world: World, op: Operation, raw: dict[str, Any], call: Call) -> str:
    """Send a call through all the guards, up to its handler."""
    dispatcher = world.faces.house.dispatcher
    guards = dispatcher._guards
    assert len(guards) >= len(set(GUARDS) - {"quota"}), "a guard is missing"

    async def stop(invocation: Invocation, proceed: Proceed) -> Any:
        raise Through

    dispatcher.use([*guards, stop])
    try:
        await dispatcher.invoke(op.name, raw, call)
    except Through:
        return "through"
    except AetherError as exc:
        return exc.message if exc.code == "invalid" else exc.code  # the input is not what is tried here
    finally:
        dispatcher.use(guards)
    raise AssertionError("it went through without a stop")


@pytest.mark.parametrize("principal", PRINCIPALS)
@every_operation
async def test_each_caller_gets_what_rule_scope_and_effect_say(world: World, name: str, principal: str) -> None:
    op = OPERATIONS[name]
    assert isinstance(op.access, Rule | Subject), f"{name} has no rule"
    call = caller(world, principal)
    assert await outcome(world, op, world.input(op), call) == expected(op, principal, call)


@every_operation
async def test_without_a_credential_nothing_is_reached(world: World, name: str) -> None:
    async with world.faces.http("") as client:
        for token in ("", "nonsense"):
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = await client.post(f"/v1/{name}", json=world.input(OPERATIONS[name]), headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("name", [op.name for op in OPERATIONS.values() if op.access is Rule.OWN])
async def test_an_agent_finds_nothing_of_another_through_an_operation_that_confines_itself(
    world: World, name: str
) -> None:
    """These have no subject to check: the handler itself keeps to what the caller owns."""
    op, raw = OPERATIONS[name], world.input(OPERATIONS[name])
    if op.effect is not Effect.READ and not set(raw) & {"ids", "id", "thread", "pid", "agent", "reply_to"}:
        return  # it makes something new and names nothing that exists
    said = ""
    with suppress(Forbidden, NotFound, Invalid, PendingApproval):
        said = (await world.faces.running.invoke(name, raw, world.b.call)).model_dump_json()
    private = [world.a.id, "secret of A", "question of A", "letter of A", "notes of A", "task of A", "plan of A"]
    private += [str(key) for kind, key in world.subjects.items() if kind not in ("process", "token")]
    assert [text for text in private if text in said] == []


async def test_an_agent_asking_by_way_of_another_gets_no_more_than_its_own(world: World) -> None:
    """A confused deputy: tool.call runs with the scopes of who calls."""
    for name in ("system.shutdown", "approval.decide", "token.create"):
        with pytest.raises(AetherError) as failure:
            await world.faces.running.invoke("tool.call", {"name": name, "input": {}}, world.b.call)
        assert failure.value.code == "forbidden"
    with pytest.raises(AetherError) as failure:
        await world.faces.running.invoke(
            "tool.call", {"name": "process.get", "input": {"pid": world.a.pid}}, world.b.call
        )
    assert failure.value.code == "forbidden"
