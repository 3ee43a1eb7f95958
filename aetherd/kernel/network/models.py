"""What the network room takes and gives."""

from __future__ import annotations

from pydantic import Field

from aetherd.core.model import Model, Page
from aetherd.kernel.network.rules import GRAMMAR, MOST, Mode

AGENT = "agent (id or name); default: yourself"


class PolicyRef(Model):
    """Whose policy."""

    agent: str | None = Field(default=None, max_length=100, description=AGENT)


class PolicySet(PolicyRef):
    """What it shall be from now on."""

    mode: Mode = Field(
        description="none: nothing; all: public addresses, and what rules list of others; rules: only what they name"
    )
    rules: list[str] = Field(default=[], max_length=MOST, description=GRAMMAR)


class NetworkPolicy(Model):
    """What an agent may reach from inside a sandbox. Tier host has no wall that could hold it to this."""

    agent: str
    mode: Mode
    rules: list[str]
    default: bool = Field(description="nobody has set it; it is the setting `network`")


class LogPage(Page):
    """Which requests."""

    agent: str | None = Field(default=None, max_length=100, description=AGENT + ", for a person every agent's")
    refused: bool | None = Field(default=None, description="only refused ones, or only allowed ones")


class NetworkRequest(Model):
    """One request of an agent, as it was decided."""

    id: int
    at: str
    pid: int | None = Field(description="null: asked by the daemon for the agent, as browser.fetch does")
    agent: str
    allowed: bool
    method: str = Field(description="CONNECT is a tunnel, whose inside nobody sees; TCP a service of this machine")
    host: str
    port: int
    path: str | None
    address: str | None = Field(description="where it was connected to")
    reason: str | None = Field(description="why it was refused, or failed")
    rule: str | None = Field(description="the rule that would allow it")


class NetworkRequests(Model):
    """A page of requests, newest first."""

    requests: list[NetworkRequest]
    cursor: str | None = None
