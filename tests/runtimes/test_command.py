"""Any program on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aetherd.core.errors import Invalid
from aetherd.runtime import Answer, Door, Ended, Interrupt, Say, Spawn
from aetherd_runtimes.command import Command


def spawn(place: Path, *argv: str, env: dict[str, str] | None = None) -> Spawn:
    return Spawn(
        pid=3,
        agent="agent_1",
        name="sh",
        goal="a note",
        argv=argv,
        home=place,
        config=place,
        cwd=place,
        env=env or {},
        door=Door(command=("aether-mcp",), env={"AETHER_TOKEN": "door"}),
    )


def judge(place: Path, *lines: bytes, **ended: Any) -> tuple[str, str | None]:
    command, request = Command(), spawn(place, "sh")
    decoder = command.decoder(request)
    for line in lines:
        assert list(decoder.decode(line)) == []
    restored = command.decoder(request, decoder.state())
    verdict = restored.judge(Ended(**{"code": None, "signal": None, "stderr": "", **ended}))
    return verdict.outcome, verdict.error


def test_it_runs_argv_as_given_on_a_terminal(tmp_path: Path) -> None:
    launch = Command().launch(spawn(tmp_path, "vim", "a file"))
    assert launch.argv == ("vim", "a file")
    assert launch.stdio == "pty"


def test_the_environment_is_enough_for_a_terminal(tmp_path: Path) -> None:
    env = Command().launch(spawn(tmp_path, "sh", env={"LANG": "de_DE.UTF-8", "AETHER_TOKEN": "mine"})).env
    assert env["TERM"] == "xterm-256color"
    assert env["HOME"] == str(tmp_path)
    assert env["LANG"] == "de_DE.UTF-8"
    assert env["AETHER_TOKEN"] == "door"
    assert {"PATH", "SHELL"} <= set(env)


@pytest.mark.parametrize("argv", [(), ("",), ("a\0b",)])
def test_without_a_program_it_is_invalid(tmp_path: Path, argv: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match="argv"):
        Command().launch(spawn(tmp_path, *argv))


def test_nothing_is_ever_typed_for_anybody(tmp_path: Path) -> None:
    decoder = Command().decoder(spawn(tmp_path, "sh"))
    for message in (Say("1", "rm -rf /", "now"), Interrupt("2"), Answer("3", allow=True)):
        assert decoder.encode(message) is None
    assert decoder.close() is None


def test_code_0_is_completed(tmp_path: Path) -> None:
    assert judge(tmp_path, code=0) == ("completed", None)
    assert judge(tmp_path, code=0, wanted=True) == ("completed", None)


def test_another_code_is_failed_with_the_last_line_a_person_saw(tmp_path: Path) -> None:
    lines = (b"working", b"10%\r100%\x1b[K\r", b"\x1b[31mfatal:\x1b[0m no such thing\r", b"\x1b[?25h")
    assert judge(tmp_path, *lines, code=2) == ("failed", "exited with code 2: fatal: no such thing")
    assert judge(tmp_path, b"50%\rdone 100%\r", code=1) == ("failed", "exited with code 1: done 100%")


def test_what_the_shim_says_goes_before_what_the_program_said(tmp_path: Path) -> None:
    error = judge(tmp_path, b"hello", code=127, stderr="nosuch: command not found\n")[1]
    assert error == "exited with code 127: nosuch: command not found"


def test_a_wanted_end_is_killed_and_an_unwanted_signal_is_failed(tmp_path: Path) -> None:
    assert judge(tmp_path, signal=9, wanted=True) == ("killed", None)
    assert judge(tmp_path, code=143, wanted=True) == ("killed", None)
    assert judge(tmp_path, signal=9) == ("failed", "ended by SIGKILL")
    assert judge(tmp_path, b"x", signal=64)[0] == "failed"
    assert judge(tmp_path) == ("failed", "ended, nobody saw how")


def test_a_long_line_does_not_make_a_long_state(tmp_path: Path) -> None:
    decoder = Command().decoder(spawn(tmp_path, "yes"))
    list(decoder.decode(b"x" * 1_000_000))
    assert len(decoder.state()["last"]) == 500
