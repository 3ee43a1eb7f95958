"""OpenClaw as a hosted runtime: a gateway of the agent's own in its place, driven by a bridge beside it.

The bridge is `aetherd_runtimes.openclaw`; it speaks the daemon's lines, so a gateway outlives the daemon.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from aetherd import __version__
from aetherd.core.errors import Invalid, Unavailable
from aetherd.core.openat import openat2
from aetherd.runtime import (
    Capabilities,
    Decoder,
    File,
    Hints,
    Launch,
    Links,
    Output,
    Package,
    Report,
    Runtime,
    Spawn,
)
from aetherd_runtimes.builtin.choice import ENVIRONMENT
from aetherd_runtimes.builtin_runtime import NO_INTERPRETER, PACKAGE, needs
from aetherd_runtimes.command import SEARCH_PATH, CommandDecoder
from aetherd_runtimes.lines import LineDecoder
from aetherd_runtimes.openclaw_config import SKILLS, chosen, configuration, environment, instructions

VERSION = "2026.9.6"
NODE = "24.21.0"
PROGRAM = "node_modules/openclaw/openclaw.mjs"
LIFECYCLE = "node_modules/openclaw/.openclaw-lifecycle-pending"
INSTALL = "aetherctl runtime install openclaw"
PLACE = ".openclaw"
SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")  # part of a key, never a path
TRANSCRIPT_LIMIT = 16 << 20  # bytes of a terminal's transcript that are read


class OpenClaw:
    """The adapter; `prefix` is where it is installed, if it is."""

    name = "openclaw"
    capabilities = Capabilities(
        structured=True,
        texts=True,
        steer=True,
        interrupt=True,
        resume=True,
        takeover=True,
        permissions=True,
        skills=True,
        echo=True,
    )
    hints = Hints(
        title="OpenClaw",
        summary="A gateway of its own for each agent: asks before it runs commands, takeover in its own terminal."
        " Takes 10 to 20 s to start and about 900 MB.",
        install=INSTALL,
        needs=ENVIRONMENT,
    )

    def __init__(self, prefix: Path | None = None) -> None:
        # what the marker asks for is to run install scripts, which change nothing that is used here
        self.package: Package | None = Package(
            npm=(f"openclaw@{VERSION}",), node=NODE, program=PROGRAM, drop=(LIFECYCLE,)
        )
        self.prefix = prefix

    def check(self) -> Report:
        """Find it and read its version."""
        try:
            argv, place = self._find()
            version = json.loads((place / "package.json").read_text("utf-8"))["version"]
        except Unavailable as exc:
            return Report(available=False, missing=exc.message)
        except (OSError, ValueError, KeyError) as exc:
            return Report(available=False, missing=f"the installed openclaw is broken ({exc}): {INSTALL}")
        return Report(available=True, version=str(version), path=argv[-1])

    def _find(self) -> tuple[tuple[str, ...], Path]:
        """Return its command line and its directory: of the version current now, which an update does not change."""
        if self.prefix is not None and (current := self.prefix / "current").is_dir():
            root = current.resolve()
            program, node = root / PROGRAM, root / "bin" / "node"
            if program.is_file() and os.access(node, os.X_OK):
                return (str(node), str(program)), program.parent
        found, node_found = shutil.which("openclaw"), shutil.which("node")
        if found and node_found and (program := Path(found).resolve()).name == Path(PROGRAM).name:
            return (str(Path(node_found).resolve()), str(program)), program.parent
        raise Unavailable(f"openclaw is not installed: {INSTALL}", install=INSTALL)

    # How to run it -------------------------------------------------------------------------------------

    def launch(self, spawn: Spawn) -> Launch:
        """Run the bridge on pipes, or the terminal's one on a PTY."""
        if spawn.resume and not spawn.session:
            raise Invalid("there is no OpenClaw conversation to resume", runtime=self.name)
        if spawn.session and not SESSION.fullmatch(spawn.session):  # the agent's own word
            raise Invalid("that is no OpenClaw conversation", runtime=self.name)
        python = spawn.python or _interpreter()
        argv, program = self._find()
        choice = chosen(spawn)
        session = spawn.session or f"aether-{secrets.token_hex(8)}"
        place = spawn.home / PLACE
        settings = spawn.config / "openclaw-bridge.json"
        library = _websockets()
        words = {
            "argv": argv,
            "home": str(place),
            "config": configuration(spawn, choice, place),
            "session": session,
            "cwd": str(spawn.cwd),
            "mode": spawn.mode,
            "model": choice.model,
            "version": __version__,
            "idle_exit_s": spawn.idle_exit_s,
            "libraries": [str(library.parent)],
        }
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} if spawn.mode == "tui" else {}
        workspace = place / "ws"
        root = _root(program)
        return Launch(
            argv=(python, "-I", "-S", str(PACKAGE / "openclaw" / "__main__.py"), str(settings)),
            env={
                "HOME": str(spawn.home),
                "LANG": "C.UTF-8",
                "PATH": f"{Path(argv[0]).parent}:{SEARCH_PATH}",
                **terminal,
                **environment(spawn, place),
                **spawn.env,
                **spawn.door.env,
            },
            cwd=spawn.cwd,
            stdio="pty" if spawn.mode == "tui" else "pipes",
            files=(
                File(settings, json.dumps(words)),
                File(place / "transcript.jsonl", ""),
                *(File(workspace / name, text) for name, text in instructions(spawn).items()),
            ),
            session=session,
            needs=(*needs(), library, root, Path(argv[0]), *(skill.path for skill in spawn.skills)),
            links=Links(workspace / SKILLS, {skill.name: skill.path for skill in spawn.skills}),
        )

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        """Return the decoder of this incarnation's kind of output."""
        return CommandDecoder(state) if spawn.mode == "tui" else LineDecoder(state, permissions=True)

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        """Return what was said in the terminal since then, as the bridge kept it from the gateway's history."""
        decoder = LineDecoder(permissions=True)
        told: list[Output] = []
        for line in _kept(spawn.home).splitlines():
            try:
                at = json.loads(line)["at"]
                fresh = isinstance(at, int | float) and at >= since * 1000
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if fresh:
                told += decoder.decode(line)
        return told

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        """Return None: a conversation begun anew in the terminal goes on under the same key."""
        return None

    def holds(self, paths: Collection[str], session: str) -> bool:
        """Tell whether the gateway's own store is among these files: it holds all conversations of the agent."""
        return any(path.startswith(f"{PLACE}/state/agents/") and path.endswith(".sqlite") for path in paths)


def _interpreter() -> str:
    if not sys.executable:
        raise Unavailable(NO_INTERPRETER)
    return sys.executable


def _websockets() -> Path:
    """Return the directory of the one library the bridge uses: it needs nothing compiled."""
    spec = importlib.util.find_spec("websockets")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        return Path(folder)
    raise Unavailable("the package websockets is missing: install aetherd again")


def _root(program: Path) -> Path:
    """Return the directory of all its packages: those it needs lie beside it."""
    return next((place for place in program.parents if place.name == "node_modules"), program)


def _kept(home: Path) -> bytes:
    """Read a file in a home that its agent may have tampered with: no link is followed, nothing foreign read."""
    try:
        folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK
            handle = openat2(folder, f"{PLACE}/transcript.jsonl", flags, links=False)
        finally:
            os.close(folder)
        with open(handle, "rb") as file:
            return file.read(TRANSCRIPT_LIMIT) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""


_: type[Runtime] = OpenClaw
