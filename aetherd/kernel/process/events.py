"""What happens to processes, and what agents do in them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aetherd.events import Event


class ProcessSpawned(Event):
    """A process was accepted and is durable."""

    type: Literal["process.spawned"] = "process.spawned"
    name: str
    runtime: str
    goal: str | None
    parent: int | None


class ProcessStateChanged(Event):
    """A process went from one state to another."""

    type: Literal["process.state_changed"] = "process.state_changed"
    from_state: str = Field(serialization_alias="from", description="the state before")
    to_state: str = Field(serialization_alias="to", description="the state now")
    source: str = Field(description="protocol, process, screen or user")
    reason: str | None = None


class ProcessPhaseChanged(Event):
    """What a running agent does changed."""

    type: Literal["process.phase_changed"] = "process.phase_changed"
    from_phase: str | None = Field(serialization_alias="from", description="the phase before")
    to_phase: str = Field(serialization_alias="to", description="the phase now")
    source: str
    reason: str | None = None


class ProcessStarted(Event):
    """A runtime process was started for it: a new incarnation."""

    type: Literal["process.started"] = "process.started"
    incarnation: int
    os_pid: int
    mode: str
    stdio: str


class ProcessAdopted(Event):
    """The daemon came back and found it alive."""

    type: Literal["process.adopted"] = "process.adopted"
    incarnation: int
    os_pid: int


class ProcessExited(Event):
    """A process ended for good."""

    type: Literal["process.exited"] = "process.exited"
    exit_code: int | None
    exit_signal: int | None
    outcome: str
    error: str | None = None
    ended_by: str | None = None


class ProcessPriorityChanged(Event):
    """A process got another priority."""

    type: Literal["process.priority_changed"] = "process.priority_changed"
    priority: int


class ProcessLimitsChanged(Event):
    """What a running process may use was changed."""

    type: Literal["process.limits_changed"] = "process.limits_changed"
    limits: dict[str, Any] = Field(description="those in force now, as in process.spawn")
    by: str


class ProcessBlocked(Event):
    """Its output is not taken fast enough and it was made to wait, or goes on."""

    type: Literal["process.blocked"] = "process.blocked"
    blocked: bool
    unacked: int


class AgentSession(Event):
    """The runtime told its conversation id, model and permission mode."""

    type: Literal["agent.session_started"] = "agent.session_started"
    session: str
    model: str | None = None
    permission_mode: str | None = None
    tools_connected: bool | None = None
    version: str | None = None


class AgentTold(Event):
    """A text was given to the agent: a goal, a message, a person's word."""

    type: Literal["agent.told"] = "agent.told"
    text: str
    by: str = Field(description="actor it came from")
    input: str | None = Field(default=None, description="id of the send, when it came through aetherd")
    state: str = Field(description="queued, sent, delivered or failed")


class AgentThought(Event):
    """A whole block of reasoning."""

    type: Literal["agent.thought"] = "agent.thought"
    text: str


class AgentText(Event):
    """A whole block of the agent's text."""

    type: Literal["agent.text"] = "agent.text"
    text: str
    interrupted: bool = False


class AgentToolCalled(Event):
    """The model called a tool."""

    type: Literal["agent.tool_call"] = "agent.tool_call"
    tool_call: str
    tool: str
    input: dict[str, Any]


class AgentToolReturned(Event):
    """A tool answered."""

    type: Literal["agent.tool_result"] = "agent.tool_result"
    tool_call: str
    text: str
    is_error: bool = False


class AgentUsage(Event):
    """Tokens and money spent: as the model gateway counts each call, and as the runtime itself tells."""

    type: Literal["agent.usage"] = "agent.usage"
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    model: str | None = None
    source: Literal["gateway", "runtime"] = Field(
        default="runtime", description="once the gateway counts a run, what the runtime tells is not added to its cost"
    )


class AgentPermissionRequested(Event):
    """The runtime waits for a person's leave."""

    type: Literal["agent.permission_requested"] = "agent.permission_requested"
    approval: str
    tool: str
    title: str
    input: dict[str, Any]
    tool_call: str | None = None


class AgentTurnEnded(Event):
    """The model is done for now."""

    type: Literal["agent.turn_ended"] = "agent.turn_ended"
    outcome: str = Field(description="completed, failed, interrupted or limited")
    text: str
    error: str | None = None


class AgentLimitReached(Event):
    """A usage limit stops the model until it lifts."""

    type: Literal["agent.limit_reached"] = "agent.limit_reached"
    error: str | None
    resets_at: str | None = Field(description="when it lifts, as the runtime or the model gateway was told")
    wakes_at: str | None = Field(default=None, description="when the agent is told to go on; null: never")


class AgentLimitLifted(Event):
    """An agent that waited for a usage limit is told to go on, in the same conversation."""

    type: Literal["agent.limit_lifted"] = "agent.limit_lifted"
    waited_s: float
    times: int = Field(description="how often in a row the limit was hit")


class AgentTrouble(Event):
    """The runtime met an error it works on by itself, or said something nobody understands."""

    type: Literal["agent.trouble"] = "agent.trouble"
    text: str


EVENTS = (
    ProcessSpawned,
    ProcessStateChanged,
    ProcessPhaseChanged,
    ProcessStarted,
    ProcessAdopted,
    ProcessExited,
    ProcessPriorityChanged,
    ProcessLimitsChanged,
    ProcessBlocked,
    AgentSession,
    AgentTold,
    AgentThought,
    AgentText,
    AgentToolCalled,
    AgentToolReturned,
    AgentUsage,
    AgentPermissionRequested,
    AgentTurnEnded,
    AgentLimitReached,
    AgentLimitLifted,
    AgentTrouble,
)
