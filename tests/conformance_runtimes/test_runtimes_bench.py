"""The bench itself, on the two runtimes that are always there; `make runtimes` puts all of them through everything."""

from __future__ import annotations

import pytest

from tests.conformance_runtimes.behaviours import BEHAVIOURS
from tests.conformance_runtimes.kinds import kind
from tests.conformance_runtimes.run import drive
from tests.e2e.claude_lab import REPORT

SHORT = ("result", "usage", "key_hidden", "approve", "interrupt", "crash")
claude = pytest.param(
    "claude-code",
    marks=[pytest.mark.claude, pytest.mark.skipif(not REPORT.available, reason=REPORT.missing or "")],
)


@pytest.mark.parametrize("name", ["builtin", claude])
def test_a_task_a_question_an_interrupt_and_a_crash_are_as_they_are_shown(name: str) -> None:
    seen = drive(kind(name), [one for one in BEHAVIOURS if one.name in SHORT])
    assert {name: one for name, one in seen.observed.items() if not one.holds} == {}
    assert list(seen.observed) == list(SHORT)
