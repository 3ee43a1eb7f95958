"""A house with real processes for what must never happen."""

from fakes import anyio_backend, lab

__all__ = ["anyio_backend", "lab"]
