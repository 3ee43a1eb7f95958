"""Which tier a process gets, and the sandboxes there are, whichever tier made them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping
from typing import Any

import anyio

from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Invalid, Unavailable
from aetherd.kernel.sandbox.bwrap import Bwrap
from aetherd.kernel.sandbox.containers import PYTHON, Docker
from aetherd.kernel.sandbox.docker import Engine
from aetherd.kernel.sandbox.keepers import Keepers
from aetherd.kernel.sandbox.plan import Inside, Plan, Tier

logger = logging.getLogger(__name__)

HOST = "host"
AUTO = ("bwrap", "docker")
"""What the setting `auto` takes: the first that works, and never none."""
UNWALLED = (
    'say that a run shall have no walls: sandbox {"tier": "host"} in process.spawn, for all runs sandbox = "host" in '
    "aetherd.toml"
)


class Holding:
    """The tiers of this machine; the process room has sandboxes of them by their names."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._keepers = Keepers(settings)
        key = hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]
        self.docker = Docker(engine, self._keepers, settings.home, key)
        self._tiers: dict[str, Tier] = {"docker": self.docker, "bwrap": Bwrap(settings, self._keepers)}
        self.reasons: dict[str, str | None] = dict.fromkeys(self._tiers, "not looked at yet") | {HOST: None}
        self._looked = False
        self._looking = anyio.Lock()

    @property
    def default(self) -> str:
        """The tier of a process for which nobody names one; as far as it was looked at."""
        if self._settings.sandbox != "auto":
            return self._settings.sandbox
        return next((name for name in AUTO if self.reasons[name] is None), AUTO[0])

    async def probe(self) -> None:
        """Find out which tiers work here."""
        for name, tier in self._tiers.items():
            self.reasons[name] = await tier.probe()
        self._looked = True

    async def choose(self, wish: Mapping[str, Any]) -> str:
        """Return the tier for a wish (the JSON form of SandboxWish). Raises `Unavailable`, `Invalid`."""
        async with self._looking:
            if not self._looked:
                await self.probe()
        image, name = wish.get("image"), wish.get("tier") or self._named(wish)
        if image and name != "docker":
            raise Invalid(f"an image needs tier docker, and the tier is {name}; leave one of them out", field="image")
        if name == HOST:
            if wish.get("network") not in (None, "all"):
                raise Invalid("a network policy needs a sandbox: choose tier bwrap or docker", field="network")
            return HOST
        for one in (name,) if name else AUTO:
            self.reasons[one] = await self._tiers[one].probe()
            if self.reasons[one] is None:
                return one
        if wish.get("tier") or image:
            raise Unavailable(f"sandbox tier {name} does not work here: {self.reasons[str(name)]}", tier=name)
        whys = "; ".join(f"tier {one}: {self.reasons[one]}" for one in ((name,) if name else AUTO))
        raise Unavailable(f"no sandbox works here ({whys}). Mend one, or {UNWALLED}", field="sandbox.tier")

    async def choose_alone(self) -> str:
        """Return the tier of a command that belongs to no process: bwrap where it works, whatever runs have.

        Else an agent in a sandbox could leave it by what the house runs for it.
        """
        self.reasons["bwrap"] = await self._tiers["bwrap"].probe()
        return "bwrap" if self.reasons["bwrap"] is None else HOST

    def _named(self, wish: Mapping[str, Any]) -> str | None:
        """Return the tier that a wish without one comes to; None: the first that works."""
        if wish.get("image"):
            return "docker"
        return None if self._settings.sandbox == "auto" else self._settings.sandbox

    async def hold(self, tier: str, plan: Plan) -> Inside:
        """Return the sandbox of a process as the plan says, made if need be. Raises `Unavailable`."""
        return await self._tiers[tier].hold(plan)

    async def find(self, tier: str, pid: int) -> Inside | None:
        """Return the sandbox of a process as it stands."""
        return await self._tiers[tier].find(pid)

    async def drop(self, tier: str, pid: int) -> None:
        """End the sandbox of a process and everything in it."""
        if tier in self._tiers:
            await self._tiers[tier].drop(pid)

    def python(self, tier: str) -> str | None:
        """Return the interpreter that a tier has instead of ours; its libraries are not ours to lend."""
        return PYTHON if tier == "docker" else None

    async def orphans(self, living: Collection[int]) -> list[tuple[str, int]]:
        """Return (tier, pid) of sandboxes whose process has ended."""
        found = []
        for name, tier in self._tiers.items():
            try:
                found += [(name, pid) for pid in await tier.pids() if pid not in living]
            except AetherError as exc:  # an engine that is away
                logger.debug("sandboxes of tier %s were not looked for: %s", name, exc.message)
        return found

    async def end_orphans(self, living: Collection[int]) -> None:
        """End them."""
        for name, pid in await self.orphans(living):
            await self.drop(name, pid)

    async def aclose(self) -> None:
        """Let go of what makes sandboxes; those there are stand on."""
        await self._keepers.aclose()
