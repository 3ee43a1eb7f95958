"""What the tool room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from aetherd.core.model import Model


class ToolSearch(Model):
    """What you want to do."""

    query: str = Field(default="", max_length=1000, description="a few words; empty shows what there is")
    limit: int = Field(default=8, ge=1, le=100, description="most tools to return")


class Tool(Model):
    """One operation you may call."""

    name: str = Field(description="operation name, for tool.call")
    tool: str = Field(description="its name where it is listed as a tool of its own")
    summary: str
    effect: Literal["read", "write", "destroy"] = Field(description="destroy needs a person's approval for agents")
    input: dict[str, Any] = Field(description="JSON Schema of its input")


class Tools(Model):
    """The best fit first."""

    tools: list[Tool]
    total: int = Field(description="how many fit")


class ToolCall(Model):
    """Which operation, with what."""

    name: str = Field(
        min_length=1,
        max_length=100,
        description="`memory.recall` or `aether_memory_recall`, from tool.search",
    )
    input: dict[str, Any] = Field(default={}, repr=False, description="its input, as its schema says")

    @field_validator("name")
    @classmethod
    def _another(cls, name: str) -> str:
        if name in ("tool.call", "aether_tool_call"):
            raise ValueError("call the operation itself")
        return name


class ToolResult(Model):
    """What the operation answered."""

    operation: str
    result: dict[str, Any] = Field(description="its output; the last item when it streams")
