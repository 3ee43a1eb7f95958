"""The dialects, one module each; a path belongs to at most one."""

from __future__ import annotations

from tests.model_api.dialects.anthropic import Anthropic
from tests.model_api.dialects.chat import Chat
from tests.model_api.dialects.gemini import Gemini
from tests.model_api.dialects.ollama import Ollama
from tests.model_api.dialects.responses import Responses
from tests.model_api.dialects.words import Dialect, Frame

DIALECTS: tuple[Dialect, ...] = (Anthropic(), Chat(), Responses(), Gemini(), Ollama())

__all__ = ["DIALECTS", "Dialect", "Frame"]
