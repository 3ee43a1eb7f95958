"""The model gateway as a face and other rooms know it; and which environment holds credentials of models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from aetherd.core.errors import AetherError
from aetherd.operations.operation import Call

BODY = 32 * 1024 * 1024  # most bytes of a request
Headers = tuple[tuple[bytes, bytes], ...]  # names in lower case

# What the gateway holds of its own accord, by provider: the first that is set is taken. It is put in no agent's place.
CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"),
    "openai": ("OPENAI_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "ollama": ("OLLAMA_API_KEY",),
}
ADDRESSES: Mapping[str, str] = {
    "anthropic": "ANTHROPIC_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
    "ollama": "OLLAMA_HOST",
}
HELD = frozenset(name for names in CREDENTIALS.values() for name in names) | frozenset(ADDRESSES.values())


def own(env: Collection[str]) -> frozenset[str]:
    """Return the providers that an environment has credentials or an address of its own for."""
    return frozenset(
        name for name, names in CREDENTIALS.items() if ADDRESSES[name] in env or any(one in env for one in names)
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a provider, as it came."""

    provider: str
    path: str  # below the provider, such as v1/messages
    query: str
    method: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """What goes back."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


class ModelGateway(Protocol):
    """Passes requests of processes on to providers."""

    def ask(self, asked: Asked, call: Call) -> AbstractAsyncContextManager[Answered]:
        """Reserve, pass on, meter, settle; raises any `AetherError` before there is an answer."""
        ...

    def refusal(self, asked: Asked, error: AetherError) -> tuple[int, Headers, bytes]:
        """Say why not, in the words of the provider's dialect: status, headers, body."""
        ...
