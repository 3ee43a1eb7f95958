"""What happened in the TUI is read from the transcript; its format is Claude Code's own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from aetherd.runtime import Text, Thought, Told, ToolCalled, ToolReturned, Used
from aetherd_runtimes.claude_transcript import read_since


def entry(kind: str, content: Any, *, at: str = "2026-11-20T12:00:10Z", **more: Any) -> str:
    message = {"role": kind, "content": content, **more.pop("message", {})}
    return json.dumps({"type": kind, "entrypoint": "cli", "timestamp": at, "message": message, **more})


def transcript(tmp_path: Path, *lines: str) -> Path:
    place = tmp_path / "projects" / "-home-work"
    place.mkdir(parents=True)
    (place / "s1.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


SINCE = 1795176005.0  # 12:00:05 that day


def test_a_turn_at_the_terminal_is_told_in_order(tmp_path: Path) -> None:
    config = transcript(
        tmp_path,
        entry("user", "fix it"),
        entry(
            "assistant",
            [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
            ],
        ),
        entry("user", [{"type": "tool_result", "tool_use_id": "t1", "content": "a.txt"}]),
        entry(
            "assistant",
            [{"type": "text", "text": "Done."}],
            message={"stop_reason": "end_turn", "model": "m", "usage": {"input_tokens": 5, "output_tokens": 7}},
        ),
    )
    assert list(read_since(config, "s1", SINCE)) == [
        Told("fix it"),
        Thought("hm"),
        Text("I look."),
        ToolCalled("t1", "Bash", {"command": "ls"}),
        ToolReturned("t1", "a.txt"),
        Text("Done."),
        Used(5, 7, model="m"),
    ]


def test_headless_older_and_broken_entries_are_passed_over(tmp_path: Path) -> None:
    config = transcript(
        tmp_path,
        entry("user", "before", at="2026-11-20T11:00:00Z"),
        entry("user", "headless", entrypoint="sdk-cli"),
        entry("user", "of a sub-agent", isSidechain=True),
        "not json",
        json.dumps({"type": "user"}),
        entry("user", "typed"),
    )
    assert list(read_since(config, "s1", SINCE)) == [Told("typed")]


def test_a_conversation_without_a_transcript_tells_nothing(tmp_path: Path) -> None:
    assert list(read_since(tmp_path, "s1", SINCE)) == []


def test_no_link_of_the_agent_leads_to_another_conversation_and_no_pipe_holds_the_reader(tmp_path: Path) -> None:
    other = transcript(tmp_path / "other", entry("user", "another's secret"))
    config = tmp_path / "mine"
    (config / "projects" / "a").mkdir(parents=True)
    (config / "projects" / "a" / "s1.jsonl").symlink_to(other / "projects" / "-home-work" / "s1.jsonl")
    (config / "projects" / "b").symlink_to(other / "projects" / "-home-work")
    (config / "projects" / "c").mkdir()
    os.mkfifo(config / "projects" / "c" / "s1.jsonl")
    assert list(read_since(config, "s1", SINCE)) == []
    assert list(read_since(config, "../../../other/projects/-home-work/s1", SINCE)) == []
