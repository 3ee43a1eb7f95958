"""The one door: the order of its guards, who is refused, and what every face can rely on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from pydantic import Field

from aetherd.core.context import Origin, origin
from aetherd.core.errors import Forbidden, Invalid, NotFound
from aetherd.core.model import Model
from aetherd.operations.dispatch import Authorise, Dispatcher, Guard, Invocation, Proceed, validate
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation, operations_of
from aetherd.operations.registry import Registry

pytestmark = pytest.mark.anyio


class ThingRef(Model):
    """Names a thing."""

    id: str | None = Field(default=None, max_length=20, description="thing id")


class Thing(Model):
    """A thing."""

    id: str
    origin: str = ""


class ThingService:
    """Keeps things."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    @operation("thing.get", effect=Effect.READ, access=Subject("thing", "id"), positional=("id",))
    async def get(self, input: ThingRef, call: Call) -> Thing:
        """Show a thing."""
        self.ran.append("get")
        return Thing(id=str(input.id), origin=origin.get().actor)

    @operation("thing.drop", effect=Effect.DESTROY, access=Subject("thing", "id"))
    async def drop(self, input: ThingRef, call: Call) -> Thing:
        """Drop a thing."""
        self.ran.append("drop")
        raise RuntimeError("crash")

    @operation("thing.reset", access=Rule.PEOPLE)
    async def reset(self, input: ThingRef, call: Call) -> Thing:
        """Reset all things."""
        return Thing(id="all")

    @operation("thing.watch", effect=Effect.READ, access=Rule.ANYONE)
    async def watch(self, input: ThingRef, call: Call) -> AsyncIterator[Thing]:
        """Watch things."""
        for n in range(3):
            yield Thing(id=str(n))


OWNERS = {
    "own": Owner("agent_a", "owner", "home"),
    "child": Owner("agent_child", "owner", "home", parent="agent_a"),
    "other": Owner("agent_b", "owner", "home"),
    "person": Owner(None, "owner", "home"),
    "stranger": Owner("agent_a", "stranger", "home"),
    "elsewhere": Owner("agent_a", "owner", "elsewhere"),
}


async def owner_of(key: str) -> Owner:
    if key not in OWNERS:
        raise NotFound(f"no thing {key}", kind="thing", id=key)
    return OWNERS[key]


def house(*extra: Guard) -> tuple[ThingService, Dispatcher]:
    service, registry = ThingService(), Registry()
    for op in operations_of(service):
        registry.add(op)
    registry.add_owners({"thing": owner_of})
    registry.check()
    authorise = Authorise(registry)
    return service, Dispatcher(registry, [authorise.scope, validate, authorise.subject, *extra])


def person(*scopes: str) -> Call:
    return Call("call_1", "user:owner", frozenset(scopes or ("*",)), "http")


def agent(*scopes: str) -> Call:
    return Call("call_1", "agent:agent_a", frozenset(scopes or ("*",)), "mcp", agent="agent_a")


async def test_the_caller_s_output_comes_back_and_the_origin_is_the_caller_only_meanwhile() -> None:
    _, dispatcher = house()
    assert await dispatcher.invoke("thing.get", {"id": "own"}, agent()) == Thing(id="own", origin="agent:agent_a")
    assert origin.get() == Origin()


async def test_an_unknown_operation_is_not_found() -> None:
    _, dispatcher = house()
    with pytest.raises(NotFound, match=r"no operation named 'thing\.fly'"):
        await dispatcher.invoke("thing.fly", {}, person())


async def test_the_scope_is_checked_before_the_input_is_looked_at() -> None:
    _, dispatcher = house()
    with pytest.raises(Forbidden) as refused:
        await dispatcher.invoke("thing.get", {"nonsense": 1}, person("process:read"))
    assert refused.value.data == {"scope": "thing:read"}


async def test_the_input_is_checked_before_its_owner_is_sought() -> None:
    service, dispatcher = house()
    with pytest.raises(Invalid) as wrong:
        await dispatcher.invoke("thing.get", {"id": "x" * 21}, agent())
    assert wrong.value.message == "thing.get: id: string should have at most 20 characters"
    assert "x" * 21 not in repr(wrong.value.body())  # what came in is not echoed: it may be a secret
    assert service.ran == []


@pytest.mark.parametrize("raw", [{"id": 1}, {"idd": "own"}, [], None, "own"])
async def test_whatever_comes_in_is_invalid_rather_than_a_crash(raw: Any) -> None:
    _, dispatcher = house()
    with pytest.raises(Invalid, match=r"thing\.get: "):
        await dispatcher.invoke("thing.get", raw, person())


@pytest.mark.parametrize(
    ("key", "allowed"),
    [("own", True), ("child", True), ("other", False), ("person", False), ("stranger", False), ("elsewhere", False)],
)
async def test_an_agent_reaches_its_own_things_and_its_children_s_and_no_others(key: str, allowed: bool) -> None:
    service, dispatcher = house()
    if allowed:
        await dispatcher.invoke("thing.get", {"id": key}, agent())
    else:
        with pytest.raises(Forbidden, match="belongs to somebody else"):
            await dispatcher.invoke("thing.get", {"id": key}, agent())
    assert service.ran == (["get"] if allowed else [])


@pytest.mark.parametrize(
    ("key", "allowed"), [("own", True), ("other", True), ("person", True), ("stranger", False), ("elsewhere", False)]
)
async def test_a_person_reaches_all_of_theirs_and_nobody_else_s(key: str, allowed: bool) -> None:
    _, dispatcher = house()
    if allowed:
        await dispatcher.invoke("thing.get", {"id": key}, person())
    else:
        with pytest.raises(Forbidden):
            await dispatcher.invoke("thing.get", {"id": key}, person())


async def test_a_thing_that_does_not_exist_is_not_found_before_it_is_forbidden() -> None:
    _, dispatcher = house()
    with pytest.raises(NotFound, match="no thing gone"):
        await dispatcher.invoke("thing.get", {"id": "gone"}, agent())


async def test_what_is_for_people_is_closed_to_agents_with_every_scope() -> None:
    _, dispatcher = house()
    await dispatcher.invoke("thing.reset", {}, person())
    with pytest.raises(Forbidden, match="for people"):
        await dispatcher.invoke("thing.reset", {}, agent("*"))


@pytest.mark.parametrize(
    ("scopes", "read", "write"),
    [
        ("*", True, True),
        ("*:read", True, False),
        ("*:write", False, True),
        ("thing:read", True, False),
        ("thing:*", False, False),
        ("thing", False, False),
        ("", False, False),
    ],
)
def test_only_two_wildcards_exist(scopes: str, read: bool, write: bool) -> None:
    call = person(scopes)
    assert (call.has("thing:read"), call.has("thing:write")) == (read, write)


async def test_a_stream_is_handed_out_unread() -> None:
    _, dispatcher = house()
    items = await dispatcher.invoke("thing.watch", {}, person())
    assert [item.id async for item in items] == ["0", "1", "2"]  # type: ignore[union-attr, attr-defined]


async def test_guards_run_outermost_first_and_the_handler_last() -> None:
    seen: list[str] = []

    def named(name: str) -> Guard:
        async def guard(invocation: Invocation, proceed: Proceed) -> Any:
            seen.append(f"{name} in entered={invocation.entered}")
            try:
                return await proceed()
            finally:
                seen.append(f"{name} out entered={invocation.entered}")

        return guard

    _, dispatcher = house(named("a"), named("b"))
    with pytest.raises(RuntimeError, match="crash"):
        await dispatcher.invoke("thing.drop", {"id": "own"}, agent())
    assert seen == ["a in entered=False", "b in entered=False", "b out entered=True", "a out entered=True"]


async def test_calls_at_once_keep_their_origins_apart() -> None:
    _, dispatcher = house()
    got: dict[str, str] = {}

    async def one(name: str) -> None:
        call = Call("c", name, frozenset("*"), "http")
        got[name] = (await dispatcher.invoke("thing.get", {"id": "own"}, call)).origin  # type: ignore[union-attr]

    async with anyio.create_task_group() as group:
        for n in range(10):
            group.start_soon(one, f"user:{n}")
    assert all(name == actor for name, actor in got.items())
