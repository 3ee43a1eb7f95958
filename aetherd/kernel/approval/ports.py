"""What the approval room needs from its neighbours."""

from __future__ import annotations

from typing import Protocol


class Agents(Protocol):
    """Names of agents."""

    async def name_of(self, agent: str) -> str | None:
        """Return an agent's name."""
        ...
