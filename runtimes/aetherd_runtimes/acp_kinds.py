"""The agents we know: how each is installed, configured, given its model, and what it does in its own way."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from aetherd.core.errors import Invalid
from aetherd.runtime import File, Hints, Package, Spawn
from aetherd_runtimes.acp_runtime import Acp, Setup
from aetherd_runtimes.builtin.choice import KNOWN, Choice, Unfit, choose

NODE = "24.21.0"
KEY = "AETHER_MODEL_KEY"  # where our configuration says the key is
RETRIES = 2  # the person sees a limit soon, and aetherd waits for its end better than the agent does


# Codex' sandbox is of namespaces, which our walls do not allow; without it Codex would ask nobody.
WALLED = (
    "The sandbox for commands cannot start here, where other walls stand: a command that is run in it fails. So run"
    " each one with sandbox_permissions `require_escalated` and a justification; a person is asked."
)


class Codex(Acp):
    """OpenAI's Codex. Its inner sandbox stays on; what it wants beyond is asked for.

    Its own default mode lets a model judge what is dangerous; `workspace-write` asks the person.
    """

    name = "acp:codex"
    hints = Hints(
        title="Codex",
        summary="OpenAI's coding agent: works in its directory, asks before it reaches beyond.",
        install="aetherctl runtime install codex",
        needs=("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    )
    package = Package(
        npm=("@agentclientprotocol/codex-acp@2.6.0",),
        node=NODE,
        program="node_modules/@agentclientprotocol/codex-acp/dist/index.js",
    )
    capabilities = replace(Acp.capabilities, steer=True)
    naming = "mcp"
    loose_notices = True
    auth = "api-key"
    modes = ("workspace-write",)
    programs = ("codex-acp",)

    def setup(self, spawn: Spawn) -> Setup:
        """Configure it by one variable, so that what it writes to its own file stays its own."""
        choice = _choice(self, spawn, ("openai",))
        servers = {"aether": {"required": True, "startup_timeout_sec": 60, "tool_timeout_sec": 600}}
        config: dict[str, Any] = {"mcp_servers": servers, "check_for_update_on_startup": False}
        if spawn.walled:
            config["developer_instructions"] = WALLED
        env = {"CODEX_HOME": str(spawn.home / ".codex"), "NO_BROWSER": "1", "INITIAL_AGENT_MODE": self.modes[0]}
        # an empty file is enough for the directory to be there, which it demands
        files = () if (spawn.home / ".codex").exists() else (File(spawn.home / ".codex" / "config.toml", ""),)
        if choice is None and not (spawn.home / ".codex" / "auth.json").exists():
            raise Invalid(_no_model(self, "openai"), needs=list(self.hints.needs))
        if choice is not None:
            provider = {
                "name": choice.provider,
                "base_url": f"{choice.url.removesuffix('/v1')}/v1",
                "wire_api": "responses",
                "env_key": KEY,
                "request_max_retries": RETRIES,
                "stream_max_retries": RETRIES,
            }
            config |= {"model_provider": "aether", "model_providers": {"aether": provider}}
            env |= {KEY: _key(choice, spawn), "MODEL_PROVIDER": "aether"}
        model = choice.model if choice and spawn.model else spawn.model
        if model:  # else its own choice, which it knows best
            config["model"] = model
        env["CODEX_CONFIG"] = json.dumps(config)
        return Setup(env=env, files=files, model=model)


class OpenCode(Acp):
    """opencode, with any model of ours; of its own free ones none is used."""

    name = "acp:opencode"
    hints = Hints(
        title="opencode",
        summary="The open coding agent: any model, asks before it runs or changes anything.",
        install="aetherctl runtime install opencode",
        needs=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"),
    )
    package = Package(
        npm=("opencode-ai@1.18.33",),
        program=f"node_modules/opencode-linux-{'arm64' if platform.machine() == 'aarch64' else 'x64'}/bin/opencode",
    )
    naming = "title"
    modes = ("build",)
    programs = ("opencode",)
    arguments = ("acp",)

    def setup(self, spawn: Spawn) -> Setup:
        """Configure it by one variable; configuration in the working directory, which could bring code, is not read."""
        choice = _choice(self, spawn, ())
        if choice is None:
            raise Invalid(_no_model(self, "openai"), needs=list(self.hints.needs))
        packages = {"anthropic": "@ai-sdk/anthropic", "gemini": "@ai-sdk/google"}
        packages["openai"] = "@ai-sdk/openai" if choice.provider == "openai" else "@ai-sdk/openai-compatible"
        packages["ollama"] = "@ai-sdk/openai-compatible"
        base = choice.url.removesuffix("/v1") + ("/v1beta" if choice.dialect == "gemini" else "/v1")
        provider = {
            "npm": packages[choice.dialect],
            "name": choice.provider,
            "options": {"baseURL": base, "apiKey": f"{{env:{KEY}}}"},
            "models": {choice.model: {"name": choice.model}},
        }
        config = {
            "autoupdate": False,
            "share": "disabled",
            "model": f"aether/{choice.model}",
            "small_model": f"aether/{choice.model}",
            "enabled_providers": ["aether"],
            "experimental": {"continue_loop_on_deny": True},
            "permission": {"bash": "ask", "edit": "ask", "webfetch": "ask", "external_directory": "ask"},
            "provider": {"aether": provider},
        }
        env = {
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
            "OPENCODE_DISABLE_SHARE": "1",
            KEY: _key(choice, spawn),
        }
        return Setup(env=env, model=choice.name)


class Gemini(Acp):
    """Google's Gemini CLI, with an API key or through the gateway."""

    name = "acp:gemini"
    hints = Hints(
        title="Gemini CLI",
        summary="Google's agent for the terminal: asks before it runs or changes anything.",
        install="aetherctl runtime install gemini",
        needs=("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    )
    package = Package(
        npm=("@google/gemini-cli@0.61.0",), node=NODE, program="node_modules/@google/gemini-cli/bundle/gemini.js"
    )
    naming = "id"
    conversation = ".gemini/tmp/*/chats/session-*-{short}.jsonl"
    files = False  # it takes our "no such file" for a failure, and has hands of its own in the same place
    auth = "gemini-api-key"
    modes = ("default",)
    programs = ("gemini",)
    arguments = ("--acp",)

    def setup(self, spawn: Spawn) -> Setup:
        """Configure it by its own file, once; the one above it would have to be root's, with all that leads to it."""
        choice = _choice(self, spawn, ("gemini",))
        if choice is None:
            raise Invalid(_no_model(self, "gemini"), needs=list(self.hints.needs))
        file = spawn.home / ".gemini" / "settings.json"
        settings = {
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False, "maxAttempts": RETRIES + 1},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "security": {"auth": {"selectedType": "gemini-api-key"}},
        }
        env = {
            "GEMINI_API_KEY": _key(choice, spawn),
            "GOOGLE_GEMINI_BASE_URL": choice.url,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "GEMINI_CLI_NO_RELAUNCH": "true",  # one process less
        }
        files = () if file.exists() else (File(file, json.dumps(settings)),)
        return Setup(env=env, files=files, arguments=("--model", choice.model), model=choice.model)


class Goose(Acp):
    """goose, when a person has put it on PATH: it comes as a binary of its own, from no registry."""

    name = "acp:goose"
    hints = Hints(
        title="goose",
        summary="The open agent goose: any model, asks before it acts.",
        install="put the program goose on PATH",
        needs=("ANTHROPIC_API_KEY", "OPENAI_API_KEY"),
    )
    programs = ("goose",)
    arguments = ("acp",)

    def setup(self, spawn: Spawn) -> Setup:
        """Configure it by its environment alone."""
        choice = _choice(self, spawn, ())
        if choice is None or choice.dialect not in ("openai", "anthropic"):
            raise Invalid(_no_model(self, "openai"), needs=list(self.hints.needs))
        base, key = choice.url.removesuffix("/v1"), _key(choice, spawn)
        env = {"GOOSE_PROVIDER": choice.dialect, "GOOSE_MODEL": choice.model}
        env |= {"GOOSE_MODE": "approve", "GOOSE_DISABLE_KEYRING": "1"}
        if choice.dialect == "openai":
            host, _, path = base.partition("/llm/")  # it joins host and path itself
            env |= {"OPENAI_API_KEY": key, "OPENAI_HOST": host}
            env["OPENAI_BASE_PATH"] = f"llm/{path}/v1/chat/completions" if path else "v1/chat/completions"
        else:
            env |= {"ANTHROPIC_API_KEY": key, "ANTHROPIC_HOST": base}
        return Setup(env=env, model=choice.name)


def _choice(runtime: Acp, spawn: Spawn, only: Collection[str]) -> Choice | None:
    """Return the model and the way to it; None when there is no way, and the agent may have one of its own.

    `only` are the providers it can speak to besides those that are configured as compatible with OpenAI.
    """
    offered = spawn.gateway.providers if spawn.gateway is not None else frozenset()
    url = spawn.gateway.url if spawn.gateway is not None else None
    if only:
        fit = {name for name in offered if name in only or ("openai" in only and name not in KNOWN)}
        others = [name for known in KNOWN.values() if known.name not in only for name in (*known.keys, known.address)]
        env = {name: value for name, value in spawn.env.items() if name not in others}
    else:
        fit, env = set(offered), dict(spawn.env)
    try:
        return choose(spawn.model, env, url, fit)
    except Unfit as error:
        if spawn.model and not env.keys() & set(runtime.hints.needs) and not fit:
            return None
        raise Invalid(str(error), field="model") from error


def _key(choice: Choice, spawn: Spawn) -> str:
    if choice.gateway:
        assert spawn.gateway is not None
        return spawn.gateway.token
    return spawn.env.get(choice.key, "") if choice.key else "none"


def _no_model(runtime: Acp, provider: str) -> str:
    return (
        f"{runtime.name} needs a model: `aetherctl model configure {provider} --api-key ...` gives the daemon a key,"
        f" or give {runtime.hints.needs[0]} in env for this run"
    )
