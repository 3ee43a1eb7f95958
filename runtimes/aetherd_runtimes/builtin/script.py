"""The directives of a scripted demonstration, for tests and benchmarks: one per line after `demo:`.

    call TOOL {"argument": 1}   call the tool (the object may be left out); a refusal is kept for the end.
                                An argument "$task.id" or "$messages.0.id" is that part of the newest answer
                                that has it
    say TEXT                    say it
    think TEXT                  show it as a thought
    wait message [SECONDS]      wait for something said that no earlier `wait` has used; failed after SECONDS
    sleep SECONDS               do nothing for so long
    fail TEXT                   end the turn as failed
    repeat N DIRECTIVE          the directive N times

Empty lines and lines that begin with # are left out. A wrong line fails the turn before anything is done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

REFERENCE = re.compile(r"\$[A-Za-z_]\w*(\.\w+)*")
MOST_REPEATS = 1_000_000
LONGEST_SLEEP_S = 3600.0


class WrongScript(Exception):
    """Raised with the number of the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One line; only the facts of its verb are set."""

    verb: Literal["call", "say", "think", "wait", "sleep", "fail"]
    text: str = ""  # what to say, the tool to call
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    times: int = 1


def is_script(text: str) -> bool:
    """Return whether the text is a scripted demonstration."""
    return text.lstrip().startswith("demo:")


def parse(text: str) -> list[Directive]:
    """Return the directives of a text for which `is_script` holds."""
    directives = []
    for number, raw in enumerate(text.lstrip().removeprefix("demo:").splitlines(), 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            try:
                directives.append(_directive(line, 1))
            except (ValueError, RecursionError) as error:
                raise WrongScript(f"line {number} of the script: {error}") from error
    return directives


def unroll(directives: list[Directive]) -> Iterator[Directive]:
    """Yield every directive as often as it is to be done."""
    for directive in directives:
        for _ in range(directive.times):
            yield directive


def filled(value: Any, answers: Sequence[Any]) -> Any:
    """Return arguments with what earlier answers said in place of `$path`; `WrongScript` when none said it."""
    if isinstance(value, dict):
        return {key: filled(inner, answers) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, answers) for inner in value]
    if not (isinstance(value, str) and REFERENCE.fullmatch(value)):
        return value
    for answer in reversed(answers):
        found = answer
        for part in value[1:].split("."):
            if isinstance(found, dict):
                found = found.get(part)
            else:
                found = (
                    found[int(part)]
                    if isinstance(found, list) and part.isdecimal() and int(part) < len(found)
                    else None
                )
        if found is not None:
            return found
    raise WrongScript(f"no answer so far has {value[1:]}")


def _directive(line: str, times: int) -> Directive:
    verb, _, rest = line.partition(" ")
    rest = rest.strip()
    match verb:
        case "repeat":
            count, _, inner = rest.partition(" ")
            times *= int(count)
            if not 0 <= times <= MOST_REPEATS:
                raise ValueError(f"at most {MOST_REPEATS} repeats")
            return _directive(inner.strip(), times)
        case "call":
            tool, _, arguments = rest.partition(" ")
            value = json.loads(arguments) if arguments.strip() else {}
            if not tool or not isinstance(value, dict):
                raise ValueError("a call needs the name of a tool and a JSON object")
            return Directive("call", tool, value, times=times)
        case "say" | "think" | "fail" if rest:
            return Directive(verb, rest, times=times)
        case "wait" if rest.split()[:1] == ["message"]:
            return Directive("wait", seconds=_seconds(rest.removeprefix("message")), times=times)
        case "sleep" if rest:
            return Directive("sleep", seconds=_seconds(rest), times=times)
    raise ValueError(f"I do not know {line[:80]!r}")


def _seconds(text: str) -> float | None:
    if not text.strip():
        return None
    seconds = float(text)
    if not 0 <= seconds <= LONGEST_SLEEP_S:
        raise ValueError(f"between 0 and {LONGEST_SLEEP_S:.0f} seconds")
    return seconds
