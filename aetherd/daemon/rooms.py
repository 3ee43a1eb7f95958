"""THE LIST: one line per room, in start order. A room may ask for the rooms above it, never for those below."""

from __future__ import annotations

from aetherd.kernel.agent import AgentService
from aetherd.kernel.approval import ApprovalService
from aetherd.kernel.audit import AuditService
from aetherd.kernel.browser import BrowserService
from aetherd.kernel.control import ControlService
from aetherd.kernel.desktop import DesktopService
from aetherd.kernel.feedback import FeedbackService
from aetherd.kernel.flow import FlowService
from aetherd.kernel.fs import FsService
from aetherd.kernel.gpu import GpuService
from aetherd.kernel.memory import MemoryService
from aetherd.kernel.message import MessageService
from aetherd.kernel.metric import MetricService
from aetherd.kernel.model import ModelService
from aetherd.kernel.network import NetworkService
from aetherd.kernel.plan import PlanService
from aetherd.kernel.process import ProcessService
from aetherd.kernel.profile import ProfileService
from aetherd.kernel.quota import QuotaService
from aetherd.kernel.reflection import ReflectionService
from aetherd.kernel.runtime import RuntimeService
from aetherd.kernel.sandbox import SandboxService
from aetherd.kernel.skill import SkillService
from aetherd.kernel.snapshot import SnapshotService
from aetherd.kernel.system import SystemService
from aetherd.kernel.task import TaskService
from aetherd.kernel.template import TemplateService
from aetherd.kernel.terminal import TerminalService
from aetherd.kernel.token import TokenService
from aetherd.kernel.tool import ToolService
from aetherd.kernel.workspace import WorkspaceService
from aetherd.kernel.worktree import WorktreeService

ROOMS: tuple[type, ...] = (
    AuditService,
    TokenService,
    AgentService,
    ApprovalService,
    ProcessService,
    SandboxService,
    ControlService,
    FsService,
    TerminalService,
    DesktopService,
    BrowserService,
    NetworkService,
    MemoryService,
    MessageService,
    QuotaService,
    ModelService,
    GpuService,
    WorkspaceService,
    WorktreeService,
    SkillService,
    TaskService,
    PlanService,
    SnapshotService,
    FlowService,
    TemplateService,
    FeedbackService,
    ReflectionService,
    ProfileService,
    RuntimeService,
    SystemService,
    MetricService,
    ToolService,
)
