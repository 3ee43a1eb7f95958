"""The daemon itself."""

from aetherd.kernel.system.service import SystemService

__all__ = ["SystemService"]
