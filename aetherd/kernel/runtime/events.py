"""What happens to installed runtimes."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class RuntimeInstalled(Event):
    """A version was installed and is in use from now on; what runs goes on with the one it was started with."""

    type: Literal["runtime.installed"] = "runtime.installed"
    runtime: str
    version: str
    before: str | None  # the version until now; the same one when it was repaired


class RuntimeInstallFailed(Event):
    """It could not be installed; what was there before is still in use."""

    type: Literal["runtime.install_failed"] = "runtime.install_failed"
    runtime: str
    error: str


class RuntimeRemoved(Event):
    """An installed runtime was removed."""

    type: Literal["runtime.removed"] = "runtime.removed"
    runtime: str
    version: str | None


EVENTS = (RuntimeInstalled, RuntimeInstallFailed, RuntimeRemoved)
