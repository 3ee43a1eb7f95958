"""Ranking operations by what somebody wants: full text over their names and documents, with the words people use."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from aetherd.operations.operation import Effect, Operation

SAID: Mapping[str, Mapping[str, str]] = tomllib.loads((Path(__file__).parent / "words.toml").read_text())
# How much a word found there weighs: in the name of an operation, its first sentence, the words that people say for
# it, the rest of its document, and the names and descriptions of its inputs.
WEIGHTS = (14.0, 6.0, 8.0, 1.0, 0.3)
WORDS = 40  # words of a query that count


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Something is asked, rather than to be done.
ASKING = _set("which what who whose when where how did does is are was were show see list")
ASKED = 1.25  # what an operation that only looks weighs more then
# Words that say nothing about which operation is meant.
EMPTY = _set("""
    a about again all am an and any anybody are as at be been before but by can could did do does for from get give
    given had has have how i in into is it its just keep let made make me my new not now of off on one or our out
    own right should so some somebody something still that the them then there they this to until up us want was we
    went what when where which while who whole will with you your
""")


class Ranking:
    """An index of operations, in memory; some 200 of them are searched in under a millisecond."""

    def __init__(self, operations: Collection[Operation]) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "CREATE VIRTUAL TABLE op USING fts5(name, summary, said, rest, fields, tokenize='porter unicode61')"
        )
        self._names: list[str] = []
        self._looking = {op.name for op in operations if op.effect is Effect.READ}
        for op in operations:
            self._names.append(op.name)
            row = (len(self._names), *_texts(op))
            self._database.execute(
                "INSERT INTO op(rowid, name, summary, said, rest, fields) VALUES (?, ?, ?, ?, ?, ?)", row
            )

    def fits(self, query: str) -> dict[str, float]:
        """Return operation -> how well it fits, the greater the better; only those that fit at all."""
        words = re.findall(r"[a-z0-9]+", query.lower())[:WORDS]
        found: dict[str, float] = {}
        met: dict[str, int] = {}
        meant = SAID["words"]
        wanted = [word for word in words if word not in EMPTY or word in meant] or words
        for word in wanted:
            for name, fit in self._about({word, *meant.get(word, "").split()} - EMPTY or {word}).items():
                found[name] = found.get(name, 0.0) + fit
                met[name] = met.get(name, 0) + 1
        looking = ASKED if ASKING.intersection(words) else 1.0
        return {
            name: fit * (1 + met[name] / len(wanted)) * (looking if name in self._looking else 1.0)
            for name, fit in found.items()
        }

    def _about(self, words: Iterable[str]) -> dict[str, float]:
        """Return how well each operation fits the word of these that fits it best."""
        best: dict[str, float] = {}
        for word in words:
            for row, fit in self._matches(word):
                name = self._names[row - 1]
                best[name] = max(best.get(name, 0.0), fit)
        return best

    def _matches(self, word: str) -> list[tuple[int, float]]:
        marks = ", ".join(str(weight) for weight in WEIGHTS)
        return self._database.execute(
            f"SELECT rowid, -bm25(op, {marks}) FROM op WHERE op MATCH ?", (f'"{word}"',)
        ).fetchall()


def _texts(op: Operation) -> tuple[str, ...]:
    name = op.name.replace(".", " ").replace("_", " ")
    fields = " ".join(f"{name} {field.description or ''}" for name, field in op.input.model_fields.items())
    said = SAID["operations"].get(op.name, "")
    return name, op.summary, said, op.doc.removeprefix(op.summary), fields.replace("_", " ")
