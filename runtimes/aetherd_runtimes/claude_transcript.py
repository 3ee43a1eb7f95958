"""What a person and Claude Code did in its TUI, read from the conversation's own transcript afterwards.

Format seen in Claude Code 2.1: one JSON object per line under `projects/<cwd>/<session>.jsonl`; entries of the
TUI carry `entrypoint: "cli"`, those of headless runs `"sdk-cli"`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from aetherd.runtime import Output, Text, Thought, Told, ToolCalled, ToolReturned, Used

LARGEST = 64 << 20  # bytes read from the end of a transcript
TEXT = 20_000  # characters kept of a tool's answer


def read_since(config: Path, session: str, since: float) -> Iterator[Output]:
    """Yield what was said and done in the TUI since then (Unix seconds), oldest first; unreadable lines are skipped."""
    for path in config.glob(f"projects/*/{session}.jsonl"):
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > LARGEST:
                file.seek(size - LARGEST)
                file.readline()
            for line in file:
                yield from _entry(line, since)


def _entry(line: bytes, since: float) -> Iterator[Output]:
    try:
        entry = json.loads(line)
        if entry["type"] not in ("user", "assistant") or entry.get("entrypoint") != "cli":
            return
        if entry.get("isSidechain") or entry.get("isMeta"):
            return
        if datetime.fromisoformat(entry["timestamp"]).timestamp() < since:
            return
        message = entry["message"]
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        yield from _blocks(entry["type"], content)
        if entry["type"] == "assistant":
            yield from _used(message)
    except (ValueError, KeyError, TypeError):
        return


def _blocks(speaker: str, content: list[dict[str, Any]]) -> Iterator[Output]:
    for block in content:
        match block["type"]:
            case "text" if block["text"].strip():
                yield Told(block["text"]) if speaker == "user" else Text(block["text"])
            case "thinking" if block.get("thinking"):
                yield Thought(block["thinking"])
            case "tool_use":
                yield ToolCalled(block["id"], block["name"], block["input"])
            case "tool_result":
                answer = block.get("content") or ""
                text = answer if isinstance(answer, str) else json.dumps(answer)
                yield ToolReturned(block["tool_use_id"], text[:TEXT], bool(block.get("is_error")))


def _used(message: dict[str, Any]) -> Iterator[Output]:
    """Yield the tokens of a finished answer; the transcript tells no price."""
    usage = message.get("usage")
    if usage and message.get("stop_reason"):
        yield Used(
            input_tokens=int(usage.get("input_tokens") or 0),
            output_tokens=int(usage.get("output_tokens") or 0),
            cache_read_tokens=int(usage.get("cache_read_input_tokens") or 0),
            cache_write_tokens=int(usage.get("cache_creation_input_tokens") or 0),
            model=message.get("model"),
        )
