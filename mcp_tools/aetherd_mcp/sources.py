"""The resources: READ operations seen as URIs. One table; who may read one is who may call its operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from mcp.shared.uri_template import UriTemplate

FIELDS = {"name": "agent"}  # variables that are called otherwise in the operation's input
JSON, TEXT = "application/json", "text/plain"

About = Literal["pid", "agent", "approval", "terminal", "workspace"]  # what of an event says which resource it changes


@dataclass(frozen=True)
class Source:
    """One resource, or a template for many: its variables are fields of the operation's input."""

    template: str
    operation: str
    title: str
    doc: str
    fixed: Mapping[str, Any] = field(default_factory=dict)  # further input
    mime: str | None = JSON  # None: by the name of the file
    about: About | None = None
    changed_by: tuple[str, ...] = ()  # types of events; those that end with a dot are all of a room

    @cached_property
    def uri(self) -> UriTemplate:
        """The template, parsed."""
        return UriTemplate.parse(self.template)

    @property
    def room(self) -> str:
        """The room of its operation."""
        return self.operation.partition(".")[0]

    def input(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the operation's input for a URI."""
        return {**self.fixed, **{FIELDS.get(name, name): value for name, value in variables.items()}}

    def changes_by(self, kind: str) -> bool:
        """Tell whether events of a type change it."""
        return any(kind == by or (by.endswith(".") and kind.startswith(by)) for by in self.changed_by)


SOURCES = (
    Source(
        "aether://system/status",
        "system.status",
        "How aetherd is",
        "Processes by state, open questions, health of every room, warnings.",
        changed_by=("process.state_changed", "process.spawned", "process.exited", "approval."),
    ),
    Source(
        "aether://me",
        "process.whoami",
        "Who you are here",
        "Your agent, process, home, toolset and scopes.",
    ),
    Source(
        "aether://agents",
        "agent.list",
        "Agents",
        "The agents you may see, newest first.",
        fixed={"limit": 500},
        changed_by=("agent.created", "agent.updated", "agent.archived", "agent.removed"),
    ),
    Source(
        "aether://processes",
        "process.list",
        "Living processes",
        "The processes that have not ended, with state and phase.",
        fixed={"state": "live", "limit": 500},
        changed_by=("process.",),
    ),
    Source(
        "aether://approvals",
        "approval.list",
        "Open questions",
        "What waits for a person's answer.",
        fixed={"state": "pending", "limit": 500},
        changed_by=("approval.",),
    ),
    Source(
        "aether://agent/{name}",
        "agent.get",
        "An agent",
        "Name, role, home and maker of one agent.",
        about="agent",
        changed_by=("agent.created", "agent.updated", "agent.archived", "agent.removed"),
    ),
    Source(
        "aether://agent/{name}/processes",
        "process.list",
        "An agent's processes",
        "Every run of one agent, newest first.",
        about="agent",
        changed_by=("process.",),
    ),
    Source(
        "aether://agent/{name}/inbox",
        "message.inbox",
        "An agent's inbox",
        "Messages to one agent, newest first.",
        about="agent",
        changed_by=("message.",),
    ),
    Source(
        "aether://agent/{name}/plan",
        "plan.get",
        "An agent's plan",
        "What one agent means to do, step by step, and how far it is.",
        about="agent",
        changed_by=("plan.",),
    ),
    Source(
        "aether://agent/{name}/memories",
        "memory.list",
        "An agent's memories",
        "What one agent remembers, newest first.",
        about="agent",
        changed_by=("memory.",),
    ),
    Source(
        "aether://agent/{name}/files/{+path}{?offset,limit}",
        "fs.read",
        "A file of an agent",
        "A part of a file in an agent's home: 64 KiB from `offset`; `_meta` says where to go on.",
        mime=None,
        about="agent",
        changed_by=("fs.",),
    ),
    Source(
        "aether://process/{pid}",
        "process.get",
        "A process",
        "State, phase, cost and mode of one run of an agent.",
        about="pid",
        changed_by=("process.", "approval.", "control.", "agent.session_started", "agent.usage"),
    ),
    Source(
        "aether://process/{pid}/output{?offset,limit,incarnation}",
        "process.output",
        "What a process printed",
        "64 KiB of output from `offset`; `_meta` says where to go on.",
        mime=TEXT,
        about="pid",
        changed_by=("process.", "agent."),
    ),
    Source(
        "aether://process/{pid}/result",
        "process.result",
        "What came of a process",
        "Final text, outcome, cost and changed files.",
        about="pid",
        changed_by=("process.exited", "agent.turn_ended", "agent.usage", "agent.text"),
    ),
    Source(
        "aether://process/{pid}/timeline{?before,after}",
        "process.timeline",
        "The story of a process",
        "Its newest 200 events: texts, tool calls, states.",
        about="pid",
        changed_by=("process.", "agent.", "approval.", "control."),
    ),
    Source(
        "aether://approval/{id}",
        "approval.get",
        "A question to a person",
        "What was asked, by whom, and what became of it.",
        about="approval",
        changed_by=("approval.",),
    ),
    Source(
        "aether://terminal/{terminal}",
        "terminal.read",
        "The screen of a terminal",
        "As a person would see it now; a pid is the process's own screen.",
        mime=TEXT,
        about="terminal",
        changed_by=("terminal.",),
    ),
    Source(
        "aether://workspace/{workspace}",
        "workspace.get",
        "A workspace",
        "Who has it, what is reserved by whom until when, and who wrote past that.",
        about="workspace",
        changed_by=("workspace.",),
    ),
    Source(
        "aether://workspace/{workspace}/tree",
        "fs.list",
        "The files of a workspace",
        "Its first 500 files and directories, with size and time.",
        fixed={"recursive": True, "limit": 500},
        about="workspace",
        changed_by=("fs.", "workspace.changed"),
    ),
)
