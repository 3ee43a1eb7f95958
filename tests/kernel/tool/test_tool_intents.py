"""What somebody wants in their own words leads to the right operation, over the whole catalogue."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from aetherd.core.config import Settings
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.operations.operation import Call

pytestmark = pytest.mark.anyio
INTENTS: Mapping[str, Sequence[str]] = tomllib.loads((Path(__file__).parent / "intents.toml").read_text())["intents"]
PERSON = Call("call_1", "user:owner", frozenset("*"), "mcp")
WANTED = 0.9  # how many of them must find it among the first three


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("remember something", "memory.remember"),
        ("forget", "memory.forget"),
        ("who did what audit", "audit.query"),
        ("create an agent identity", "agent.create"),
        ("MEMORY LIST", "memory.list"),
    ],
)
async def test_plain_words_find_their_operation_first(settings: Settings, query: str, best: str) -> None:
    found = await Kernel(settings, ROOMS, {}).dispatcher.invoke("tool.search", {"query": query}, PERSON)
    assert found.tools[0].name == best  # type: ignore[union-attr]


async def test_nine_of_ten_intents_find_their_operation_among_the_first_three(settings: Settings) -> None:
    kernel = Kernel(settings, ROOMS, {})
    names = {op.name for op in kernel.registry}
    missed = []
    for intent, right in INTENTS.items():
        assert set(right) <= names, f"{intent}: no operation {sorted(set(right) - names)}"
        found = await kernel.dispatcher.invoke("tool.search", {"query": intent, "limit": 3}, PERSON)
        if not {tool.name for tool in found.tools} & set(right):  # type: ignore[union-attr]
            missed.append((intent, [tool.name for tool in found.tools]))  # type: ignore[union-attr]
    assert len(INTENTS) >= 60
    assert len(missed) <= (1 - WANTED) * len(INTENTS), missed
