"""OpenClaw's configuration for an agent: one lean gateway, nothing that reaches past the process we supervise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aetherd.core.errors import Invalid
from aetherd.runtime import Spawn
from aetherd_runtimes.builtin.choice import Choice, Unfit, choose, window_of
from aetherd_runtimes.openclaw.settings import PROVIDER

SERVER = "aether"
OUTPUT_TOKENS = 16_384  # most of one answer
CALL_MS = 600_000  # a call may wait for a person
SKILLS = "skills"
HEAP_MB = 512  # 256 is enough to start; Node would let it grow to half of the machine

APIS = {
    "anthropic": "anthropic-messages",
    "openai": "openai-completions",
    "gemini": "google-generative-ai",
    "ollama": "ollama",
}
BASES = {"openai": "/v1", "gemini": "/v1beta"}  # what OpenClaw wants behind a dialect's address; anthropic has none

# Its own settings and keys; what plans, remembers or asks behind our back; messages and agents the house does not see.
DENIED = (
    *("gateway", "secrets", "plugins", "portal", "dashboard", "theme", "automations", "terminal"),
    *("ask_user", "conversations_list", "conversations_send", "conversations_turn", "sessions_send"),
    *("sessions_spawn", "sessions_yield", "subagents", "agents_wait", "skill_workshop", "github_identity_status"),
)

# TOOLS.md and CLAUDE.md are not read; a missing SOUL.md or IDENTITY.md puts a "missing" marker into every prompt.
NOTES = """
## Commands

A person allows each command that `exec` runs. One that holds a redirect, a pipe, `&&` or `;` is refused unasked: run
one plain command per call, write files with `write`, and put longer work into a script file that you then run.
"""


def chosen(spawn: Spawn) -> Choice:
    """Return the model and the way to it; raises `Invalid` when there is none."""
    gateway = spawn.gateway
    try:
        found = choose(
            spawn.model, spawn.env, gateway.url if gateway else None, gateway.providers if gateway else frozenset()
        )
    except Unfit as exc:
        raise Invalid(str(exc), field="model") from exc
    if found is None:
        raise Invalid(
            "openclaw needs a model: `aetherctl model configure anthropic --api-key ...` gives the daemon a key, or "
            "give ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY in env for this run",
            field="model",
        )
    return found


def environment(spawn: Spawn, place: Path) -> dict[str, str]:
    """Return OpenClaw's own variables: all of it in one place, and nothing that starts by itself."""
    return {
        "OPENCLAW_HOME": str(place),
        "OPENCLAW_STATE_DIR": str(place / "state"),
        "OPENCLAW_CONFIG_PATH": str(place / "openclaw.json"),
        "OPENCLAW_WORKSPACE_DIR": str(place / "ws"),
        "OPENCLAW_CONFIG_READONLY": "1",  # else it rewrites what we wrote, and keeps copies
        "OPENCLAW_OFFLINE": "1",
        "OPENCLAW_DISABLE_BONJOUR": "1",
        "OPENCLAW_NO_AUTO_UPDATE": "1",
        "OPENCLAW_SKIP_CHANNELS": "1",
        "OPENCLAW_NO_RESPAWN": "1",
        "OPENCLAW_HIDE_BANNER": "1",
        "OPENCLAW_SUPPRESS_NOTES": "1",
        "NODE_OPTIONS": f"--max-old-space-size={HEAP_MB}",
        "NODE_COMPILE_CACHE": str(place / "cache"),
    }


def configuration(spawn: Spawn, choice: Choice, place: Path) -> dict[str, Any]:
    """Return openclaw.json but for the port; secrets are in the environment and only referred to."""
    key = "AETHER_TOKEN" if choice.gateway else choice.key
    model = {
        "id": choice.model,
        "name": choice.model,
        "reasoning": True,
        "input": ["text", "image"],
        # the daemon knows the prices, and counts by itself
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": window_of(choice),
        "maxTokens": OUTPUT_TOKENS,
    }
    provider = {
        "baseUrl": choice.url.rstrip("/").removesuffix("/v1") + BASES.get(choice.dialect, ""),
        "apiKey": f"${{{key}}}" if key else "none",
        "api": APIS[choice.dialect],
        "models": [model],
    }
    return {
        "models": {"mode": "merge", "catalogRefresh": {"enabled": False}, "providers": {PROVIDER: provider}},
        "agents": {
            "defaults": {
                "workspace": str(place / "ws"),
                "cwd": str(spawn.cwd),
                "model": {"primary": f"{PROVIDER}/{choice.model}"},
                "skipBootstrap": True,
                "heartbeat": {"every": "0m"},
            }
        },
        "tools": {
            "toolSearch": False,  # else the house's tools are hidden behind a search
            "profile": "coding",
            "exec": {"mode": "ask"},  # its default is to run all, unasked
            "deny": list(DENIED),
        },
        "mcp": {"servers": {SERVER: _server(spawn)}},
        "plugins": {"enabled": False},
        "cron": {"enabled": False},
        "telemetry": {"enabled": False},
        "update": {"checkOnStart": False},
        "logging": {"file": str(place / "openclaw.log"), "level": "warn"},  # else in /tmp, shared by all
        "skills": {
            "allowBundled": [],
            "load": {"allowSymlinkTargets": [str(skill.path) for skill in spawn.skills]},
        },
        "gateway": {
            "mode": "local",  # else it exits 78
            "bind": "loopback",
            "auth": {"mode": "token", "token": "${OPENCLAW_GATEWAY_TOKEN}"},
            "controlUi": {"enabled": False},
        },
    }


def _server(spawn: Spawn) -> Mapping[str, Any]:
    """Offer the house's tools: by HTTP, which takes no process of its own, else by the relay.

    The relay is given its environment here: OpenClaw clears what it starts.
    """
    common = {"requestTimeoutMs": CALL_MS, "toolFilter": {"include": ["aether_*"]}}
    if spawn.gateway is None:
        command, *arguments = spawn.door.command
        env = {name: f"${{{name}}}" for name in spawn.door.env}
        return {"command": command, "args": arguments, "env": env, **common}
    url = f"{spawn.gateway.url.removesuffix('/llm')}/mcp"
    headers = {"Authorization": "Bearer ${AETHER_TOKEN}"}
    return {"url": url, "transport": "streamable-http", "headers": headers, **common}


def instructions(spawn: Spawn) -> dict[str, str]:
    """Return the files of its workspace that it puts before every conversation."""
    return {
        "AGENTS.md": f"{spawn.context}\n{NOTES}".strip() + "\n",
        "SOUL.md": "Be brief and exact. Say what you did and what you did not.\n",
        "IDENTITY.md": f"Your name is {spawn.name}.\n",
    }
