"""The language between `{{` and `}}`, and of `when` and `until`: paths, literals, comparisons. It runs no code.

A text that is one `{{ path }}` alone stands for the value itself; in a longer text values are written out.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Path = tuple[str | int, ...]
Look = Callable[[Path], Any]  # returns what a path names, or raises Wrong
Tree = Any  # nested tuples: (kind, …)

LONGEST = 2_000  # characters of one expression
DEEPEST = 40  # parentheses and `not` in one another
RENDERED, ALL = 1 << 20, 4 << 20  # characters that one text may become, and all that is filled in at once

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<text>"(?:[^"\\]|\\.)*"|'[^']*')"""
    r"""|(?P<mark>==|!=|<=|>=|[<>.\[\]()]))"""
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_WORDS = {"and", "or", "not", "in", "contains"}


class Wrong(ValueError):
    """Raised for an expression that cannot be read, or that names what there is not."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One that was read."""

    tree: Tree
    paths: tuple[Path, ...]  # all that it refers to

    def value(self, look: Look) -> Any:
        """Return what it comes to."""
        return _value(self.tree, look)


@lru_cache(maxsize=4096)
def read(text: str) -> Expression:
    """Read an expression; raises `Wrong`."""
    return _Reader(text).all()


class _Reader:
    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise Wrong(f"an expression of {len(text):,} characters, at most {LONGEST:,}")
        self._text, self._tokens, self._at, self._paths = text.strip(), list(_tokens(text)), 0, list[Path]()
        self._depth = 0

    def all(self) -> Expression:
        if not self._tokens:
            raise Wrong("an empty expression; name something, such as steps.first.output")
        tree = self._or()
        if self._at < len(self._tokens):
            raise Wrong(f"{self._text!r}: {self._tokens[self._at][1]!r} was not expected there")
        return Expression(tree, tuple(self._paths))

    def _next(self, *wanted: str) -> str | None:
        """Take the next token if it is one of these."""
        if self._at < len(self._tokens) and self._tokens[self._at][0] != "text":
            word = self._tokens[self._at][1]
            if word in wanted:
                self._at += 1
                return word
        return None

    def _or(self) -> Tree:
        found = self._and()
        while self._next("or"):
            found = ("or", found, self._and())
        return found

    def _and(self) -> Tree:
        found = self._not()
        while self._next("and"):
            found = ("and", found, self._not())
        return found

    def _not(self) -> Tree:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Wrong(f"{self._text[:60]!r}…: nested deeper than {DEEPEST}")
        found = ("not", self._not()) if self._next("not") else self._compared()
        self._depth -= 1
        return found

    def _compared(self) -> Tree:
        left = self._operand()
        if sign := self._next("==", "!=", "<", "<=", ">", ">=", "in", "contains"):
            return ("compare", sign, left, self._operand())
        return left

    def _operand(self) -> Tree:
        if self._at >= len(self._tokens):
            raise Wrong(f"{self._text!r} ends too early")
        kind, word = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return ("value", float(word) if "." in word else int(word))
        if kind == "text":
            return ("value", _unquoted(word))
        if kind == "name" and word in _CONSTANTS:
            return ("value", _CONSTANTS[word])
        if kind == "name" and word not in _WORDS:
            return ("path", self._path(word))
        if word == "(":
            found = self._or()
            if not self._next(")"):
                raise Wrong(f"{self._text!r}: a parenthesis is not closed")
            return found
        raise Wrong(f"{self._text!r}: {word!r} was not expected there")

    def _path(self, root: str) -> Path:
        parts: list[str | int] = [root]
        while sign := self._next(".", "["):
            kind, word = self._tokens[self._at] if self._at < len(self._tokens) else ("", "the end")
            self._at += 1
            if sign == "." and kind == "name":
                parts.append(word)
            elif sign == "[" and kind == "text":
                parts.append(_unquoted(word))
            elif kind == "number" and word.lstrip("-").isdigit():
                parts.append(int(word))
            else:
                raise Wrong(f"{self._text!r}: {word!r} after {sign!r}; write a name, a number or a quoted text")
            if sign == "[" and not self._next("]"):
                raise Wrong(f"{self._text!r}: a bracket is not closed")
        self._paths.append(tuple(parts))
        return tuple(parts)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Wrong(
                f"{text.strip()!r}: cannot read {text[at:].strip()[:20]!r}; calls and arithmetic do not exist here"
            )
        assert found.lastgroup is not None
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()


def _unquoted(word: str) -> str:
    try:
        return str(json.loads(word)) if word[0] == '"' else word[1:-1]
    except ValueError:
        raise Wrong(f"{word}: not a text in JSON; write '…' to have it as it stands") from None


def _value(tree: Tree, look: Look) -> Any:
    match tree:
        case ("value", value):
            return value
        case ("path", path):
            return look(path)
        case ("not", inner):
            return not _value(inner, look)
        case ("and", left, right):
            return bool(_value(left, look)) and bool(_value(right, look))
        case ("or", left, right):
            return bool(_value(left, look)) or bool(_value(right, look))
        case _:
            _, sign, left, right = tree
            return _compare(sign, _value(left, look), _value(right, look))


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign in ("==", "!="):
        return bool(left == right) is (sign == "==")
    if sign == "contains":
        sign, left, right = "in", right, left
    try:
        return bool(left in right) if sign == "in" else bool(_ORDER[sign](left, right))
    except TypeError:
        raise Wrong(f"{shown(left)} {sign} {shown(right)} cannot be compared") from None


# Texts with expressions in them ----------------------------------------------------------------------


def _parts(text: str) -> tuple[str | Expression, ...]:
    """Cut a text into what stands as it is and what is to be put in; a long text is not kept for the next time."""
    return _kept(text) if len(text) <= LONGEST else _cut(text)


def _cut(text: str) -> tuple[str | Expression, ...]:
    found: list[str | Expression] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            raise Wrong("`{{` without its `}}`")
        found += [text[at:start], read(text[start + 2 : end])]
        at = end + 2
    found.append(text[at:])
    return tuple(part for part in found if part != "")


_kept = lru_cache(maxsize=4096)(_cut)


def render(value: Any, look: Look) -> Any:
    """Return a value with every `{{ … }}` in it replaced; raises `Wrong`."""
    return _Filling(look).of(value)


class _Filling:
    """Fills in one value; a reference counts as long as what it names, each time, since each is written out later."""

    def __init__(self, look: Look) -> None:
        self._look, self._left = look, ALL

    def of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value) if "{{" in value else value
        if isinstance(value, Mapping):
            return {key: self.of(inner) for key, inner in value.items()}
        if isinstance(value, Sequence):
            return [self.of(inner) for inner in value]
        return value

    def _text(self, text: str) -> Any:
        parts = _parts(text)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            value = parts[0].value(self._look)
            self._take(weight(value, self._left))
            return value
        written, length = list[str](), 0
        for part in parts:
            written.append(part if isinstance(part, str) else written_out(part.value(self._look)))
            length += len(written[-1])
            if length > RENDERED:
                raise Wrong(f"a text that becomes longer than {RENDERED:,} characters")
        self._take(length)
        return "".join(written)

    def _take(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise Wrong(f"all that is filled in comes to more than {ALL:,} characters; name files instead")


def weight(value: Any, most: int) -> int:
    """Return how long a value is as JSON, nearly; of one that is longer than `most` only that it is."""
    size, left = 0, [value]
    while left and size <= most:
        match left.pop():
            case str(text):
                size += len(text) + 3
            case dict(fields):
                size += sum(map(len, fields)) + 5 * len(fields)
                left += fields.values()
            case list(items):
                size += 2 * len(items)
                left += items
            case _:
                size += 8
    return size


def paths(value: Any) -> Iterator[Path]:
    """Yield all that a value's expressions refer to; raises `Wrong`."""
    if isinstance(value, str):
        if "{{" in value:
            for part in _parts(value):
                if isinstance(part, Expression):
                    yield from part.paths
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from paths(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from paths(inner)


def written_out(value: Any) -> str:
    """Return a value as it stands in a text: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(value: Any) -> str:
    """Return a value for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"


def walk(value: Any, path: Path, past: int) -> Any:
    """Follow a path into a value, of which the first `past` parts were followed already."""
    for at in range(past, len(path)):
        part = path[at]
        try:
            if not isinstance(value, list if isinstance(part, int) else dict):
                raise KeyError
            value = value[part]  # type: ignore[index]  # a list by number, a mapping by name: just looked at
        except (KeyError, IndexError):
            known = f"; it has {', '.join(sorted(map(str, value))[:12])}" if isinstance(value, dict) and value else ""
            raise Wrong(f"{spelt(path[:at])} is {shown(value)}: it has no {part!r}{known}") from None
    return value


def spelt(path: Path) -> str:
    """Write a path."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
