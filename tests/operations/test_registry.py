"""The registry: programming errors are loud, at start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aetherd.core.errors import NotFound
from aetherd.core.model import Model
from aetherd.operations.operation import Call, Effect, Operation, Owner, Rule, Subject, operation, operations_of
from aetherd.operations.registry import Registry


class Thing(Model):
    """A thing."""


class ThingService:
    """Keeps things."""

    @operation("thing.get", effect=Effect.READ, access=Subject("thing", "id"))
    async def get(self, input: Thing, call: Call) -> Thing:
        """Show a thing.

        At length.
        """
        return Thing()


def the_operation() -> Operation:
    (op,) = operations_of(ThingService())
    return op


def test_an_operation_is_read_off_its_method() -> None:
    op = the_operation()
    assert (op.name, op.room, op.scope, op.effect) == ("thing.get", "thing", "thing:read", Effect.READ)
    assert (op.summary, op.input, op.output, op.streams) == ("Show a thing.", Thing, Thing, False)


def test_the_class_alone_is_enough_for_the_catalogue() -> None:
    (op,) = operations_of(ThingService)
    assert replace(op, handler=print) == replace(the_operation(), handler=print)


def test_a_name_given_twice_is_refused() -> None:
    registry = Registry()
    registry.add(the_operation())
    with pytest.raises(ValueError, match="already registered"):
        registry.add(the_operation())


@pytest.mark.parametrize(("change", "told"), [({"doc": ""}, "no docstring"), ({"access": None}, "no access rule")])
def test_an_operation_without_doc_or_rule_is_refused(change: dict[str, None], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Registry().add(replace(the_operation(), **change))  # type: ignore[arg-type]


async def owner(key: object) -> Owner:
    return Owner(None, "owner", "home")


def test_a_subject_nobody_resolves_is_found_at_start() -> None:
    registry = Registry()
    registry.add(the_operation())
    with pytest.raises(ValueError, match="nobody resolves owners of 'thing'"):
        registry.check()
    registry.add_owners({"thing": owner})
    registry.check()


def test_two_rooms_cannot_resolve_one_kind() -> None:
    registry = Registry()
    registry.add_owners({"thing": owner})
    with pytest.raises(ValueError, match="already resolved"):
        registry.add_owners({"thing": owner})


def test_an_unknown_operation_is_not_found_with_its_name() -> None:
    with pytest.raises(NotFound) as raised:
        Registry()["thing.fly"]
    assert raised.value.data == {"kind": "operation", "id": "thing.fly"}


def test_a_rule_needs_no_resolver() -> None:
    registry = Registry()
    registry.add(replace(the_operation(), access=Rule.OWN))
    registry.check()
