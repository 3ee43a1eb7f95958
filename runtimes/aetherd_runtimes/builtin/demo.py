"""The demonstration: no model, but a script that does a small useful task with the real tools and says so.

It never understands a goal, and never claims to. What a tool refuses ends the turn as failed. A goal that
begins with `demo:` is a script of its own, see `script`.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from aetherd_runtimes.builtin.model import (
    Block,
    Interrupted,
    Message,
    Pause,
    Said,
    Stop,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)
from aetherd_runtimes.builtin.script import WrongScript, filled, is_script, parse, unroll

NAME = "demo (no model)"
REPORT = "report.md"
ANSWERS = 50  # that a script can refer to
DEMONSTRATIONS = ("", "demo", "demonstration")

Steps = Generator[Block, ToolResult | None, None]
Step = Generator[Block, ToolResult | None, ToolResult | None]


class Demo:
    """A `Model` without a model: a generator per task, fed with what the tools return."""

    name = NAME

    def __init__(self) -> None:
        self._introduced = False
        self._read = 0  # how many messages were seen
        self._calls = 0
        self._steps: Steps | None = None
        self._result: ToolResult | None = None
        self._news: list[str] = []  # said since the task began, not used yet
        self._tools: dict[str, Tool] = {}
        self._failures: list[str] = []
        self._skipped: list[str] = []

    def respond(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Block]:
        """Go on with the task, or begin one with the first thing said."""
        self._tools = {tool.name: tool for tool in tools}
        self._observe(messages)
        while self._steps or self._news:
            if self._steps is None:
                self._failures, self._skipped, self._result = [], [], None
                self._steps = self._begin(self._news.pop(0))
            try:
                block = self._steps.send(self._take_result())
            except StopIteration:
                self._steps = None
                continue
            yield block
            if isinstance(block, ToolUse | Pause):
                return  # the loop acts and asks again
            if isinstance(block, Stop):
                self._steps = None
                self._news.clear()
                return

    def _observe(self, messages: Sequence[Message]) -> None:
        for message in messages[self._read :]:
            for content in message.content if message.role == "user" else ():
                match content:
                    case Said(text):
                        self._news.append(text)
                    case ToolResult():
                        self._result = content
                    case Interrupted():
                        self._steps = self._result = None
                        self._news.clear()
        self._read = len(messages)

    def _take_result(self) -> ToolResult | None:
        result, self._result = self._result, None
        return result

    def _begin(self, text: str) -> Steps:
        if not self._introduced:
            yield Thought(self._introduction())
        if is_script(text):
            steps = self._script(text)
        elif not self._introduced:
            steps = self._demonstrate(text)
        else:
            steps = self._decline([text])
        self._introduced = True
        yield from steps

    def _introduction(self) -> str:
        return (
            "No model is at work here, so this is a scripted demonstration. I use the real tools, "
            "but I do not understand the goal and will not work on it."
        )

    # The demonstration -------------------------------------------------------------------------------

    def _demonstrate(self, goal: str) -> Steps:
        done: list[str] = []
        yield Thought("First who and where I am, what I remember about the goal, and what lies in my home.")
        who = yield from self._call("aether_process_whoami", {})
        machine = yield from self._call("aether_system_status", {})
        found = yield from self._call("aether_memory_recall", {"query": goal.strip()[:500] or "demo", "limit": 5})
        memories = None
        if found:
            memories = rows(found, "memories")
            done.append(f"recalled {count(memories, 'memory', 'memories')} about the goal")
        listed = yield from self._call("aether_fs_list", {"path": "."})
        entries = None
        if listed:
            entries = rows(listed, "entries", "files", "items")
            done.append(f"listed my home ({count(entries, 'entry', 'entries')})")

        yield Thought(f"Now I write what I found to {REPORT} and read it back.")
        report = compose(goal, who, machine, memories, entries)
        written = yield from self._call("aether_fs_write", {"path": REPORT, "content": report})
        verified = False
        if written:
            back = yield from self._call("aether_fs_read", {"path": REPORT})
            verified = back is not None and holds(back, report)
            if verified:
                done.append(f"wrote {REPORT} ({len(report.encode())} bytes) and read it back unchanged")
            else:
                done.append(f"wrote {REPORT}, without having seen it unchanged")
                if back:
                    self._failures.append(f"{REPORT} does not read back as it was written")

        if verified:
            remembered = yield from self._call(
                "aether_memory_remember",
                {
                    "content": f"Ran the scripted demonstration (no model) and wrote {REPORT} in my home.",
                    "tags": ["demo"],
                    "layer": "episodic",
                },
            )
            if remembered:
                done.append("remembered that I did so")
        yield from self._look_into_inbox(done)
        yield from self._close(goal, done)

    def _look_into_inbox(self, done: list[str]) -> Steps:
        inbox = yield from self._call("aether_message_inbox", {})
        if inbox is None:
            return
        messages = rows(inbox, "messages") or []
        acknowledged = 0
        for message in messages:
            if isinstance(message, Mapping) and isinstance(message.get("id"), str | int):
                answer = yield from self._call("aether_message_ack", {"ids": [message["id"]]})
                acknowledged += answer is not None
        read = count(messages, "message", "messages")
        done.append(
            f"acknowledged {acknowledged} of {read} without being able to act on them"
            if messages
            else "found no message in my inbox"
        )

    def _close(self, goal: str, done: list[str]) -> Steps:
        if not done and not self._failures:
            self._failures.append("none of the tools it needs was offered")
        title = "Demonstration failed" if self._failures else "Demonstration done"
        text = [f"{title} (no model at work). " + (f"I {', '.join(done)}." if done else "I did nothing.")]
        if self._failures:
            text.append(f"What failed: {'; '.join(self._failures)}.")
        if self._skipped:
            text.append(f"What I skipped: {'; '.join(self._skipped)}.")
        if goal.strip().lower().rstrip(".!") not in DEMONSTRATIONS:
            text.append(f"Your goal was not worked on, that needs a model: “{short(goal)}”.")
        yield from self._decline(self._news)
        yield Text("\n".join(text))
        if self._failures:
            yield Stop("failed", "; ".join(self._failures))

    def _decline(self, texts: list[str]) -> Steps:
        said = [short(text) for text in texts]
        texts.clear()
        for text in said:
            yield Text(f"I was told “{text}”. No model is configured, so I cannot act on it.")

    # A script of one's own ---------------------------------------------------------------------------

    def _script(self, text: str) -> Steps:
        try:
            directives = parse(text)
        except WrongScript as error:
            yield Stop("failed", str(error))
            return
        calls = failed = 0
        spoken = False
        answers: deque[Any] = deque(maxlen=ANSWERS)
        for directive in unroll(directives):
            match directive.verb:
                case "call":
                    calls += 1
                    before = len(self._failures)
                    try:
                        arguments = filled(directive.arguments, answers)
                    except WrongScript as error:
                        yield Stop("failed", str(error))
                        return
                    answer = yield from self._use(directive.text, arguments)
                    if answer is not None and answer.data is not None:
                        answers.append(answer.data)
                    failed += len(self._failures) > before
                    del self._failures[10:]
                case "say":
                    spoken = True
                    yield Text(directive.text)
                case "think":
                    yield Thought(directive.text)
                case "fail":
                    yield Stop("failed", directive.text)
                    return
                case "sleep":
                    yield Pause(directive.seconds or 0.0)
                case "wait":
                    if not self._news:
                        yield Pause(directive.seconds, until_said=True)
                    if not self._news:
                        yield Stop("failed", "nobody said anything while the script waited for a message")
                        return
                    self._news.pop(0)
        if failed:
            first = self._failures[0]
            yield Text(f"Scripted demonstration: {failed} of {count(calls, 'call', 'calls')} failed, first {first}.")
            yield Stop("failed", f"{failed} of {calls} calls failed, first {first}")
        elif not spoken:
            yield Text(f"Scripted demonstration done: {count(calls, 'call', 'calls')} answered.")
        self._news.clear()  # a script hears only what it waits for

    # Calling -----------------------------------------------------------------------------------------

    def _call(self, name: str, wanted: Mapping[str, Any]) -> Step:
        """Call a tool with those of the arguments it takes; None when that failed or was impossible."""
        tool = self._tools.get(name)
        schema = tool.input_schema if tool else {}
        takes = schema.get("properties")
        arguments = {key: value for key, value in wanted.items() if not isinstance(takes, Mapping) or key in takes}
        missing = [key for key in schema.get("required") or () if key not in arguments]
        if tool is None or missing:
            reason = f"it wants {', '.join(missing)}" if tool else "it is not offered to me"
            self._skipped.append(f"{name}, {reason}")
            yield Text(f"I skip {name}: {reason}.")
            return None
        return (yield from self._use(name, arguments))

    def _use(self, name: str, arguments: Mapping[str, Any]) -> Step:
        self._calls += 1
        result = yield ToolUse(f"demo_{self._calls}", name, arguments)
        if result is None or result.is_error:
            self._failures.append(f"{name}: {short(result.text if result else 'no answer')}")
            return None
        return result


def compose(
    goal: str,
    who: ToolResult | None,
    machine: ToolResult | None,
    memories: Sequence[Any] | None,
    entries: Sequence[Any] | None,
) -> str:
    """Return the report, made of nothing but what the tools answered."""
    lines = [
        "# Report of a scripted demonstration",
        "",
        "No model was at work: this text was put together by a script from the answers of aetherd's tools.",
        "",
        f"- time: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}",
        f"- goal, not worked on: {short(goal) or '(none)'}",
        f"- memories about it: {'unknown' if memories is None else len(memories)}",
        f"- entries in my home before: {'unknown' if entries is None else len(entries)}",
    ]
    lines += [f"  - {short(label(entry))}" for entry in (entries or [])[:20]]
    for title, answer in (("Who I am", who), ("The machine", machine)):
        lines += ["", f"## {title}", "", *(facts(answer.data or {}) if answer else ["unknown"])]
    return "\n".join(lines) + "\n"


def facts(data: Mapping[str, Any]) -> list[str]:
    """Return the top level of an answer as list items."""
    lines = []
    for key, value in list(data.items())[:40]:
        if isinstance(value, Mapping | list):
            value = f"{len(value)} entries"
        lines.append(f"- {key}: {short(value if isinstance(value, str) else json.dumps(value))}")
    return lines or ["no facts"]


def rows(result: ToolResult, *names: str) -> Sequence[Any] | None:
    """Return the list in an answer under one of the names, None when there is none."""
    for name in names:
        if isinstance(found := (result.data or {}).get(name), list):
            return found
    return None


def holds(result: ToolResult, text: str) -> bool:
    """Return whether an answer carries exactly this text."""
    if result.data is None:
        return result.text == text
    return any(value == text for value in result.data.values())


def label(entry: Any) -> str:
    """Return the name of a directory entry."""
    if isinstance(entry, Mapping):
        return str(entry.get("name") or entry.get("path") or "?")
    return str(entry)


def count(of: int | Sequence[Any] | None, one: str, many: str) -> str:
    """Return a number with its noun; None is a number that was not told."""
    if of is None:
        return f"an untold number of {many}"
    number = of if isinstance(of, int) else len(of)
    return f"{number} {one if number == 1 else many}"


def short(text: str, limit: int = 200) -> str:
    """Return the text on one line in at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
