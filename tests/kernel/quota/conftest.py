"""A house with real processes for the quota room's tests."""

import pytest

from fakes import anyio_backend, estate, lab

__all__ = ["anyio_backend", "estate", "lab", "walls"]


@pytest.fixture(scope="session")
def walls() -> str:
    """No sandbox: one has bounds of its own besides those that are looked at."""
    return "host"
