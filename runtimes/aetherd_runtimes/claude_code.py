"""Claude Code as a hosted runtime: headless over stream-json, and its own TUI for takeover.

Nothing of the daemon's environment reaches it, no project settings are read, and it asks before it acts.
Its configuration and transcripts live in the agent's home, so an incarnation continues where the last one
stopped; that needs the same `home` and `cwd`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import threading
import uuid
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from aetherd.core.errors import Invalid, Unavailable
from aetherd.runtime import Capabilities, Decoder, File, Hints, Launch, Links, Output, Report, Spawn
from aetherd_runtimes import claude_portable
from aetherd_runtimes.claude_lines import SERVER, Lines, Screen
from aetherd_runtimes.claude_transcript import has_transcript, read_since

INSTALL = "pip install 'aetherd[claude]'"
VERSION_DEADLINE_S = 10
CONFIG_LIMIT = 16 << 20  # bytes of .claude.json that are read
SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")  # a UUID; never an option, never a path
CREDENTIALS = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN")
FRUGAL_TOKENS = 8192  # of one answer; unasked it is 64,000 or more, some 1 USD that a small budget cannot set aside
PROVIDERS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")

# Tools that reach outside the process we supervise, or plan work behind our back: messages to other
# sessions, timers, workflows. The house has its own, under its own guards.
DISALLOWED = "SendMessage ListAgents ScheduleWakeup CronCreate Workflow"


class ClaudeCode:
    """The adapter; `path` names a binary to use instead of the one that is found."""

    name = "claude-code"
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
        title="Claude Code",
        summary="Anthropic's coding agent: structured output, asks before it acts, takeover in its own TUI.",
        install=INSTALL,
        needs=(*CREDENTIALS, "ANTHROPIC_BASE_URL"),
    )

    keeping = claude_portable.KEEPING

    def __init__(self, path: Path | None = None) -> None:
        self._given = path
        self._lock = threading.Lock()
        self._versions: dict[tuple[str, int], str] = {}  # by path and modification time

    # Is it there ---------------------------------------------------------------------------------------

    def check(self) -> Report:
        """Find the binary and ask its version."""
        try:
            path = self._find()
            return Report(available=True, version=self._version(path), path=str(path))
        except Unavailable as exc:
            return Report(available=False, missing=exc.message)

    def _find(self) -> Path:
        """Return the binary: the one given, the one in the extra `claude`, the one on PATH."""
        if self._given is not None:
            if os.access(self._given, os.X_OK) and self._given.is_file():
                return self._given.absolute()
            raise Unavailable(f"no executable claude at {self._given}; correct or unset claude_path")
        spec = importlib.util.find_spec("claude_agent_sdk")
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            bundled = Path(folder) / "_bundled" / "claude"
            if os.access(bundled, os.X_OK):
                return bundled.absolute()
        if found := shutil.which("claude"):
            return Path(found).absolute()
        raise Unavailable(f"no claude binary: {INSTALL}, or put `claude` on PATH", install=INSTALL)

    def _version(self, path: Path) -> str:
        key = (str(path), path.stat().st_mtime_ns)
        with self._lock:
            if key not in self._versions:
                self._versions[key] = _ask_version(path)
            return self._versions[key]

    # How to run it -------------------------------------------------------------------------------------

    def launch(self, spawn: Spawn) -> Launch:
        """Say what to run, and which files it needs first."""
        if spawn.resume and not spawn.session:
            raise Invalid("there is no Claude Code session to resume", runtime=self.name)
        if spawn.session and not SESSION.fullmatch(spawn.session):  # the agent's own word: it goes into the argv
            raise Invalid("that is no Claude Code session", runtime=self.name)
        binary = self._find()
        env = _environment(spawn)
        config = Path(env["CLAUDE_CONFIG_DIR"])
        _demand_credential(env, config)
        session = spawn.session or str(uuid.uuid4())
        files = [
            File(spawn.config / "mcp.json", json.dumps(_servers(spawn), indent=1)),
            File(config / ".claude.json", json.dumps(_seeded(config / ".claude.json", env, spawn))),
            # The directories of TMPDIR and XDG_RUNTIME_DIR: only this agent may look into them.
            File(Path(env["TMPDIR"]) / ".keep", ""),
            File(Path(env["XDG_RUNTIME_DIR"]) / ".keep", ""),
        ]
        if not (config / "settings.json").exists():
            # By default a transcript is deleted after 30 days, and its session could not be resumed.
            files.append(File(config / "settings.json", json.dumps({"cleanupPeriodDays": 3650})))
        argv = [str(binary), *(_HEADLESS if spawn.mode == "headless" else ())]
        argv += ["--permission-mode", "manual", "--strict-mcp-config", "--setting-sources", "user"]
        argv += ["--mcp-config", str(spawn.config / "mcp.json")]
        argv += ["--allowedTools", f"mcp__{SERVER}", *_readable(spawn, config), "--disallowedTools", DISALLOWED]
        argv += ["--resume" if spawn.resume else "--session-id", session]
        if spawn.model:
            argv += ["--model", spawn.model]
        if spawn.context:
            files.append(File(spawn.config / "context.md", spawn.context))
            argv += ["--append-system-prompt-file", str(spawn.config / "context.md")]
        return Launch(
            argv=tuple(argv),
            env=env,
            cwd=spawn.cwd,
            stdio="pty" if spawn.mode == "tui" else "pipes",
            files=tuple(files),
            session=session,
            needs=(*_needs(binary, spawn.door.command), *(skill.path for skill in spawn.skills)),
            links=Links(config / "skills", {skill.name: skill.path for skill in spawn.skills}),
        )

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        """Return the decoder for this incarnation's kind of stream."""
        return Screen() if spawn.mode == "tui" else Lines(state)

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        """Return what a person and Claude Code did in the TUI since then."""
        if spawn.session is None:
            return ()
        return tuple(read_since(Path(_environment(spawn)["CLAUDE_CONFIG_DIR"]), spawn.session, since))

    def holds(self, paths: Collection[str], session: str) -> bool:
        """Tell whether the transcript of a conversation is among these files."""
        return any(path.startswith(".claude/projects/") and path.endswith(f"/{session}.jsonl") for path in paths)

    def fork(self, home: Path, session: str, fresh: str, cwd: tuple[Path, Path]) -> None:
        """Copy a conversation to another id and working directory, in a home that nobody uses yet."""
        claude_portable.copy(home, session, fresh, cwd)

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        """Return the conversation a TUI ended in that was started after `since` (Unix time), if it says.

        A person can leave the one they were given, by `/clear` or `/resume`; the next incarnation continues
        where they were.
        """
        config = Path(_environment(spawn)["CLAUDE_CONFIG_DIR"])
        projects = _object(_read_object(config / ".claude.json"), "projects")
        project = _object(projects, str(spawn.cwd))
        started, session = project.get("lastStartTime"), project.get("lastSessionId")
        if not isinstance(started, int | float) or started < since * 1000 or not isinstance(session, str):
            return None
        try:
            session = str(uuid.UUID(session))
        except ValueError:
            return None
        # Without a transcript nothing was said in it, and it could not be resumed.
        return session if has_transcript(config, session) else None


_HEADLESS = (
    *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
    *("--include-partial-messages", "--replay-user-messages", "--permission-prompt-tool", "stdio"),
)


def _ask_version(path: Path) -> str:
    """Run `--version`; a binary that cannot say it cannot be used."""
    try:
        done = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            check=True,
            env={"PATH": os.defpath, "HOME": "/nonexistent"},
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=VERSION_DEADLINE_S,
        )
    except subprocess.TimeoutExpired as exc:
        raise Unavailable(f"{path} --version did not answer within {VERSION_DEADLINE_S} s") from exc
    except subprocess.CalledProcessError as exc:
        said = (exc.stderr or exc.stdout or "").strip().splitlines()
        raise Unavailable(f"{path} --version failed: {said[-1] if said else exc.returncode}") from exc
    except OSError as exc:
        raise Unavailable(f"{path} cannot be run: {exc.strerror}") from exc
    return done.stdout.split(maxsplit=1)[0] if done.stdout.strip() else "unknown"


def _environment(spawn: Spawn) -> dict[str, str]:
    """Build it from nothing: generated values, over them the person's, over all the door's."""
    home = spawn.home
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home / ".tmp"),
        "XDG_RUNTIME_DIR": str(home / ".run"),  # its peer socket lives here, not in /tmp
        "LANG": "C.UTF-8",
        "IS_SANDBOX": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
    }
    if spawn.mode == "tui":
        env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    if spawn.gateway is not None and "anthropic" in spawn.gateway.providers and not any(map(spawn.env.get, PROVIDERS)):
        env |= {"ANTHROPIC_BASE_URL": f"{spawn.gateway.url}/anthropic", "ANTHROPIC_AUTH_TOKEN": spawn.gateway.token}
        if spawn.gateway.frugal:
            env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(FRUGAL_TOKENS)
    # We read and write in its configuration, as root perhaps: so it is always right below the home.
    return {**env, **spawn.env, "CLAUDE_CONFIG_DIR": str(home / ".claude"), **spawn.door.env}


def _demand_credential(env: Mapping[str, str], config: Path) -> None:
    if any(env.get(name) for name in (*CREDENTIALS, *PROVIDERS)):
        return
    if not (config / ".credentials.json").exists():  # left by a login in the TUI
        raise Invalid(
            "claude-code needs a credential: keep one with the daemon, by `aetherctl model configure anthropic` or as"
            f" the file secrets/{CREDENTIALS[0]} of its home; or give {CREDENTIALS[0]} or {CREDENTIALS[1]} in env for"
            " this run",
            needs=list(CREDENTIALS),
        )


def _servers(spawn: Spawn) -> dict[str, Any]:
    """Configure our one MCP server; secrets stay in the environment and are only referred to."""
    server = {
        "type": "stdio",
        "command": spawn.door.command[0],
        "args": list(spawn.door.command[1:]),
        "env": {name: f"${{{name}}}" for name in spawn.door.env},
        "alwaysLoad": True,  # the first request already has the tools, and waits for them
        "timeout": 600_000,  # a call may wait for a person
    }
    return {"mcpServers": {SERVER: server}}


def _seeded(path: Path, env: Mapping[str, str], spawn: Spawn) -> dict[str, Any]:
    """Answer the dialogs of a first start beforehand, keeping whatever an earlier incarnation wrote."""
    config = _read_object(path)
    config.setdefault("theme", "dark")
    config["hasCompletedOnboarding"] = True
    projects = _object(config, "projects")
    _object(projects, str(spawn.cwd))["hasTrustDialogAccepted"] = True
    if key := env.get("ANTHROPIC_API_KEY"):
        answers = _object(config, "customApiKeyResponses")
        approved = answers.get("approved")
        known = [tail for tail in approved if tail != key[-20:]] if isinstance(approved, list) else []
        rejected = answers.get("rejected")
        answers["approved"] = [*known, key[-20:]]
        answers["rejected"] = [tail for tail in rejected if tail != key[-20:]] if isinstance(rejected, list) else []
    return config


def _read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object that the agent may have tampered with: no link followed, nothing foreign read."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            owner = os.fstat(folder).st_uid
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(path.name, flags, dir_fd=folder)
        finally:
            os.close(folder)
        with open(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_uid != owner:
                return {}
            value = json.loads(file.read(CONFIG_LIMIT))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object under this name, made when it is not there or is no object."""
    if not isinstance(parent.get(name), dict):
        parent[name] = {}
    child: dict[str, Any] = parent[name]
    return child


def _readable(spawn: Spawn, config: Path) -> list[str]:
    """Let it read the files of its skills without asking: a rule must hold for a link and for where that leads."""
    places = [config / "skills", *(skill.path for skill in spawn.skills)] if spawn.skills else []
    return [f"Read(/{place}/**)" for place in places]


def _needs(binary: Path, command: tuple[str, ...]) -> tuple[Path, ...]:
    """Return what must be readable outside the home: each path as written, and where it really is."""
    paths: dict[Path, None] = {}
    for path in (binary, *(Path(part) for part in command if part.startswith("/"))):
        if path.exists():
            paths |= {path: None, path.resolve(): None}
    return tuple(paths)
