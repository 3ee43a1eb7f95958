"""The Dispatcher: the only door into the kernel, the same for every face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from aetherd.core.context import Origin, origin
from aetherd.core.errors import Forbidden, Invalid
from aetherd.operations.operation import Call, Operation, Owner, Result, Rule, Subject
from aetherd.operations.registry import Registry

Proceed = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class Invocation:
    """One call on its way in: guards read it, `validate` fills `input`."""

    name: str
    op: Operation | None  # None: no such operation; still audited
    raw: dict[str, Any]
    call: Call
    input: BaseModel | None = None
    entered: bool = False  # every guard let it through and the handler has begun


class Guard(Protocol):
    """One layer of the onion. Their order is written once, in `daemon/kernel.py`."""

    async def __call__(self, invocation: Invocation, proceed: Proceed) -> Any:
        """Refuse by raising, or return `await proceed()`."""
        ...


@contextmanager
def acting(call: Call) -> Iterator[None]:
    """Stamp what happens in here with the caller."""
    token = origin.set(Origin(call.actor, call.id, call.user, call.org))
    try:
        yield
    finally:
        origin.reset(token)


class Dispatcher:
    """Faces, and rooms acting for a user, all come through here."""

    def __init__(self, registry: Registry, guards: Sequence[Guard]) -> None:
        self.registry, self._guards = registry, tuple(guards)

    def use(self, guards: Sequence[Guard]) -> None:
        """Set the guards, outermost first; once, before the first call."""
        self._guards = tuple(guards)

    async def invoke(self, name: str, raw: dict[str, Any], call: Call) -> Result:
        """Run one operation: its output, or an async iterator of outputs when it streams."""
        op = self.registry.get(name)
        invocation = Invocation(name, op, raw, call)

        async def handle() -> Any:
            assert invocation.op is not None
            invocation.entered = True
            result = invocation.op.handler(input=invocation.input, call=call)
            return result if invocation.op.streams else await result

        run: Proceed = handle
        for guard in reversed(self._guards):
            run = partial(guard, invocation, run)
        token = origin.set(Origin(call.actor, call.id, call.user, call.org))  # as `acting` does, for every call
        try:
            result: Result = await run()
            return result
        finally:
            origin.reset(token)


class Authorise:
    """Refuse a caller without the scope, and one that does not own the subject."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def scope(self, invocation: Invocation, proceed: Proceed) -> Any:
        """Look the operation up and check the scope; runs before the input is looked at."""
        op = invocation.op
        if op is None:
            op = self._registry[invocation.name]  # raises NotFound
        call = invocation.call
        if not call.has(op.scope):
            raise Forbidden(f"{op.name} needs the scope {op.scope}", scope=op.scope)
        if not call.has(op.scope, op.name):
            raise Forbidden(
                f"{op.name} is not among the tools this run was given; a person can start it from another template",
                operation=op.name,
            )
        if op.access is Rule.PEOPLE and call.agent is not None:
            raise Forbidden(f"{op.name} is for people, not for agents", scope=op.scope)
        return await proceed()

    async def subject(self, invocation: Invocation, proceed: Proceed) -> Any:
        """Check that the caller owns what the input names."""
        op, call = invocation.op, invocation.call
        assert op is not None
        if isinstance(op.access, Subject):
            key = getattr(invocation.input, op.access.field)
            if key is not None and not call.owns(await self.owner(op.access, key)):
                raise Forbidden(f"{op.access.kind} {key} belongs to somebody else", kind=op.access.kind, id=str(key))
        return await proceed()

    async def owner(self, subject: Subject, key: Any) -> Owner:
        """Resolve the owner of a subject."""
        return await self._registry.owner_of(subject.kind, key)


async def validate(invocation: Invocation, proceed: Proceed) -> Any:
    """Turn the raw input into the operation's model, or say field by field what is wrong."""
    op = invocation.op
    assert op is not None
    try:
        invocation.input = op.input.model_validate(invocation.raw)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False, include_context=False)
        first = errors[0]
        where = ".".join(str(part) for part in first["loc"]) or "input"
        said = first["msg"].lower().removeprefix("value error, ")
        raise Invalid(f"{op.name}: {where}: {said}", errors=errors) from exc
    return await proceed()
