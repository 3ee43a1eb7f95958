"""A house for the network room."""

from __future__ import annotations

from fakes import Lab, anyio_backend, estate, lab

__all__ = ["Lab", "anyio_backend", "estate", "lab"]
