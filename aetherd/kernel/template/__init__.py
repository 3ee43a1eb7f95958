"""Roles that runs start from: what the agent is told, what it runs on, and the only tools it has."""

from aetherd.kernel.template.events import EVENTS
from aetherd.kernel.template.service import TemplateService

__all__ = ["EVENTS", "TemplateService"]
