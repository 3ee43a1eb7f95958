"""The way to operations a toolset does not show."""

from aetherd.kernel.tool.service import ToolService

__all__ = ["ToolService"]
