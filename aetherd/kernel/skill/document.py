"""SKILL.md as Claude Code and OpenClaw read it: YAML between two lines of `---`, then what the model reads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from aetherd.core.errors import Invalid
from aetherd.kernel.skill.tree import MAIN

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAME_LONG, DESCRIPTION_LONG, HEAD_LONG, TEXT_LONG = 64, 1024, 16_384, 200_000  # characters
PERMISSIONS = ("files", "model", "network", "shell")
HARMLESS = {"Glob", "Grep", "LS", "NotebookRead", "Read", "Skill", "TodoWrite"}
AT_ONCE = re.compile(r"!`[^`\n]+`|```!")  # commands that Claude Code runs when it reads the skill


@dataclass(frozen=True, slots=True)
class Document:
    """What the head says; `permissions` None when it declares none."""

    name: str
    description: str
    tools: tuple[str, ...] = ()
    permissions: tuple[str, ...] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    hooks: bool = False  # commands that Claude Code runs by itself while the skill is in use
    body: str = ""

    @property
    def unasked(self) -> str | None:
        """What it lets a runtime do without asking anybody, in words; None when nothing."""
        if tools := [one for one in self.tools if one not in HARMLESS]:
            return f"allowed-tools names {tools[0]}"
        if self.hooks:
            return "its head has hooks"
        return "its text holds a command that is run when it is read" if AT_ONCE.search(self.body) else None


def parse(text: str) -> Document:
    """Read a SKILL.md; raises `Invalid` and says what is wrong where."""
    if len(text) > TEXT_LONG:
        raise Invalid(f"{MAIN} has {len(text):,} characters, at most {TEXT_LONG:,}: put the rest into files beside it")
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        raise Invalid(f"{MAIN} does not begin with its head: a line `---`, then `name:` and `description:`")
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise Invalid(f"{MAIN}: the head is not closed by a second line `---`")
    head = load("\n".join(lines[1:end]), f"{MAIN}: the head")
    if not isinstance(head, dict):
        raise Invalid(f"{MAIN}: the head is not a mapping of names to values")
    metadata = head.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Invalid(f"{MAIN}: metadata is not a mapping", field="metadata")
    return Document(
        name=checked_name(head.get("name")),
        description=checked_description(head.get("description")),
        tools=_tools(head.get("allowed-tools")),
        permissions=_permissions(metadata),
        metadata=metadata,
        hooks=bool(head.get("hooks")),
        body="\n".join(lines[end + 1 :]).strip(),
    )


def compose(name: str, description: str, tools: list[str], permissions: list[str] | None, body: str) -> str:
    """Write a SKILL.md."""
    head: dict[str, Any] = {"name": checked_name(name), "description": checked_description(description)}
    if tools:
        head["allowed-tools"] = ", ".join(tools)
    if permissions is not None:
        head["metadata"] = {"aether": {"permissions": permissions}}
    written = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{written}---\n\n{body.strip()}\n"


def load(text: str, what: str, most: int = HEAD_LONG) -> Any:
    """Read YAML of plain values; no anchors, so that a short text stays short."""
    if len(text) > most:
        raise Invalid(f"{what} has {len(text):,} characters, at most {most:,}")
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
                raise Invalid(f"{what} uses anchors (& and *), which are not taken; write the value out")
        value = yaml.safe_load(text)
        return json.loads(json.dumps(value, default=str))  # dates as text; and it is JSON, so it can be kept
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise Invalid(f"{what} is not valid YAML{where}: {getattr(exc, 'problem', None) or exc}") from exc
    except (ValueError, TypeError, RecursionError) as exc:
        raise Invalid(f"{what} holds something that is no plain value: {str(exc)[:100]}") from exc


def checked_name(value: Any) -> str:
    """Return a name as Claude Code takes it."""
    if not isinstance(value, str) or not NAME.fullmatch(value) or len(value) > NAME_LONG:
        raise Invalid(
            f"name: {str(value)[:80]!r} is not lowercase letters, digits and single hyphens, at most {NAME_LONG}",
            field="name",
        )
    return value


def checked_description(value: Any) -> str:
    """Return a description: it goes into every agent's prompt, so it is short and has no tags."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid(
            "description: say in a sentence or two what the skill does and when to use it", field="description"
        )
    said = " ".join(value.split())
    if len(said) > DESCRIPTION_LONG:
        raise Invalid(f"description: {len(said):,} characters, at most {DESCRIPTION_LONG:,}", field="description")
    if re.search(r"<[/!?a-zA-Z]", said):
        raise Invalid("description: no tags: every agent reads it in its prompt", field="description")
    return said


def _tools(value: Any) -> tuple[str, ...]:
    """Return allowed-tools: a list, or a text with commas or blanks outside of brackets."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = re.findall(r"[^\s,(]+(?:\([^)]*\))?", value)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > 100:
        raise Invalid(f"{MAIN}: allowed-tools is a list of tool names", field="allowed-tools")
    return tuple(one.strip() for one in value if one.strip())


def _permissions(metadata: dict[str, Any]) -> tuple[str, ...] | None:
    """Return `metadata: {aether: {permissions: [...]}}`."""
    ours = metadata.get("aether")
    if not isinstance(ours, dict) or "permissions" not in ours:
        return None
    found = ours["permissions"]
    if not isinstance(found, list) or not set(map(str, found)) <= set(PERMISSIONS):
        raise Invalid(f"{MAIN}: metadata.aether.permissions is a list of {', '.join(PERMISSIONS)}", field="permissions")
    return tuple(sorted(set(found)))
