"""THE LIST: one line per room, in start order. A room may ask for the rooms above it, never for those below."""

from __future__ import annotations

from aetherd.kernel.audit import AuditService
from aetherd.kernel.token import TokenService

ROOMS: tuple[type, ...] = (
    AuditService,
    TokenService,
)
