"""The daemon itself: how it is, how it is set, what this machine lacks, and how to end it."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import anyio.to_thread
from sqlmodel import Session

from aetherd import __version__
from aetherd.core.config import Settings
from aetherd.events import Hub
from aetherd.kernel.system.models import (
    Check,
    Config,
    Doctor,
    Nothing,
    RoomHealth,
    RuntimeFound,
    Setting,
    Shutdown,
    ShuttingDown,
    Status,
)
from aetherd.kernel.system.ports import Approvals, Processes, Runtimes
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Rule, operation
from aetherd.runtime import Report, Runtime
from aetherd.store import Store

logger = logging.getLogger(__name__)

# Looked for already, used by rooms to come.
PROGRAMS = (
    ("browser", ("chromium", "google-chrome"), "needed by the room browser"),
    ("gpu", ("nvidia-smi",), "no NVIDIA driver; a machine without GPU is a normal machine"),
)


class SystemService:
    """Speaks for the daemon."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: Hub,
        lifecycle: Lifecycle,
        runtimes: Mapping[str, Runtime],
        process: Processes,
        approval: Approvals,
        runtime: Runtimes,
    ) -> None:
        self._settings, self._store, self._hub, self._lifecycle = settings, store, hub, lifecycle
        self._runtimes, self._process, self._approval, self._runtime = runtimes, process, approval, runtime

    @operation("system.status", effect=Effect.READ, access=Rule.ANYONE)
    async def status(self, input: Nothing, call: Call) -> Status:
        """Show how the daemon is: processes by state, open questions, health of every room, warnings."""

        def query(session: Session) -> tuple[dict[str, int], int]:
            return self._process.counts(session), sum(self._approval.pending(session).values())

        counts, waiting = await self._store.read(query)
        health = {
            name: RoomHealth(ok=bool(word["ok"]), detail=str(word.get("detail", "")))
            for name, word in self._lifecycle.health().items()
        }
        return Status(
            version=__version__,
            home=str(self._settings.home),
            address=self._lifecycle.address,
            os_pid=os.getpid(),
            uptime_s=round(time.monotonic() - self._lifecycle.started, 3),
            processes=counts,
            approvals=waiting,
            newest_event=self._hub.newest,
            health=health,
            warnings=[word.detail for word in health.values() if not word.ok],
        )

    @operation("system.config", effect=Effect.READ, access=Rule.PEOPLE)
    async def config(self, input: Nothing, call: Call) -> Config:
        """Show every setting as it is now, and where it is set; secrets are hidden."""
        values = self._settings.model_dump(mode="json")
        return Config(
            settings=[
                Setting(name=name, env=f"AETHER_{name.upper()}", value=values[name], doc=field.description or "")
                for name, field in Settings.model_fields.items()
            ],
            file=str(self._settings.home / "aetherd.toml"),
        )

    @operation("system.doctor", effect=Effect.READ, access=Rule.PEOPLE)
    async def doctor(self, input: Nothing, call: Call) -> Doctor:
        """Look at this machine: what works, what is missing, and how to get it."""
        reports = await self._runtime.reports()
        checks = await anyio.to_thread.run_sync(self._checks)
        health = self._lifecycle.health()
        return Doctor(
            checks=checks,
            runtimes=[_found(adapter, reports[name]) for name, adapter in self._runtimes.items()],
            tiers=_tiers(health["process"], health["sandbox"]["tiers"]),
        )

    @operation("system.shutdown", effect=Effect.DESTROY, access=Rule.PEOPLE, scope="system:admin")
    async def shutdown(self, input: Shutdown, call: Call) -> ShuttingDown:
        """End the daemon. Agents go on without it and are re-adopted at its next start, unless told otherwise."""
        ended = await self._process.shutdown_agents(call.actor) if input.agents else 0
        self._lifecycle.stop()
        return ShuttingDown(agents_ended=ended)

    def _checks(self) -> list[Check]:
        home = self._settings.home
        free = shutil.disk_usage(home).free
        health = self._lifecycle.health()
        separate = health["process"]
        trouble = self._store.trouble
        return [
            Check(
                name="platform",
                state="ok" if sys.platform == "linux" else "failed",
                detail=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
                fix=None if sys.platform == "linux" else "aetherd runs on Linux (WSL2 included)",
            ),
            Check(
                name="database",
                state="failed" if trouble else "ok",
                detail=f"SQLite {sqlite3.sqlite_version}, {self._store.path}",
                fix=trouble or None,
            ),
            Check(
                name="agent separation",
                state="ok" if separate["ok"] else "failed",  # an agent could read the owner's token
                detail=separate["detail"] or "each agent runs under a uid of its own",
                fix=None if separate["ok"] else "run aetherd as root, or wait for the sandbox tiers",
            ),
            Check(
                name="process trees",
                state="ok" if str(separate["trees"]).startswith("cgroup") else "warning",
                detail=f"frozen and killed by {separate['trees']}",
                fix=None
                if str(separate["trees"]).startswith("cgroup")
                else "delegate a cgroup v2 subtree to this user",
            ),
            *(_program(name, names, why) for name, names, why in PROGRAMS),
            Check(
                name="disk",
                state="ok" if free > 1 << 30 else "warning",
                detail=f"{free / (1 << 30):.1f} GiB free at {home}",
                fix=None if free > 1 << 30 else "make room: events are refused when the disk is full",
            ),
        ]


def _found(adapter: Runtime, report: Report) -> RuntimeFound:
    return RuntimeFound(
        name=adapter.name,
        title=adapter.hints.title,
        summary=adapter.hints.summary,
        available=report.available,
        version=report.version,
        path=report.path,
        missing=report.missing,
        needs=list(adapter.hints.needs),
        capabilities=asdict(adapter.capabilities),
    )


def _program(name: str, names: tuple[str, ...], why: str) -> Check:
    """Look for a program on PATH."""
    found = next((path for one in names if (path := shutil.which(one))), None)
    return Check(
        name=name,
        state="ok" if found else "missing",
        detail=found or f"not installed; {why}",
        fix=None if found else f"install {names[0]} when you need it",
    )


def _tiers(separate: Mapping[str, Any], tiers: Mapping[str, str | None]) -> list[Check]:
    host = "a uid of its own per agent" if separate["ok"] else f"NOT separated: {separate['detail']}"
    return [
        *(
            Check(name=name, state="missing" if reason else "ok", detail=reason or "works", fix=reason)
            for name, reason in tiers.items()
            if name != "host"
        ),
        Check(name="host", state="ok" if separate["ok"] else "failed", detail=host),
    ]
