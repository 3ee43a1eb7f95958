"""How agents are named in commits."""

from __future__ import annotations

import re

from aetherd.kernel.worktree.tables import WorktreeRow

HOUSE = ("aetherd", "aetherd@aetherd.invalid")


def address(agent: str) -> str:
    """Return the address an agent commits under: it is nobody's."""
    return f"{agent}@aetherd.invalid"


def whose(row: WorktreeRow) -> str:
    """Return an agent as git names people."""
    return f"{row.name} <{address(row.agent)}>"


def credited(message: str, row: WorktreeRow) -> str:
    """Return a commit message with the agent as co-author, among the trailers if it has some."""
    text = message.rstrip() + "\n"
    trailers = "\n\n" in text and re.fullmatch(r"(?:[\w-]+: .*\n)+", text.rsplit("\n\n", 1)[-1])
    return f"{text}{'' if trailers else chr(10)}Co-authored-by: {whose(row)}\n"
