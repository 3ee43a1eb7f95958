"""The record of who did what."""

from aetherd.kernel.audit.service import AuditService

__all__ = ["AuditService"]
