"""Daemons for the end-to-end tests: one shared by a module, or one of its own for a test that breaks things."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.daemon_lab import Daemon


def pytest_configure(config: pytest.Config) -> None:
    """Declare the long ones."""
    config.addinivalue_line("markers", "nightly: takes minutes; runs only when asked for with -m")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out unless -m names them."""
    if "nightly" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("nightly"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; run with -m nightly"))


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """A daemon that the tests of a module share; it may be killed, if it is started again."""
    with Daemon(settings="max_running = 200\napproval_wait_s = 1\n") as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Daemon:
    """The shared daemon, running whatever the test before did to it."""
    if shared.process is None or shared.process.poll() is not None:
        shared.start()
    return shared


@pytest.fixture
def own() -> Iterator[Daemon]:
    """A daemon for this test alone."""
    with Daemon(settings="approval_wait_s = 1\n") as daemon:
        yield daemon
