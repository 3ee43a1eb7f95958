"""A house with real processes for the gpu room's tests."""

from fakes import anyio_backend, estate

__all__ = ["anyio_backend", "estate"]
