"""THE LIST: one line per room, in start order. A room may ask for the rooms above it, never for those below."""

from __future__ import annotations

from aetherd.kernel.agent import AgentService
from aetherd.kernel.approval import ApprovalService
from aetherd.kernel.audit import AuditService
from aetherd.kernel.control import ControlService
from aetherd.kernel.process import ProcessService
from aetherd.kernel.system import SystemService
from aetherd.kernel.token import TokenService

ROOMS: tuple[type, ...] = (
    AuditService,
    TokenService,
    AgentService,
    ApprovalService,
    ProcessService,
    ControlService,
    SystemService,
)
