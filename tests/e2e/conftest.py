"""Daemons for the end-to-end tests: one shared by a module, or one of its own for a test that breaks things."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.daemon_lab import Daemon


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """A daemon that the tests of a module share; it may be killed, if it is started again."""
    with Daemon(settings="max_running = 200\napproval_wait_s = 1\n") as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """The shared daemon, running, and with nothing of the test before: also of one that failed."""
    shared.revive()
    yield shared
    shared.revive().clear()


@pytest.fixture
def own() -> Iterator[Daemon]:
    """A daemon for this test alone."""
    with Daemon(settings="approval_wait_s = 1\nmax_running = 60\n") as daemon:
        yield daemon
