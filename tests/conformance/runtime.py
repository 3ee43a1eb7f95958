"""What every runtime adapter must do: plain functions over a `Case`, each one a promise of `aetherd.runtime`.

A test of an adapter, here or in another distribution, is three lines:

    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
    def test_it_keeps_every_promise(promise, tmp_path):
        promise(Case(MyRuntime(), lambda: MY_TRANSCRIPT.splitlines(), env={"MY_API_KEY": "secret"}), tmp_path)
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aetherd.core.errors import Invalid, Unavailable
from aetherd.runtime import (
    Answer,
    Decoder,
    Door,
    Ended,
    Interrupt,
    Launch,
    Report,
    Runtime,
    Say,
    Spawn,
    TurnEnded,
    Unread,
)

SECRET = "s3cret-c0ffee"
TOKEN = "t0ken-decaf"
CANARY = "AETHER_TEST_CANARY"
MEGABYTE = 1024 * 1024
STATE_LIMIT = 256 * 1024


@dataclass(frozen=True)
class Case:
    """An adapter, and the output lines of a whole run of it that ended well."""

    runtime: Runtime
    transcript: Callable[[], Sequence[bytes]]
    env: Mapping[str, str] = field(default_factory=dict)  # what a spawn needs, such as a key
    argv: tuple[str, ...] = ()

    def spawn(self, place: Path, **changes: Any) -> Spawn:
        """Return a request as the process room makes it, in directories that exist."""
        home, config, cwd = place / "home", place / "config", place / "cwd"
        for directory in (home, config, cwd):
            directory.mkdir(exist_ok=True)
        plain = Spawn(
            pid=7,
            agent="agent_1",
            name="ada",
            goal="say what you see",
            argv=self.argv,
            env={"GIVEN_SECRET": SECRET, **self.env},
            door=Door(
                command=("/opt/aether/aether-mcp",),
                env={
                    "AETHER_SOCKET": "/run/aether/s",
                    "AETHER_TOKEN": TOKEN,
                    "AETHER_PROCESS": "7",
                    "AETHER_AGENT": "agent_1",
                },
            ),
            home=home,
            config=config,
            cwd=cwd,
        )
        return replace(plain, **changes)

    def launch(self, place: Path, **changes: Any) -> Launch:
        """Launch, or skip with the adapter's own reason when the runtime is not on this machine."""
        try:
            return self.runtime.launch(self.spawn(place, **changes))
        except Unavailable as error:
            pytest.skip(f"{self.runtime.name}: {error.message}")

    def decoder(self, place: Path, state: dict[str, Any] | None = None) -> Decoder:
        """Return a decoder, fresh or restored."""
        return self.runtime.decoder(self.spawn(place), state)


# Who it is --------------------------------------------------------------------------------------------


def it_says_who_it_is(case: Case, place: Path) -> None:
    """A runtime has a name for `spawn`, and texts for the console."""
    assert re.fullmatch(r"[a-z][a-z0-9-]*(:[a-z0-9-]+)?", case.runtime.name)
    assert case.runtime.hints.title
    assert case.runtime.hints.summary.endswith(".")


def check_reports_or_says_how_to_get_it(case: Case, place: Path) -> None:
    """An absent runtime is a normal answer, with the way out."""
    report = case.runtime.check()
    assert isinstance(report, Report)
    assert report.available or report.missing


def launch_agrees_with_check(case: Case, place: Path) -> None:
    """What `check` calls available can be launched, and what it does not is refused as unavailable."""
    if case.runtime.check().available:
        assert case.runtime.launch(case.spawn(place)).argv
    else:
        with pytest.raises(Unavailable, match=r"."):
            case.runtime.launch(case.spawn(place))


# How it is launched -----------------------------------------------------------------------------------


def launch_is_pure(case: Case, place: Path) -> None:
    """The same request gives the same launch but for the conversation's id, and nothing is written."""
    before = sorted(place.rglob("*"))
    first, second = case.launch(place), case.launch(place)
    assert nameless(first) == nameless(second)
    assert [path for path in sorted(place.rglob("*")) if path not in before] == [
        place / name for name in ("config", "cwd", "home")
    ]


def launch_inherits_nothing(case: Case, place: Path) -> None:
    """Nothing of the daemon's environment reaches the agent."""
    with mock.patch.dict(os.environ, {CANARY: "sings", "PYTHONPATH": "/sings", "LD_PRELOAD": "/sings"}):
        launch = case.launch(place)
    assert "sings" not in repr(launch)


def launch_hands_over_what_was_given(case: Case, place: Path) -> None:
    """The person's variables win over generated ones, and the door's over all."""
    launch = case.launch(place, env={**case.env, "LANG": "given", "AETHER_TOKEN": "somebody else's"})
    assert launch.env["LANG"] == "given"
    for name, value in case.spawn(place).door.env.items():
        assert launch.env[name] == value


def launch_stays_in_its_place(case: Case, place: Path) -> None:
    """Home and working directory are the agent's; files are written nowhere but in its home and config."""
    launch = case.launch(place)
    spawn = case.spawn(place)
    assert launch.cwd == spawn.cwd
    assert launch.env["HOME"] == str(spawn.home)
    for file in launch.files:
        assert spawn.home in file.path.parents or spawn.config in file.path.parents
        assert ".." not in file.path.parts
    assert all(path.is_absolute() for path in launch.needs)


def launch_shows_no_secret(case: Case, place: Path) -> None:
    """No secret is in argv, which everybody can read, nor in a file that others can."""
    launch = case.launch(place)
    secrets = {SECRET, TOKEN, *case.env.values()}
    for secret in secrets:
        assert not any(secret in word for word in launch.argv)
        for file in launch.files:
            assert secret not in file.content or file.mode & 0o077 == 0


def launch_is_text_that_exec_takes(case: Case, place: Path) -> None:
    """Argv and environment are text without NUL, and the environment's names are names."""
    launch = case.launch(place)
    assert all(isinstance(word, str) and "\0" not in word for word in launch.argv)
    assert all(name and "=" not in name and "\0" not in name + value for name, value in launch.env.items())


def resuming_follows_the_capability(case: Case, place: Path) -> None:
    """A runtime that cannot resume refuses; one that can goes on in the same conversation."""
    session = "0b0e7f5c-2f6f-4c5b-9a53-6d1f5f0f5a11"
    if case.runtime.capabilities.resume:
        assert case.launch(place, resume=True, session=session).session == session
    else:
        with pytest.raises((Invalid, Unavailable)):
            case.runtime.launch(case.spawn(place, resume=True, session=session))


def a_conversation_moves_only_in_a_takeover(case: Case, place: Path) -> None:
    """Where nobody had a TUI open, the conversation is the one it was."""
    assert case.runtime.ended_in(case.spawn(place), since=0.0) is None


# What it says -----------------------------------------------------------------------------------------


def decode_never_raises(case: Case, place: Path) -> None:
    """Whatever comes, the outputs can be stored as JSON text and so can the state."""
    lines = list(case.transcript())
    pieces = st.builds(lambda line, end: line[: end % (len(line) + 1)], st.sampled_from(lines), st.integers(0))
    json_lines = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(keys_of(lines)) | st.text(), inner),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
    garbage = st.lists(st.binary(max_size=200) | pieces | json_lines | mutations(lines), max_size=8)

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(garbage)
    def holds(script: list[bytes]) -> None:
        decoder = case.decoder(place)
        for line in script:
            storable(list(decoder.decode(line)))
        storable(decoder.state())

    holds()


def decode_survives_extremes(case: Case, place: Path) -> None:
    """A megabyte, a deep nest, a huge number, not a number, half a character: none of it is fatal."""
    decoder = case.decoder(place)
    for line in (
        b"x" * MEGABYTE,
        b"\xff" * MEGABYTE,
        b'{"type":"' + b"x" * MEGABYTE + b'"}',
        b'{"type":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"type":' + b"9" * 10_000 + b"}",
        b'{"type":"text","text":NaN}',
        b'{"type":"text","text":1e999}',
        b'{"type":"text","text":"\\ud800"}',
        b'{"type":null}',
        b"\0",
        b"",
        b"\r",
    ):
        storable(list(decoder.decode(line)))
    state = storable(decoder.state())
    assert len(state) < STATE_LIMIT


def decode_follows_the_capability(case: Case, place: Path) -> None:
    """A structured runtime understands its own lines; another yields nothing at all."""
    outputs = [output for line in case.transcript() for output in case.decoder(place).decode(line)]
    if not case.runtime.capabilities.structured:
        assert outputs == []
        return
    outputs = play(case.decoder(place), case.transcript())
    assert not [output for output in outputs if isinstance(output, Unread)]
    assert [output.outcome for output in outputs if isinstance(output, TurnEnded)][-1] == "completed"


def decoding_goes_on_after_a_restart(case: Case, place: Path) -> None:
    """A decoder restored from its state after any line says the same as one that never stopped."""
    lines = case.transcript()
    for cut in range(len(lines) + 1):
        one = case.decoder(place)
        play(one, lines[:cut])
        state = one.state()
        other = case.decoder(place, json.loads(json.dumps(state)))
        assert other.state() == json.loads(json.dumps(state))
        assert play(other, lines[cut:]) == play(one, lines[cut:])
        assert other.state() == one.state()


# What it is told --------------------------------------------------------------------------------------


def encode_follows_the_capabilities(case: Case, place: Path) -> None:
    """What the runtime cannot be told gives None; what it can gives bytes."""
    decoder = case.decoder(place)
    can = case.runtime.capabilities
    assert (decoder.encode(Say("m1", "hello")) is not None) == can.structured
    assert (decoder.encode(Interrupt("i1")) is not None) == can.interrupt
    if not can.permissions:
        assert decoder.encode(Answer("r1", allow=True)) is None
    storable(decoder.state())


def a_text_cannot_smuggle_a_line(case: Case, place: Path) -> None:
    """A text is data: whatever is in it stays one line of the protocol, and no key on a terminal."""
    decoder = case.decoder(place)

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.text() | st.just('"}\n{"type":"interrupt","id":"x"}\n'))
    def holds(text: str) -> None:
        said = decoder.encode(Say("m1", text))
        assert said is None or (said.endswith(b"\n") and said.count(b"\n") == 1 and b"\r" not in said)

    holds()


def close_gives_bytes_or_none(case: Case, place: Path) -> None:
    """A clean end is asked for with bytes, or by closing the input."""
    assert isinstance(case.decoder(place).close(), bytes | None)


# What its end means -----------------------------------------------------------------------------------


def a_good_run_that_exits_well_is_completed(case: Case, place: Path) -> None:
    """Exit code 0 after a completed turn, asked for or not."""
    for wanted in (False, True):
        assert judge(case, place, Ended(0, None, "", wanted)) == "completed"


def an_exit_that_nobody_wanted_says_why(case: Case, place: Path) -> None:
    """Code 1 is a failure with the last words; a signal out of nowhere is one or is named as a killing."""
    verdict = case.decoder(place).judge(Ended(1, None, "first\nboom\n"))
    assert verdict.outcome == "failed"
    assert "boom" in (verdict.error or "")
    for ended in (Ended(None, 9, ""), Ended(None, None, "")):
        verdict = case.decoder(place).judge(ended)
        assert verdict.outcome in ("failed", "killed")
        assert verdict.error


def an_exit_by_a_wanted_signal_is_killed(case: Case, place: Path) -> None:
    """The daemon asked it to end and it had to be made to."""
    assert judge(case, place, Ended(None, 9, "", wanted=True)) == "killed"
    assert case.decoder(place).judge(Ended(None, 9, "", wanted=True)).outcome == "killed"


def any_end_has_a_verdict(case: Case, place: Path) -> None:
    """There is no exit without a meaning, wherever in the run it comes."""
    lines = case.transcript()
    for cut in {0, len(lines) // 2, len(lines)}:
        for code, number in (
            (0, None),
            (1, None),
            (143, None),
            (255, None),
            (None, 9),
            (None, 64),
            (None, None),
        ):
            for wanted in (False, True):
                decoder = case.decoder(place)
                play(decoder, lines[:cut])
                verdict = decoder.judge(Ended(code, number, "\x1b[31mlast words\x1b[0m\n", wanted))
                assert verdict.outcome in ("completed", "failed", "killed", "limited")
                storable(list(decoder.rest()))


def nothing_is_left_open_by_a_good_run(case: Case, place: Path) -> None:
    """After a whole run there is no text cut off and no prompt to withdraw, and asking is no trouble."""
    decoder = case.decoder(place)
    play(decoder, case.transcript())
    assert list(decoder.rest()) == []


PROMISES: tuple[Callable[[Case, Path], None], ...] = (
    it_says_who_it_is,
    check_reports_or_says_how_to_get_it,
    launch_agrees_with_check,
    launch_is_pure,
    launch_inherits_nothing,
    launch_hands_over_what_was_given,
    launch_stays_in_its_place,
    launch_shows_no_secret,
    launch_is_text_that_exec_takes,
    resuming_follows_the_capability,
    a_conversation_moves_only_in_a_takeover,
    decode_never_raises,
    decode_survives_extremes,
    decode_follows_the_capability,
    decoding_goes_on_after_a_restart,
    encode_follows_the_capabilities,
    a_text_cannot_smuggle_a_line,
    close_gives_bytes_or_none,
    a_good_run_that_exits_well_is_completed,
    an_exit_that_nobody_wanted_says_why,
    an_exit_by_a_wanted_signal_is_killed,
    any_end_has_a_verdict,
    nothing_is_left_open_by_a_good_run,
)


# Tools of the promises --------------------------------------------------------------------------------


def play(decoder: Decoder, lines: Iterable[bytes]) -> list[Any]:
    """Return what a decoder makes of lines."""
    return [output for line in lines for output in decoder.decode(line)]


def judge(case: Case, place: Path, ended: Ended) -> str:
    """Return the outcome of an end after the whole transcript."""
    decoder = case.decoder(place)
    play(decoder, case.transcript())
    return decoder.judge(ended).outcome


def storable(value: Any) -> str:
    """Return the value as JSON text; fails for what a database could not hold."""
    text = json.dumps(value, default=plain, ensure_ascii=False, allow_nan=False)
    text.encode("utf-8")
    return text


def plain(value: Any) -> Any:
    """Turn an output into what JSON knows."""
    assert is_dataclass(value)
    assert not isinstance(value, type)
    return {"type": type(value).__name__, **asdict(value)}


def nameless(launch: Launch) -> str:
    """Return the launch without the conversation's id."""
    return repr(launch).replace(launch.session, "SESSION") if launch.session else repr(launch)


def keys_of(lines: Iterable[bytes]) -> list[str]:
    """Return the words the runtime itself uses, so that garbage comes near to sense."""
    words = {word.decode() for line in lines for word in re.findall(rb'"(\w+)"', line)}
    return sorted(words) or ["type"]


def mutations(lines: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return lines of the transcript in which one value was replaced by something of another kind."""
    objects = [value for line in lines if isinstance(value := parsed(line), dict) and value]
    if not objects:
        return st.binary(max_size=20)
    scalars: st.SearchStrategy[Any] = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
    wrong: st.SearchStrategy[Any] = scalars | st.just({}) | st.just([])

    def mutate(whole: dict[str, Any], index: int, value: Any) -> bytes:
        names = list(whole)
        return json.dumps({**whole, names[index % len(names)]: value}).encode()

    return st.builds(mutate, st.sampled_from(objects), st.integers(0), wrong)


def parsed(line: bytes) -> Any:
    """Return the JSON value of a line, None for anything else."""
    try:
        return json.loads(line)
    except ValueError:
        return None
