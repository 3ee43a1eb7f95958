"""What people see."""

from __future__ import annotations

import pytest

from aetherd.ctl import overview, render


def test_columns_that_do_not_fit_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    render.table([{"long": "x" * 50, "pid": 7, "state": "running", "empty": None, "nested": {}}])
    assert capsys.readouterr().out.splitlines() == ["PID  STATE", "7    running"]


def test_what_a_thing_says_is_cut_to_the_room_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    render.table([{"layer": "semantic", "content": "the cellar door sticks in winter", "id": "m1"}])
    assert capsys.readouterr().out.splitlines() == ["ID  CONTENT", "m1  the cellar door sticks in…"]


def test_safe_keeps_text_and_colour_only() -> None:
    hostile = "a\x1b[31mred\x1b[0m\x1b[2J\x1b]0;title\x07\x1bP1$r\x1b\\\x08\x7f\tb\n\x1b(B\x9b2J\x1b"
    assert render.safe(hostile) == "a\x1b[31mred\x1b[0m\tb\n2J"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert render.styled("x", fg="red") == "x"


def test_agents_that_need_a_person_come_first() -> None:
    def process(pid: int, phase: str | None, approvals: int = 0, state: str = "running") -> dict[str, object]:
        return {"pid": pid, "phase": phase, "approvals": approvals, "state": state}

    found = [
        process(1, "idle"),
        process(2, "thinking"),
        process(3, "waiting_input"),
        process(4, "thinking", approvals=1),
        process(5, None, state="unknown"),
    ]
    assert [item["pid"] for item in sorted(found, key=overview.need)] == [4, 3, 5, 2, 1]


def test_durations_are_read_at_a_glance() -> None:
    assert [overview.duration(s) for s in (5, 125, 7300, 200_000)] == ["0m 5s", "2m 5s", "2h 1m", "2d 7h"]


def test_unwell_rooms_are_warnings_once() -> None:
    found = {
        "warnings": ["the disk is full"],
        "health": {
            "fs": {"ok": False, "detail": "the disk is full"},
            "gpu": {"ok": False, "detail": ""},
            "a": {"ok": True},
        },
    }
    assert overview.warnings(found) == ["the disk is full", "gpu: not well"]


def test_progress_is_one_line_for_each_new_step_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    render.settle()
    for number, step in enumerate(["node", "node", "packages", "packages", "done"]):
        render.progress("acp:codex 0.169.0", step, f"detail {number}", number)
    assert capsys.readouterr().out.splitlines() == [
        "acp:codex 0.169.0    0.0 s  node: detail 0",
        "acp:codex 0.169.0    2.0 s  packages: detail 2",
        "acp:codex 0.169.0    4.0 s  done: detail 4",
    ]
