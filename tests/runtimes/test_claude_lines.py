"""The Claude Code decoder over golden transcripts of the real binary, and over what no binary should print.

How to record the transcripts anew: see `test_claude_code.py`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherd.runtime import (
    Answer,
    Delta,
    Ended,
    Input,
    Output,
    PermissionAsked,
    PermissionClosed,
    Say,
    Text,
    ToolReturned,
    TurnEnded,
    Unread,
    Used,
    Verdict,
)
from aetherd_runtimes.claude_lines import BOUND, Lines, Screen

CASES = sorted(path for path in (Path(__file__).parent / "claude_code").iterdir() if path.is_dir())
RECORD = os.environ.get("AETHERD_GOLDEN") == "record"


def lines_of(case: Path) -> list[bytes]:
    """Return what the binary printed."""
    return (case / "input.jsonl").read_bytes().splitlines()


def shown(outputs: Iterable[Output]) -> list[str]:
    """Write outputs as the golden file does."""
    return [
        json.dumps({"output": type(output).__name__, **dataclasses.asdict(output)}, ensure_ascii=False)
        for output in outputs
    ]


def line(**message: Any) -> bytes:
    """Write an output line."""
    return json.dumps(message).encode()


def told(lines: Lines, message: Input) -> Any:
    """Return what is written for a message, read back."""
    written = lines.encode(message)
    assert written
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    return json.loads(written)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_transcript_decodes_as_recorded(case: Path) -> None:
    decoder = Lines()
    outputs = shown(output for raw in lines_of(case) for output in decoder.decode(raw))
    expected = case / "expected.jsonl"
    if RECORD:
        expected.write_text("\n".join(outputs) + "\n")
    assert outputs == expected.read_text().splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_restored_decoder_goes_on_as_if_nothing_happened(case: Path) -> None:
    lines = lines_of(case)
    decoder = Lines()
    states, outputs = [decoder.state()], []
    for raw in lines:
        outputs.append(list(decoder.decode(raw)))
        states.append(json.loads(json.dumps(decoder.state())))
    end = decoder.state()
    for k in range(len(lines) + 1):
        restored = Lines(states[k])
        assert [list(restored.decode(raw)) for raw in lines[k:]] == outputs[k:]
        assert restored.state() == end


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_everything_the_real_binary_says_is_understood(case: Path) -> None:
    decoder = Lines()
    assert [o for raw in lines_of(case) for o in decoder.decode(raw) if isinstance(o, Unread)] == []


def test_the_state_does_not_share_memory_with_the_decoder() -> None:
    decoder = Lines()
    before = decoder.state()
    ask = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}}
    list(decoder.decode(line(type="control_request", request_id="r", request=ask)))
    assert before == Lines().state()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *(
            "type",
            "subtype",
            "message",
            "content",
            "event",
            "delta",
            "request",
            "request_id",
            "response",
            "uuid",
        ),
        *("modelUsage", "rate_limit_info", "resetsAt", "status", "errors", "is_error", "mcp_servers"),
    ]
)
TYPES = st.sampled_from(
    [
        *("system", "assistant", "user", "result", "stream_event", "control_request", "control_response"),
        *("control_cancel_request", "rate_limit_event", "conversation_reset", "command_lifecycle", "new"),
    ]
)
MESSAGES = st.builds(lambda kind, rest: line(**{**rest, "type": kind}), TYPES, st.dictionaries(KEYS, JSON))


@given(st.lists(st.binary(max_size=80) | MESSAGES))
def test_no_line_ever_raises_and_the_state_stays_json(lines: list[bytes]) -> None:
    decoder = Lines()
    for raw in lines:
        for output in shown(decoder.decode(raw)):
            output.encode()
        decoder = Lines(json.loads(json.dumps(decoder.state(), allow_nan=False)))


@given(st.sampled_from(CASES), st.data())
def test_a_mangled_transcript_never_raises(case: Path, data: st.DataObject) -> None:
    decoder = Lines()
    for raw in lines_of(case):
        cut = data.draw(st.integers(0, len(raw)), label="cut") if data.draw(st.booleans()) else len(raw)
        list(decoder.decode(raw[:cut]))


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"type":"result","x":NaN}',
        b'{"type":7}',
    ],
    ids=repr,
)
def test_what_is_not_understood_is_kept(raw: bytes) -> None:
    (output,) = Lines().decode(raw)
    assert isinstance(output, Unread)
    assert output.line.startswith(raw[:20].decode("utf-8", "replace"))


def test_an_empty_line_means_nothing() -> None:
    assert list(Lines().decode(b"  ")) == []


def test_a_line_of_ten_megabytes_is_read_and_the_tools_answer_bounded() -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "content": "x" * 10_000_000}
    (output,) = Lines().decode(line(type="user", message={"content": [block]}))
    assert isinstance(output, ToolReturned)
    assert output.text.endswith("[cut: 10,000,000 characters in all]")
    assert len(output.text) < BOUND + 100


def test_ten_megabytes_of_nonsense_are_bounded_too() -> None:
    (output,) = Lines().decode(b"x" * 10_000_000)
    assert isinstance(output, Unread)
    assert len(output.line) < BOUND + 100


def test_a_lone_surrogate_becomes_something_that_can_be_stored() -> None:
    raw = b'{"type":"assistant","message":{"content":[{"type":"text","text":"a\\ud800b"}]}}'
    (text,) = [output for output in Lines().decode(raw) if isinstance(output, Text)]
    assert text.text == "a?b"


def delta(text: str) -> bytes:
    """Write a piece of text."""
    change = {"type": "text_delta", "text": text}
    return line(type="stream_event", event={"type": "content_block_delta", "index": 0, "delta": change})


def test_a_text_whose_end_was_never_told_is_kept_with_the_result() -> None:
    decoder = Lines()
    list(decoder.decode(line(type="stream_event", event={"type": "message_start"})))
    assert list(decoder.decode(delta("half a "))) == [Delta("text", "half a ")]
    list(decoder.decode(delta("word")))
    result = line(type="result", subtype="x", is_error=True, terminal_reason="aborted_streaming")
    assert list(decoder.decode(result)) == [Text("half a word", interrupted=True), TurnEnded("interrupted")]


def test_the_state_holds_a_bounded_part_of_a_long_text() -> None:
    decoder = Lines()
    for _ in range(50):
        list(decoder.decode(delta("y" * 1_000)))
    assert len(json.dumps(decoder.state())) < BOUND + 1_000


def usage(cost: float, tokens: int) -> dict[str, Any]:
    """Write a model's cumulative usage."""
    return {"inputTokens": tokens, "outputTokens": 0, "costUSD": cost}


def test_without_its_own_difference_the_usage_is_taken_from_the_totals() -> None:
    decoder = Lines()
    first = line(type="result", subtype="success", modelUsage={"m": usage(0.1, 10)})
    second = line(type="result", subtype="success", modelUsage={"m": usage(0.3, 15), "new": usage(0.5, 1)})
    afresh = line(type="result", subtype="success", modelUsage={"m": usage(0.05, 3)})
    used = [o for raw in (first, second, second, afresh) for o in decoder.decode(raw) if isinstance(o, Used)]
    assert used == [
        Used(10, cost_usd=0.1, model="m"),
        Used(5, cost_usd=0.2, model="m"),
        Used(1, cost_usd=0.5, model="new"),
        Used(3, cost_usd=0.05, model="m"),
    ]


def ended(**fields: Any) -> TurnEnded:
    """Return how a result is judged."""
    outputs = Lines().decode(line(type="result", **{"subtype": "success", **fields}))
    (output,) = [output for output in outputs if isinstance(output, TurnEnded)]
    return output


def test_success_with_an_error_flag_has_failed() -> None:
    assert ended(is_error=True, terminal_reason="api_error", result="dead") == TurnEnded("failed", error="dead")


def test_a_failure_without_words_is_named_by_its_reason() -> None:
    result = ended(subtype="error_max_turns", is_error=True, terminal_reason="max_turns", errors=["too many"])
    assert result.error == "too many"
    assert ended(is_error=True, terminal_reason="model_error").error == "model_error"


def test_the_old_form_of_a_usage_limit_tells_the_time() -> None:
    result = ended(is_error=True, result="Claude AI usage limit reached|4102444800")
    assert (result.outcome, result.resets_at) == ("limited", "2100-01-01T00:00:00.000000Z")


def ask(decoder: Lines, tool: str, given: dict[str, Any], **more: Any) -> PermissionAsked:
    """Let the runtime ask."""
    body = {"subtype": "can_use_tool", "tool_name": tool, "input": given, **more}
    (output,) = decoder.decode(line(type="control_request", request_id="r1", request=body))
    assert isinstance(output, PermissionAsked)
    return output


@pytest.mark.parametrize(
    ("tool", "given", "title"),
    [
        ("Bash", {"command": "rm -rf\n build"}, "Run: rm -rf build"),
        ("Write", {"file_path": "/a"}, "Write: /a"),
        ("NotebookEdit", {"notebook_path": "/n"}, "Edit: /n"),
        ("WebFetch", {"url": "https://x"}, "Fetch: https://x"),
        ("mcp__github__create_issue", {}, "Use create_issue of github: about it"),
        ("Odd", {}, "Use Odd: about it"),
        ("Bash", {}, "Use Bash: about it"),
    ],
)
def test_a_request_has_a_title_a_person_can_read(tool: str, given: dict[str, Any], title: str) -> None:
    assert ask(Lines(), tool, given, description="about it").title == title


def test_a_withdrawn_request_is_closed_once() -> None:
    decoder = Lines()
    ask(decoder, "Bash", {"command": "ls"})
    cancel = line(type="control_cancel_request", request_id="r1")
    assert list(decoder.decode(cancel)) == [PermissionClosed("r1")]
    assert decoder.state()["pending"] == {}


def test_allowing_for_the_run_adds_a_rule_for_the_tool_that_asked() -> None:
    decoder = Lines()
    ask(decoder, "Bash", {"command": "ls"})
    body = told(decoder, Answer("r1", True, for_run=True))["response"]["response"]
    assert body["updatedPermissions"][0]["rules"] == [{"toolName": "Bash"}]
    assert "updatedInput" not in body


def test_answering_changes_nothing_until_the_runtime_has_it() -> None:
    decoder = Lines()
    ask(decoder, "Bash", {"command": "ls"})
    before = decoder.state()
    answer = told(decoder, Answer("r1", False))
    assert decoder.state() == before
    assert list(decoder.decode(line(**answer))) == []
    assert decoder.state()["pending"] == {}


def test_a_refused_control_request_is_trouble() -> None:
    refusal = {"subtype": "error", "request_id": "i1", "error": "Unsupported"}
    (output,) = Lines().decode(line(type="control_response", response=refusal))
    assert "Unsupported" in str(output)


@pytest.mark.parametrize(("priority", "written"), [("now", "now"), ("next", None), ("queue", "later")])
def test_the_priority_of_a_text_is_the_runtimes_own(priority: Any, written: str | None) -> None:
    message = told(Lines(), Say("say_1", "line one\nline two", priority))
    assert message.get("priority") == written
    assert message["uuid"] == "say_1"


def test_an_empty_text_cannot_be_said() -> None:
    assert Lines().encode(Say("say_1", " \n")) is None


LAST = {
    "completed": {"is_error": False, "result": "fine"},
    "failed": {"is_error": True, "result": "API Error"},
    "interrupted": {"is_error": True, "terminal_reason": "aborted_tools"},
    "limited": {"is_error": True, "api_error_status": 429, "result": "limit"},
}


@pytest.mark.parametrize(
    ("last", "exit_", "verdict"),
    [
        ("completed", Ended(0, None, ""), Verdict("completed")),
        ("completed", Ended(1, None, "oh\nno\n\n"), Verdict("failed", "no")),
        ("completed", Ended(None, 9, ""), Verdict("killed", "killed by SIGKILL")),
        ("completed", Ended(143, None, "", wanted=True), Verdict("killed")),
        ("failed", Ended(1, None, ""), Verdict("failed", "API Error")),
        ("failed", Ended(1, None, "", wanted=True), Verdict("failed", "API Error")),
        ("interrupted", Ended(1, None, "", wanted=True), Verdict("killed")),
        ("interrupted", Ended(1, None, ""), Verdict("killed", "interrupted")),
        ("limited", Ended(None, 15, "", wanted=True), Verdict("limited", "limit")),
        (None, Ended(1, None, "No conversation found"), Verdict("failed", "No conversation found")),
        (None, Ended(0, None, ""), Verdict("failed", "ended with code 0")),
        (None, Ended(127, None, "claude: not found\n"), Verdict("failed", "claude: not found")),
        (None, Ended(0, None, "", wanted=True), Verdict("killed")),
    ],
)
def test_an_exit_is_judged_by_the_last_turn_and_then_by_itself(
    last: str | None, exit_: Ended, verdict: Verdict
) -> None:
    decoder = Lines()
    if last:
        list(decoder.decode(line(type="result", subtype="success", **LAST[last])))
    assert decoder.judge(exit_) == verdict


def test_an_exit_in_the_middle_of_a_turn_is_never_completed() -> None:
    decoder = Lines()
    list(decoder.decode(line(type="result", subtype="success", **LAST["completed"])))
    list(decoder.decode(line(type="stream_event", event={"type": "message_start"})))
    assert decoder.judge(Ended(0, None, "")) == Verdict("failed", "ended in the middle of a turn with code 0")
    assert decoder.judge(Ended(0, None, "", wanted=True)) == Verdict("killed")


@pytest.mark.parametrize(
    ("exit_", "verdict"),
    [
        (Ended(0, None, ""), Verdict("completed")),
        (Ended(143, None, "", wanted=True), Verdict("killed")),
        (Ended(None, 9, ""), Verdict("killed", "killed by SIGKILL")),
        (Ended(1, None, ""), Verdict("failed", "the TUI ended with code 1")),
    ],
)
def test_the_end_of_a_tui_is_judged_by_the_exit_alone(exit_: Ended, verdict: Verdict) -> None:
    assert Screen().judge(exit_) == verdict
