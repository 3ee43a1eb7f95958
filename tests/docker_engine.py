"""A Docker engine of the tests' own: started once per session, on no network, with nothing but our own images.

The root directory of an image is built once per recipe and kept under the user's cache directory, as it takes a minute
and needs the mirror of this machine's apt.

    python -m tests.docker_engine      build those that are missing
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from aetherd.kernel.sandbox.docker import Engine
from aetherd.kernel.sandbox.images import LABEL, Images, Recipe, make_archive

START_S, END_S = 30.0, 20.0
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "aetherd-tests" / "images"


@dataclass
class DockerEngine:
    """An engine that runs; `host` is what the setting docker_host takes."""

    place: Path
    images: set[str] = field(default_factory=set)

    @property
    def host(self) -> str:
        return f"unix://{self.place}/s"

    def docker(self, *words: str) -> str:
        """Run the docker command line against it, for what an operator or an enemy would do."""
        line = ["docker", "--host", self.host, *words]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def have(self, recipe: str) -> str:
        """Have the image of a recipe; returns its name, skips the test where it cannot be made."""
        images = Images(Engine(self.host), self.place)
        found = images.recipes()[recipe]
        if recipe not in self.images:
            archive = _archive(images, recipe)
            change = f"LABEL {LABEL}={found.mark}"
            self.docker("import", "--change", change, str(archive), found.tag)
            self.images.add(recipe)
        return found.tag


def _kept(recipe: Recipe) -> Path:
    return CACHE / f"{recipe.name}-{recipe.mark}.tar"


def _archive(images: Images, recipe: str) -> Path:
    found = images.recipes()[recipe]
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = _kept(found)
    with (CACHE / f"{recipe}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            if shutil.which("debootstrap") is None:
                pytest.skip("debootstrap is not installed: no image for Docker can be made")

            async def quiet(line: str) -> None:
                pass

            for old in CACHE.glob(f"{recipe}-*.tar"):
                old.unlink()
            making = kept.with_suffix(".new")
            try:
                anyio.run(make_archive, images.recipes_at, found, making, quiet)
            except Exception as exc:
                pytest.skip(f"no image for Docker can be made here: {exc}")
            making.rename(kept)
    return kept


@contextmanager
def running_engine() -> Iterator[DockerEngine]:
    """Start an engine and end it with all its containers; skips where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("a Docker engine of the tests' own needs root")
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        pytest.skip("dockerd is not installed (Debian: docker.io)")
    place = Path(tempfile.mkdtemp(prefix="aetherd-docker-"))
    line = [
        *("dockerd", "--host", f"unix://{place}/s", "--pidfile", f"{place}/pid"),
        *("--data-root", f"{place}/data", "--exec-root", f"{place}/exec"),
        *("--iptables=false", "--ip-forward=false", "--bridge=none", "--log-level=warn"),
    ]
    engine = DockerEngine(place)
    with (place / "log").open("wb") as log:
        daemon = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        if not _answers(engine, daemon):
            last = (place / "log").read_text(errors="replace").strip().splitlines()[-1:]
            pytest.skip(f"dockerd does not start here: {last}")
        yield engine
        for name in engine.docker("ps", "-aq").split():
            engine.docker("rm", "-f", name)
    finally:
        daemon.terminate()
        try:
            daemon.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        for mount in Path("/proc/self/mounts").read_text().splitlines():
            if (where := mount.split()[1]).startswith(f"{place}/"):
                subprocess.run(["umount", "-l", where], check=False)
        shutil.rmtree(place, ignore_errors=True)


def _answers(engine: DockerEngine, daemon: subprocess.Popen[bytes]) -> bool:
    give_up, pause = time.monotonic() + START_S, threading.Event()
    while time.monotonic() < give_up and daemon.poll() is None:
        if subprocess.run(["docker", "--host", engine.host, "version"], capture_output=True).returncode == 0:
            return True
        pause.wait(0.1)
    return False


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A Docker engine with no image."""
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_desktop(docker_engine: DockerEngine) -> DockerEngine:
    """The same, with the image of the recipe `desktop`: never built by a test, as that takes minutes."""
    recipe = Images(Engine(docker_engine.host), docker_engine.place).recipes()["desktop"]
    if not _kept(recipe).exists():
        pytest.skip("the image aetherd/desktop is not built for the tests: make test-images (once, 2 minutes)")
    docker_engine.have("desktop")
    return docker_engine


@pytest.fixture(scope="session")
def docker_base(docker_engine: DockerEngine) -> DockerEngine:
    """The same, with the image of the recipe `base`."""
    docker_engine.have("base")
    return docker_engine


def main() -> None:
    """Build the root directories of all recipes that are not kept yet."""
    images = Images(Engine(""), CACHE)
    for recipe in images.recipes():
        print(_archive(images, recipe))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
