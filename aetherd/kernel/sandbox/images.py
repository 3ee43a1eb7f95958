"""Images for the tier `docker`: recipes that are built without a registry, and what the engine has."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Literal

import anyio
import anyio.to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

import aetherd
from aetherd.core.clock import stamp
from aetherd.core.errors import Conflict, NotFound, Unavailable
from aetherd.kernel.sandbox.docker import Engine, Say, Stored
from aetherd.kernel.sandbox.models import Image, State

BASE, DESKTOP = "aetherd/base:latest", "aetherd/desktop:latest"
LABEL = "aetherd.recipe"
BUILD_S = 1800.0
END_S = 10.0  # for a build that is called off to clear up after itself
LINE = 65_536  # bytes
TOLD = 12  # last lines of a build that are told when it fails
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Way = Literal["auto", "debootstrap", "dockerfile"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made from: a list of packages and the two ways to install them."""

    name: str
    packages: Path
    mark: str  # changes with it

    @property
    def tag(self) -> str:
        """The image's name."""
        return f"aetherd/{self.name}:latest"


class Images:
    """Knows the recipes, builds them, and tells what there is."""

    def __init__(self, engine: Engine, place: Path, recipes: Path | None = None) -> None:
        self._engine, self._place = engine, place
        self.recipes_at = recipes_dir() if recipes is None else recipes
        self._building: dict[str, str] = {}  # name of a recipe -> what its build said last

    def recipes(self) -> dict[str, Recipe]:
        """Return every recipe by name; blocking."""
        shared = b"".join((self.recipes_at / name).read_bytes() for name in ("rootfs", "Dockerfile"))
        found = {}
        for path in sorted(self.recipes_at.glob("*.packages")):
            mark = hashlib.sha256(shared + path.read_bytes()).hexdigest()[:12]
            found[path.stem] = Recipe(path.stem, path, mark)
        return found

    async def all(self) -> list[Image]:
        """Return the images of the recipes, built or not, then whatever else the engine has."""
        recipes = {one.tag: one for one in (await anyio.to_thread.run_sync(self.recipes)).values()}
        stored = await self._engine.images() if await self._engine.trouble() is None else []
        ours = {tag: one for one in stored for tag in one.tags if tag in recipes}
        said = self._building
        found = [_image(tag, ours.get(tag), recipe, said.get(recipe.name)) for tag, recipe in recipes.items()]
        found += [_image(tag, one, None) for one in stored for tag in sorted(one.tags) if tag not in recipes]
        return found

    async def build(self, name: str, way: Way, say: Say) -> Image:
        """Build an image from its recipe, telling each line; raises `NotFound`, `Unavailable`, `Conflict`."""
        recipes = await anyio.to_thread.run_sync(self.recipes)
        if (recipe := recipes.get(name)) is None:
            raise NotFound(f"no recipe {name!r}; there are {', '.join(recipes)}", kind="recipe", id=name)
        if (trouble := await self._engine.trouble()) is not None:
            raise Unavailable(f"images are built for Docker, which cannot be used: {trouble}")
        if name in self._building:
            raise Conflict(f"image {name} is being built already", recipe=name)

        async def heard(line: str) -> None:
            self._building[name] = line
            await say(line)

        self._building[name] = "it has just begun"
        try:
            with anyio.fail_after(BUILD_S):
                if way == "dockerfile" or (way == "auto" and shutil.which("debootstrap") is None):
                    await self._from_dockerfile(recipe, heard)
                else:
                    await self._from_rootfs(recipe, heard)
        except TimeoutError as exc:
            raise Unavailable(f"image {name} was not built within {BUILD_S:g} s") from exc
        finally:
            del self._building[name]
        return next(image for image in await self.all() if image.name == recipe.tag)

    async def prune(self, *, dry_run: bool) -> list[str]:
        """Remove the images of our recipes that no container uses; returns their names."""
        if await self._engine.trouble() is not None:
            return []
        used = await self._engine.in_use()
        found = [one for one in await self._engine.images() if LABEL in one.labels and one.id not in used]
        for one in [] if dry_run else found:
            await self._engine.forget(one.id)
        return [name for one in found for name in one.tags or (one.id,)]

    async def _from_dockerfile(self, recipe: Recipe, say: Say) -> None:
        packages = await anyio.Path(recipe.packages).read_text()
        arguments = {"PACKAGES": " ".join(packages.split())}
        await self._engine.build(self.recipes_at, recipe.tag, {LABEL: recipe.mark}, arguments, say)

    async def _from_rootfs(self, recipe: Recipe, say: Say) -> None:
        if shutil.which("debootstrap") is None:
            raise Unavailable("debootstrap is not installed; install it, or build with `way` dockerfile")
        self._place.mkdir(mode=0o700, exist_ok=True)
        archive = self._place / f"{recipe.name}.tar"
        try:
            await make_archive(self.recipes_at, recipe, archive, say)
            await say("handing it to Docker")
            await self._engine.take_in(archive, recipe.tag, [f"LABEL {LABEL}={recipe.mark}", f"ENV PATH={PATH}"])
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(archive.unlink, True)


async def make_archive(recipes: Path, recipe: Recipe, archive: Path, say: Say) -> None:
    """Make the root directory of an image as a tar file, telling each line. Raises `Unavailable`."""
    last: deque[str] = deque(maxlen=TOLD)
    proxies = {name: os.environ[name] for name in ("http_proxy", "https_proxy") if name in os.environ}
    command = [str(recipes / "rootfs"), str(recipe.packages), str(archive)]
    async with _running(command, {"PATH": PATH, "LANG": "C.UTF-8", **proxies}) as process:
        assert process.stdout is not None
        lines = BufferedByteReceiveStream(process.stdout)
        with suppress(anyio.IncompleteRead):
            while True:
                line = (await lines.receive_until(b"\n", LINE)).decode(errors="replace").strip()
                last.append(line)
                await say(line)
        code = await process.wait()
    if code != 0:
        raise Unavailable(f"image {recipe.name} could not be built:\n" + "\n".join(last), code=code)


@asynccontextmanager
async def _running(command: list[str], env: dict[str, str]) -> AsyncIterator[Process]:
    process = await anyio.open_process(
        command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=env, start_new_session=True
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:  # called off: everything it started as well
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                with anyio.move_on_after(END_S):
                    await process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()


def recipes_dir() -> Path:
    """Return where the recipes are: in the installed package, or in the source tree."""
    package = Path(aetherd.__path__[0])
    installed = package / "images"
    return installed if installed.is_dir() else package.parent / "runtimes" / "images"


def _image(tag: str, stored: Stored | None, recipe: Recipe | None, said: str | None = None) -> Image:
    note: str | None = None
    state: State = "missing"
    if said is not None:
        state, note = "building", said
    elif stored is not None:
        state = "built"
        if recipe is not None and stored.labels.get(LABEL) != recipe.mark:
            state, note = "outdated", "its recipe has changed since; build it again"
    elif recipe is not None:
        note = f"build it: aetherctl sandbox build-image {recipe.name}"
    return Image(
        name=tag,
        recipe=None if recipe is None else recipe.name,
        state=state,
        id=None if stored is None else stored.id,
        bytes=None if stored is None else stored.bytes,
        created_at=None if stored is None else stamp(datetime.fromtimestamp(stored.created, UTC)),
        note=note,
    )
