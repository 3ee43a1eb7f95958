"""The runtime `builtin`: the agent loop of `aetherd_runtimes.builtin` in a process of its own.

Its protocol is written down in `aetherd_runtimes.builtin.protocol`.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aetherd_runtimes
from aetherd import __version__
from aetherd.core.errors import Invalid, Unavailable
from aetherd.runtime import Capabilities, Decoder, File, Hints, Launch, Output, Report, Runtime, Spawn
from aetherd_runtimes import builtin_portable
from aetherd_runtimes.builtin import loop
from aetherd_runtimes.builtin.choice import ENVIRONMENT, Choice, Unfit, choose
from aetherd_runtimes.builtin.script import is_script
from aetherd_runtimes.command import SEARCH_PATH
from aetherd_runtimes.lines import LineDecoder

PACKAGE = Path(aetherd_runtimes.__file__).resolve().parent
NO_INTERPRETER = "this aetherd has no Python interpreter of its own to run it: install aetherd with pip in a venv"
SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")  # never a path
LOADED = (
    "agent",
    "client",
    "compaction",
    *(f"dialects.{name}" for name in ("anthropic", "gemini", "ollama", "openai")),
)
DEMO = "demo"  # the model that is none
MOST_STEPS = 200
SMALLEST_WINDOW = 4_000


class Builtin:
    """Hosts the loop that comes with aetherd; without a model it is a scripted demonstration, and says so."""

    name = "builtin"
    capabilities = Capabilities(
        structured=True,
        texts=True,
        steer=True,
        interrupt=True,
        resume=True,
        permissions=True,
        skills=True,
        echo=True,
    )
    hints = Hints(
        title="Builtin",
        summary="A small agent loop that comes with aetherd, for models of Anthropic, OpenAI, Google, Ollama and "
        "whoever is compatible; where none is configured it runs a scripted demonstration.",
        needs=ENVIRONMENT,
    )
    keeping = builtin_portable.KEEPING

    def check(self) -> Report:
        """Look whether there is an interpreter and whether the loop can be imported by it."""
        if not sys.executable:
            return Report(available=False, missing=NO_INTERPRETER)
        try:
            # this also leaves the bytecode, which an agent with a uid of its own could not write
            for name in LOADED:
                importlib.import_module(f"aetherd_runtimes.builtin.{name}")
        except ImportError as error:
            return Report(available=False, missing=f"{error}: install aetherd again")
        return Report(available=True, version=__version__, path=sys.executable)

    def launch(self, spawn: Spawn) -> Launch:
        """Run the loop on pipes, with nothing of the daemon's environment, path or site-packages."""
        if not sys.executable:
            raise Unavailable(NO_INTERPRETER)
        if spawn.session and not SESSION.fullmatch(spawn.session):  # the agent's own word: it names a file
            raise Invalid("that is no conversation of the runtime builtin", runtime=self.name)
        if spawn.mode == "tui":
            raise Invalid("the runtime builtin has no screen of its own", field="mode")
        settings = spawn.config / "builtin.json"
        return Launch(
            # by file, not by -m: so -I -S can keep out the working directory, PYTHON* and every .pth, and it
            # is the same in a checkout, an editable install and a wheel
            argv=(spawn.python or sys.executable, "-I", "-S", str(PACKAGE / "builtin" / "__main__.py"), str(settings)),
            env={
                "HOME": str(spawn.home),
                "LANG": "C.UTF-8",
                "PATH": SEARCH_PATH,
                **spawn.env,
                **spawn.door.env,
            },
            cwd=spawn.cwd,
            stdio="pipes",
            files=(File(settings, self._settings(spawn)),),
            session=spawn.session,
            needs=needs(),
        )

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        """Return a decoder of its JSON lines."""
        return LineDecoder(state, permissions=True)

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        """Return nothing: it opens no TUI."""
        return ()

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        """Return None: it opens no TUI, so the conversation stays."""
        return None

    def holds(self, paths: Collection[str], session: str) -> bool:
        """Tell whether the record of a conversation is among these files."""
        return f"{builtin_portable.PLACE}/{session}.jsonl" in paths

    def fork(self, home: Path, session: str, fresh: str, cwd: tuple[Path, Path]) -> None:
        """Copy a conversation to another id, in a home that nobody uses yet; it names no directory."""
        builtin_portable.copy(home, session, fresh)

    def _settings(self, spawn: Spawn) -> str:
        choice = _choice(spawn)
        return json.dumps(
            {
                "session": spawn.session,
                "resume": spawn.resume,
                "record": str(spawn.home / builtin_portable.PLACE),
                "choice": None if choice is None else asdict(choice),
                "token": spawn.gateway.token if spawn.gateway and choice and choice.gateway else "",
                "window": _number(spawn, loop.WINDOW, 0, SMALLEST_WINDOW),
                "steps": _number(spawn, loop.STEPS, loop.NO_STEPS if choice is None else MOST_STEPS, 1),
                "seconds": float(_number(spawn, loop.SECONDS, 0, 1)),
                "context": "\n\n".join(part for part in (spawn.context, _skills(spawn)) if part),
                "idle_exit_s": spawn.idle_exit_s,
                "version": __version__,
            }
        )


def _choice(spawn: Spawn) -> Choice | None:
    """Return the model, None for a demonstration: asked for, its goal a script, or no model configured."""
    if spawn.model == DEMO or is_script(spawn.goal or ""):
        return None
    gateway = spawn.gateway
    try:
        if gateway is None:
            return choose(spawn.model, spawn.env)
        return choose(spawn.model, spawn.env, gateway.url.rstrip("/"), gateway.providers)
    except Unfit as error:
        raise Invalid(str(error), field="model") from error


def _number(spawn: Spawn, name: str, default: int, least: int) -> int:
    """Return a setting of the environment."""
    if (given := spawn.env.get(name)) is None:
        return default
    if not given.isdecimal() or int(given) < least:
        raise Invalid(f"{name} is a whole number of at least {least}, not {given[:40]!r}", field="env")
    return int(given)


def _skills(spawn: Spawn) -> str:
    """List the skills; it has no place of its own for them, so their texts are read through the door."""
    if not spawn.skills:
        return ""
    how = "read one with aether_skill_get, found by aether_tool_search, before you do what it is for"
    return f"Skills you have ({how}):\n" + "\n".join(f"- {skill.name}: {skill.description}" for skill in spawn.skills)


def needs() -> tuple[Path, ...]:
    """Return what must be readable to run the loop: the interpreter, its library and our package."""
    interpreter = Path(sys.executable)
    paths = (Path(sys.prefix), Path(sys.base_prefix), interpreter, interpreter.resolve(), PACKAGE)
    return tuple(dict.fromkeys(paths))


_: type[Runtime] = Builtin
