"""What a person and Claude Code did in its TUI, read from the conversation's own transcript afterwards.

Format seen in Claude Code 2.1: one JSON object per line under `projects/<cwd>/<session>.jsonl`; entries of the
TUI carry `entrypoint: "cli"`, those of headless runs `"sdk-cli"`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from aetherd.runtime import Output, Text, Thought, Told, ToolCalled, ToolReturned, Used

LARGEST = 64 << 20  # bytes read from the end of a transcript
TEXT = 20_000  # characters kept of a tool's answer


def read_since(config: Path, session: str, since: float) -> Iterator[Output]:
    """Yield what was said and done in the TUI since then (Unix seconds), oldest first; unreadable lines are skipped.

    The agent owns what is below `config` and could put a link or a pipe anywhere: no link is followed, and only
    plain files of the folder's own owner are read.
    """
    for file in _transcripts(config, session):
        with file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST:
                file.seek(size - LARGEST)
                file.readline()
            for line in file:
                yield from _entry(line, since)


def has_transcript(config: Path, session: str) -> bool:
    """Tell whether anything was said in a conversation, so that it can be resumed."""
    found = False
    for file in _transcripts(config, session):
        file.close()
        found = True
    return found


def _transcripts(config: Path, session: str) -> Iterator[BinaryIO]:
    if "/" in session or "\0" in session:
        return
    with ExitStack() as stack:
        try:
            top = _folder(stack, str(config), None)
            projects = _folder(stack, "projects", top)
            names = sorted(os.listdir(projects))
        except OSError:
            return
        owner = os.fstat(top).st_uid
        for name in names:
            with ExitStack() as inner:
                try:
                    project = _folder(inner, name, projects)
                    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                    descriptor = os.open(f"{session}.jsonl", flags, dir_fd=project)
                except OSError:
                    continue
            about = os.fstat(descriptor)
            if stat.S_ISREG(about.st_mode) and about.st_uid == owner:
                yield os.fdopen(descriptor, "rb")
            else:
                os.close(descriptor)


def _folder(stack: ExitStack, name: str, parent: int | None) -> int:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    stack.callback(os.close, descriptor)
    return descriptor


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
