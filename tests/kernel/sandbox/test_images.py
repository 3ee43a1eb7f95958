"""Images: built from recipes without a registry, told line by line, called off without a trace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from aetherd.core.errors import NotFound, Unavailable
from aetherd.kernel.sandbox.docker import Engine
from aetherd.kernel.sandbox.images import Images, recipes_dir
from docker_engine import DockerEngine, running_engine

pytestmark = [pytest.mark.anyio, pytest.mark.docker]
# A recipe of the tests' own: what it makes is tiny, how it is called and heard is the real thing.
ROOTFS = """#!/bin/bash
set -eu
echo "packages: $(cat "$1")"
[ -z "$(grep slow "$1")" ] || sleep 1000
[ -z "$(grep broken "$1")" ] || { echo "no such package" >&2; exit 1; }
mkdir -p "$2.d/usr/bin"; cp /bin/true "$2.d/usr/bin/python3"; tar -C "$2.d" -cf "$2" .; rm -r "$2.d"
"""
DOCKERFILE = "FROM scratch\nARG PACKAGES\nCOPY small.packages /\nLABEL packages=$PACKAGES\n"


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A folder of recipes."""
    place = tmp_path / "recipes"
    place.mkdir()
    (place / "rootfs").write_text(ROOTFS)
    (place / "rootfs").chmod(0o755)
    (place / "Dockerfile").write_text(DOCKERFILE)
    for name in ("small", "slow", "broken"):
        (place / f"{name}.packages").write_text(f"{name}-package\n")
    return place


@pytest.fixture(scope="module")
def engine_to_prune() -> Iterator[DockerEngine]:
    """An engine whose images nobody else needs."""
    with running_engine() as engine:
        yield engine


@pytest.fixture
def images(engine_to_prune: DockerEngine, recipes: Path, tmp_path: Path) -> Iterator[Images]:
    """The images of a house with these recipes."""
    engine = Engine(engine_to_prune.host)
    yield Images(engine, tmp_path / "making", recipes)
    engine.close()


@pytest.mark.parametrize("way", ["debootstrap", "dockerfile"])
async def test_a_recipe_becomes_an_image_and_a_changed_recipe_makes_it_outdated(
    images: Images, recipes: Path, way: str
) -> None:
    if way == "debootstrap" and shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    told: list[str] = []

    async def say(line: str) -> None:
        told.append(line)

    made = await images.build("small", way, say)  # type: ignore[arg-type]
    assert (made.name, made.state, made.note) == ("aetherd/small:latest", "built", None)
    assert made.bytes
    assert any("small" in line for line in told)
    (recipes / "small.packages").write_text("another\n")
    (found,) = [image for image in await images.all() if image.recipe == "small"]
    assert found.state == "outdated"
    assert await images.prune(dry_run=False) == [made.name]
    (found,) = [image for image in await images.all() if image.recipe == "small"]
    assert (found.state, found.note) == ("missing", "build it: aetherctl sandbox build-image small")


async def test_a_build_that_fails_says_why_and_one_called_off_leaves_nothing(images: Images, tmp_path: Path) -> None:
    async def quiet(line: str) -> None:
        pass

    with pytest.raises(NotFound, match="there are broken, slow, small"):
        await images.build("other", "auto", quiet)
    with pytest.raises(Unavailable, match="no such package"):
        await images.build("broken", "debootstrap", quiet)
    heard = anyio.Event()

    async def hear(line: str) -> None:
        heard.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(images.build, "slow", "debootstrap", hear)
            await heard.wait()
            group.cancel_scope.cancel()
    assert list((tmp_path / "making").iterdir()) == []


def test_every_recipe_that_is_shipped_has_what_an_agent_needs() -> None:
    for recipe in Images(Engine(""), Path("/nonexistent")).recipes().values():
        assert {"python3", "ca-certificates"} <= set(recipe.packages.read_text().split())
    assert (recipes_dir() / "rootfs").stat().st_mode & 0o111
