"""Fixtures for all tests: an empty environment, settings on a temporary home, a house that is up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aetherd.core.config import Settings, load
from house import Running, forget_environment, run_house, seed_database, usual_tier


def pytest_configure(config: pytest.Config) -> None:
    """Declare the long ones."""
    config.addinivalue_line("markers", "nightly: takes minutes; runs only when asked for with -m")
    config.addinivalue_line("markers", "runtimes: needs a runtime that `make test-runtimes` installs; else skipped")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out unless -m names them."""
    if "nightly" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("nightly"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; run with -m nightly"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With -n, give a file to one worker; of the folders with real daemons and a browser, the whole folder."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            folder = path.rpartition("/")[0]
            return folder if folder in ("tests/browser", "tests/e2e") else path  # these measure time: one by one

    config.option.loadscopereorder = False  # in the order of the folders the longest come early
    return Files(config, log)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


@pytest.fixture(scope="session")
def walls() -> str:
    """The setting `sandbox`; a folder whose programs write where no sandbox shows it has `host` instead."""
    return usual_tier()


@pytest.fixture
def settings(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, walls: Any) -> Settings:
    found = load(home=tmp_path / "aether", port=0, approval_wait_s=0.05, docker_host="", sandbox=walls)
    seed_database(found, tmp_path_factory.getbasetemp() / "template.db")
    return found


@pytest.fixture
async def house(settings: Settings, anyio_backend: str) -> AsyncIterator[Running]:
    async with run_house(settings) as running:
        yield running


__all__ = ["Running", "run_house"]
