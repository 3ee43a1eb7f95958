"""Patterns that answer in advance cover what a person means by them, and never a second command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherd.core.errors import Invalid
from aetherd.kernel.approval.rules import check, main_text, matches

SEPARATORS = (";", "&", "&&", "|", "||", "`", "$(", "\n", "<", ">")


@pytest.mark.parametrize(
    ("pattern", "tool", "text", "covered"),
    [
        ("Bash", "Bash", "anything; at all", True),
        ("Bash", "Write", "x", False),
        ("Bash(ls)", "Bash", "ls", True),
        ("Bash(ls)", "Bash", "ls -l", False),
        ("Bash(ls*)", "Bash", "ls -l", True),
        ("Bash(git *)", "Bash", "git status", True),
        ("Bash(git *)", "Bash", "rm x; git status", False),
        ("Bash(git *)", "Bash", "GIT status", False),
        ("Bash(git status; ls)", "Bash", "git status; ls", True),
        ("Bash(npm run (a|b))", "Bash", "npm run (a|b)", True),
        ("mcp__*", "mcp__files__read", "x", True),
        ("mcp__*", "Bash", "x", False),
        ("*", "Bash", "x", True),
        ("Ba*(git *)", "Bash", "git status; rm x", False),
        ("Write(/tmp/*)", "Write", "/tmp/a;b", True),
        ("process.kill", "process.kill", "", True),
    ],
)
def test_a_pattern_covers_what_it_says(pattern: str, tool: str, text: str, covered: bool) -> None:
    assert check(pattern) == pattern
    assert matches(pattern, tool, {"command": text}) is covered


@given(st.text(max_size=20), st.sampled_from(SEPARATORS), st.text(max_size=20))
def test_a_wildcard_never_swallows_a_second_command(before: str, separator: str, after: str) -> None:
    command = f"git {before}{separator}{after}"
    for pattern in ("Bash(git *)", "Bash(*)", "Bash(git*status)", "*(git *)"):
        assert not matches(pattern, "Bash", {"command": command})


@pytest.mark.parametrize("pattern", ["", "Bash(git *", "Bash git", "(git)", "Bash)", "Bash(a) b", "a b(c)"])
def test_what_is_not_a_pattern_is_refused_and_matches_nothing(pattern: str) -> None:
    with pytest.raises(Invalid, match="is not `Tool` or"):
        check(pattern)
    assert not matches(pattern, "Bash", {"command": "git"})


def test_the_text_of_a_call_is_the_argument_a_person_means() -> None:
    assert main_text({"timeout": 3, "command": "ls"}) == "ls"
    assert main_text({"file_path": "/a", "content": "x"}) == "/a"
    assert main_text({"url": 7, "pid": 3}) == '{"pid": 3, "url": 7}'
    assert matches('process.kill({"pid": 3})', "process.kill", {"pid": 3})
