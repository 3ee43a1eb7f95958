"""Votes: what an agent's answer counts as, and whether the votes decide."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from aetherd.kernel.flow.definition import Vote

MOST = 2_000  # characters kept of what a voter said
VOTE = re.compile(r"\W*vote\W*:\W*", re.IGNORECASE)  # matched at the begin of a line, so that no text takes long


def ballot(vote: Vote, question: str, options: Sequence[str]) -> str:
    """Return what a voter is asked."""
    return (
        f"{question}\n\nChoose one of: {', '.join(options)}. Say why in a few words; end with a line that has nothing "
        "but the word VOTE, a colon and your choice."
    )


def choice(text: str, options: Sequence[str]) -> str | None:
    """Return the option somebody chose; None when it is none of them."""
    known = {option.strip().casefold(): option for option in options}
    lines, said = [line for line in text.splitlines() if line.strip()], list[str]()
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        if (found := VOTE.match(line)) is not None:
            said.append(line[found.end() :] or after)
    for word in (*reversed(said), text):
        if (option := known.get(word.strip(" \t\n\"'*_`.").casefold())) is not None:
            return option
    return None


def decided(vote: Vote, votes: Sequence[str | None]) -> str | None:
    """Return what the votes come to by the rule; None for a tie, or too few."""
    counts = Counter(one for one in votes if one is not None)
    if not counts:
        return None
    (best, most), *others = counts.most_common()
    needed = {"unanimous": len(votes), "majority": len(votes) // 2 + 1}.get(str(vote.rule))
    if needed is None:
        needed = int(vote.rule)
    if most < needed or any(count == most for _, count in others):
        return None
    return best


def leading(options: Sequence[str], votes: Sequence[str | None]) -> str:
    """Return the option most have chosen; of several the one that was named first."""
    counts = Counter(one for one in votes if one is not None)
    return max(options, key=lambda option: counts[option])
