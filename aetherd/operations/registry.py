"""The registry of operations and of who owns the things they name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from aetherd.core.errors import NotFound
from aetherd.operations.operation import Operation, Owner, Subject

Resolver = Callable[[Any], Awaitable[Owner]]  # raises NotFound for an unknown id


class Registry:
    """Every operation by name. Collisions and missing docs are programming errors and raise at once."""

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._resolvers: dict[str, Resolver] = {}

    def add(self, op: Operation) -> None:
        """Register one operation."""
        if op.name in self._operations:
            raise ValueError(f"operation {op.name!r} is already registered")
        if not op.doc:
            raise ValueError(f"operation {op.name!r} has no docstring")
        if op.access is None:
            raise ValueError(f"operation {op.name!r} has no access rule")
        self._operations[op.name] = op

    def add_owners(self, resolvers: Mapping[str, Resolver]) -> None:
        """Register how a kind of subject finds its owner."""
        for kind, resolver in resolvers.items():
            if kind in self._resolvers:
                raise ValueError(f"owners of {kind!r} are already resolved elsewhere")
            self._resolvers[kind] = resolver

    def check(self) -> None:
        """Raise when an operation names a kind of subject nobody resolves."""
        for op in self:
            if isinstance(op.access, Subject) and op.access.kind not in self._resolvers:
                raise ValueError(f"operation {op.name!r}: nobody resolves owners of {op.access.kind!r}")

    async def owner_of(self, kind: str, key: Any) -> Owner:
        """Return the owner of a thing; `NotFound` when there is none."""
        return await self._resolvers[kind](key)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations.values())

    def __contains__(self, name: str) -> bool:
        return name in self._operations

    def get(self, name: str) -> Operation | None:
        """Return an operation, or None."""
        return self._operations.get(name)

    def __getitem__(self, name: str) -> Operation:
        if op := self._operations.get(name):
            return op
        raise NotFound(f"no operation named {name!r}", kind="operation", id=name)
