"""Agents that speak the Agent Client Protocol as hosted runtimes, through the bridge in `aetherd_runtimes.acp`.

What one agent has of its own is a subclass in `aetherd_runtimes.acp_kinds`; the ones a person configures need none.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from aetherd import __version__
from aetherd.core.errors import Invalid, Unavailable
from aetherd.runtime import Capabilities, Decoder, File, Hints, Launch, Output, Package, Report, Runtime, Spawn
from aetherd_runtimes.builtin_runtime import NO_INTERPRETER, PACKAGE, needs
from aetherd_runtimes.command import SEARCH_PATH
from aetherd_runtimes.lines import LineDecoder

SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:-]{0,199}")  # the agent's own word


@dataclass(frozen=True, slots=True)
class Program:
    """Where the agent's program is, and how it is run."""

    argv: tuple[str, ...]
    path: tuple[Path, ...] = ()  # directories before the usual search path
    needs: tuple[Path, ...] = ()
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What one kind of agent needs for one run."""

    env: Mapping[str, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    arguments: tuple[str, ...] = ()  # more of its command line
    model: str | None = None  # what it is given by its own configuration, for people
    chosen: str | None = None  # what is to be chosen in the conversation instead
    hidden: tuple[str, ...] = ()  # of the environment, for the bridge alone


class Acp:
    """One kind of agent. Stateless but for the prefix, which the runtime room sets."""

    name: str
    hints: Hints
    # no `steer`: ACP has no word for it, only an extension
    capabilities = Capabilities(structured=True, texts=True, interrupt=True, resume=True, permissions=True, echo=True)
    package: Package | None = None
    naming: ClassVar[str] = ""  # see `aetherd_runtimes.acp.updates`
    conversation: ClassVar[str] = ""
    loose_notices: ClassVar[bool] = False
    files: ClassVar[bool] = True
    auth: ClassVar[str | None] = None
    modes: Sequence[str] = ()  # the first of these that it offers is chosen
    programs: ClassVar[tuple[str, ...]] = ()  # looked for on PATH, with `arguments`
    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(self, prefix: Path | None = None) -> None:
        self.prefix = prefix

    # Is it there ---------------------------------------------------------------------------------------

    def check(self) -> Report:
        """Look for the program: installed by aetherd, else on PATH."""
        if not sys.executable:
            return Report(available=False, missing=NO_INTERPRETER)
        try:
            program = self.find()
        except Unavailable as exc:
            return Report(available=False, missing=exc.message)
        return Report(available=True, version=program.version, path=program.argv[0])

    def find(self) -> Program:
        """Return the program; raises `Unavailable`."""
        if self.prefix is not None and self.package is not None and (self.prefix / "current").exists():
            place = (self.prefix / "current").resolve()  # an update must not change what runs
            if (place / self.package.program).is_file():
                return self.installed(place)
        for name in self.programs:
            if found := shutil.which(name):
                return Program((found, *self.arguments), needs=_place_of(Path(found)))
        raise Unavailable(f"{self.name} is not installed: {self.hints.install}", install=self.hints.install)

    def installed(self, place: Path) -> Program:
        """Return how it is run from where aetherd installed it."""
        assert self.package is not None
        program = place / self.package.program
        node = place / "bin" / "node"
        argv = (str(node), str(program)) if self.package.node else (str(program),)
        path = (place / "bin",) if node.exists() else ()
        return Program((*argv, *self.arguments), path, (place,), _version(place, self.package))

    # How to run it -------------------------------------------------------------------------------------

    def launch(self, spawn: Spawn) -> Launch:
        """Run the bridge with the agent as its child."""
        if not sys.executable:
            raise Unavailable(NO_INTERPRETER)
        if spawn.mode == "tui":
            raise Invalid(f"the runtime {self.name} has no screen of its own", field="mode")
        if spawn.resume and not spawn.session:
            raise Invalid(f"there is no conversation of {self.name} to go on with", runtime=self.name)
        if spawn.session and not SESSION.fullmatch(spawn.session):
            raise Invalid(f"that is no conversation of {self.name}", runtime=self.name)
        program = self.find()
        setup = self.setup(spawn)
        settings = spawn.config / "acp.json"
        return Launch(
            argv=(spawn.python or sys.executable, "-I", "-S", str(PACKAGE / "acp" / "__main__.py"), str(settings)),
            env={
                "HOME": str(spawn.home),
                "LANG": "C.UTF-8",
                "PATH": ":".join([*map(str, program.path), SEARCH_PATH]),
                "TMPDIR": str(spawn.home / ".tmp"),  # Codex makes no helpers where a home is below the place for these
                **setup.env,
                **spawn.env,
                **spawn.door.env,
            },
            cwd=spawn.cwd,
            stdio="pipes",
            files=(
                File(settings, self._settings(spawn, program, setup)),
                File(spawn.home / ".tmp" / ".keep", ""),
                *setup.files,
            ),
            session=spawn.session if spawn.resume else None,
            needs=(*needs(), *program.needs, *_of_door(spawn.door.command)),
        )

    def setup(self, spawn: Spawn) -> Setup:
        """Return what this kind needs; raises `Invalid` when it would have no model."""
        return Setup(chosen=spawn.model)

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        """Return a decoder of the bridge's lines."""
        return LineDecoder(state, permissions=True)

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        """Return nothing: it opens no TUI."""
        return ()

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        """Return None: it opens no TUI, so the conversation stays."""
        return None

    def _settings(self, spawn: Spawn, program: Program, setup: Setup) -> str:
        command = spawn.door.command
        return json.dumps(
            {
                "name": self.hints.title,
                "argv": [*program.argv, *setup.arguments],
                "mcp": {"command": command[0], "args": list(command[1:]), "env": sorted(spawn.door.env)},
                "session": spawn.session if spawn.resume else None,
                "context": spawn.context,
                "model": setup.chosen,
                "shown_model": setup.model,
                "modes": list(self.modes),
                "auth": self.auth,
                "naming": self.naming,
                "conversation": self.conversation,
                "files": self.files,
                "loose_notices": self.loose_notices,
                "version": __version__,
                "hidden": list(setup.hidden),
            },
            indent=1,
        )


class Configured(Acp):
    """An agent of the person's own, from `[acp.NAME]` in aetherd.toml.

    In its `env`, `{gateway}` and `{token}` stand for the address of aetherd's model gateway and the key for it.
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], modes: Sequence[str]) -> None:
        super().__init__()
        self.name = f"acp:{name}"
        self.modes = tuple(modes)
        self._command, self._env = tuple(command), dict(env)
        self.hints = Hints(
            title=name,
            summary=f"An agent from your settings that speaks the Agent Client Protocol: {command[0]}.",
            install=f"put {command[0]} where it is found, or correct acp.{name}.command in aetherd.toml",
        )

    def find(self) -> Program:
        """Return the command as it is configured."""
        found = shutil.which(self._command[0])
        if found is None:
            raise Unavailable(f"there is no program {self._command[0]}: {self.hints.install}", runtime=self.name)
        return Program((found, *self._command[1:]), needs=_place_of(Path(found)))

    def setup(self, spawn: Spawn) -> Setup:
        """Fill in the gateway."""
        url, token = (spawn.gateway.url, spawn.gateway.token) if spawn.gateway else ("", "")
        env = {name: value.replace("{gateway}", url).replace("{token}", token) for name, value in self._env.items()}
        return Setup(env=env, chosen=spawn.model)


def _version(place: Path, package: Package) -> str | None:
    """Return the version of the runtime's npm package."""
    name = package.npm[0].rpartition("@")[0] if package.npm else ""
    try:
        about = json.loads((place / "node_modules" / name / "package.json").read_text("utf-8"))
        return str(about["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _place_of(program: Path) -> tuple[Path, ...]:
    """Return what a program on PATH needs: itself, and the node_modules it is from."""
    real = program.resolve()
    modules = [parent for parent in real.parents if parent.name == "node_modules"]
    return (program, real, *modules[-1:])


def _of_door(command: tuple[str, ...]) -> tuple[Path, ...]:
    paths = [Path(part) for part in command if part.startswith("/")]
    return tuple(dict.fromkeys(each for path in paths if path.exists() for each in (path, path.resolve())))


_: type[Runtime] = Configured
