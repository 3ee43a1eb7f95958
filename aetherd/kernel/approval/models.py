"""What the approval room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aetherd.core.model import Model, Page, Pid

ApprovalState = Literal["pending", "allowed", "denied", "expired", "closed"]


class ApprovalRequest(Model):
    """An agent asks a person for leave to do something."""

    title: str = Field(min_length=1, max_length=500, description="what you want to do, in one line")
    detail: str | None = Field(default=None, max_length=20_000, description="why, and what a person should know")


class ApprovalList(Page):
    """Which questions."""

    state: ApprovalState | None = Field(default=None, description="only in this state; default all, newest first")
    pid: Pid | None = Field(default=None, description="only of this process")


class ApprovalRef(Model):
    """Names one approval."""

    id: str = Field(description="approval id")


class Decide(Model):
    """A person's answer."""

    id: str = Field(description="approval id")
    decision: Literal["allow_once", "allow_run", "allow_pattern", "deny"] = Field(
        description="once; the same kind for the rest of this run; whatever matches `pattern` until `until`; no"
    )
    reason: str | None = Field(default=None, max_length=4000, description="told to the agent when denied")
    pattern: str | None = Field(
        default=None, max_length=500, description="for allow_pattern: `Tool` or `Tool(text with * wildcards)`"
    )
    until: str | None = Field(default=None, description="for allow_pattern: ISO 8601 time; default is one day from now")


class ApprovalWait(Model):
    """Wait for an answer."""

    id: str = Field(description="approval id")
    timeout_s: float = Field(default=60, gt=0, le=3600, description="answer at the latest after this")


class Approval(Model):
    """One question to a person."""

    id: str
    pid: int | None
    agent: str | None
    agent_name: str | None
    state: ApprovalState
    kind: Literal["permission", "operation", "request"] = Field(
        description="a runtime's own permission prompt, an aether operation that needs leave, or an agent's question"
    )
    title: str
    tool: str | None = Field(description="tool or operation asked for")
    input: dict[str, Any] = Field(description="what it would be called with; secrets redacted")
    origin: list[str] = Field(description="agents on whose behalf, outermost first")
    decision: str | None
    decided_by: str | None
    decided_via: str | None = Field(description="http, mcp, ws, or how an MCP client asked its person")
    reason: str | None
    rule: str | None = Field(description="the pattern that decided by itself, if one did")
    result: dict[str, Any] | None = Field(description="what the stored operation answered once it was allowed")
    created_at: str
    decided_at: str | None
    expires_at: str


class Approvals(Model):
    """A page of questions."""

    approvals: list[Approval]
    cursor: str | None = None
