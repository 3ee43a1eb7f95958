"""A house with real processes for the metric room's tests."""

from fakes import anyio_backend, estate, lab

__all__ = ["anyio_backend", "estate", "lab"]
