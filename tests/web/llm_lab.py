"""A house with its model gateway, a scripted provider behind it, and one process that asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import pytest
from web_lab import Served, serve

from aetherd_runtimes.command import Command
from house import run_house
from tests.model_api import ModelApi

KEY = "canary-4d1f-of-the-provider"
MODEL = "claude-opus-5-5"  # 4 and 20 USD a million
SAID = "the lamp is broken, and nobody knows why"

# dialect -> path, body; a streamed one where the path does not say so by itself
ASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "anthropic": (
        "anthropic/v1/messages?beta=true",
        {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "go"}]},
    ),
    "chat": (
        "openai/v1/chat/completions",
        {
            "model": "gpt-5.6-luna",
            "max_completion_tokens": 100,
            "messages": [{"role": "user", "content": "go"}],
            "stream_options": {"include_usage": True},
        },
    ),
    "responses": ("openai/v1/responses", {"model": "gpt-5.6-luna", "max_output_tokens": 100, "input": "go"}),
    "gemini": (
        "gemini/v1beta/models/gemini-2.5-pro:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "go"}]}], "generationConfig": {"maxOutputTokens": 100}},
    ),
    "ollama": ("ollama/api/chat", {"model": "qwen3", "messages": [{"role": "user", "content": "go"}]}),
    "compatible": (
        "mine/chat/completions",
        {"model": "own-1", "max_tokens": 100, "messages": [{"role": "user", "content": "go"}]},
    ),
}


def asking(dialect: str, *, streamed: bool) -> tuple[str, dict[str, Any]]:
    """Return path and body of a request."""
    path, body = ASKS[dialect]
    if dialect == "gemini":
        return (path.replace(":generateContent", ":streamGenerateContent?alt=sse") if streamed else path), body
    return path, {**body, "stream": streamed}


@dataclass
class Gate:
    """What the tests hold."""

    served: Served
    api: ModelApi
    pid: int
    agent: str
    token: str

    async def __call__(self, operation: str, **raw: Any) -> Any:
        """Run an operation as the owner."""
        return await self.served.running.invoke(operation, raw)

    async def ask(self, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
        """Ask as the process does."""
        given = {"authorization": f"Bearer {self.token}"} if headers is None else headers
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **given}
        return await self.served.stranger.post(f"/llm/{path}", content=content, headers=given)

    async def lines(self) -> list[Any]:
        """Return what was used, once nothing is under way."""
        with anyio.fail_after(10):
            while await self._open():
                await anyio.sleep(0.01)
        return list((await self("model.usage")).lines)

    async def _open(self) -> int:
        count = "SELECT count(*) FROM quota_call WHERE outcome IS NULL"
        return int(
            await self.served.running.kernel.store.read(
                lambda session: session.connection().exec_driver_sql(count).scalar()
            )
        )

    async def calls(self) -> list[tuple[Any, ...]]:
        """Return the ledger: provider, outcome, status, tokens, nanodollars, estimated."""
        await self.lines()
        query = (
            "SELECT provider, outcome, status, input_tokens, output_tokens, nano, estimated FROM quota_call ORDER BY id"
        )
        return await self.served.running.kernel.store.read(  # type: ignore[no-any-return]
            lambda session: [tuple(row) for row in session.connection().exec_driver_sql(query)]
        )


@pytest.fixture
async def gate(settings: Any, anyio_backend: str) -> AsyncIterator[Gate]:
    """A gateway whose every provider is the same scripted server."""
    settings = settings.model_copy(update={"sandbox": "host"})
    with ModelApi({"default": {"reply": [{"text": SAID}]}, "side": False, "key": KEY}) as api:
        async with run_house(settings, {"command": Command()}) as running, serve(running) as served:
            for name, more in (
                ("anthropic", {}),
                ("openai", {"base_url": f"{api.url}/v1"}),
                ("gemini", {}),
                ("ollama", {}),
                ("mine", {"base_url": f"{api.url}/v1", "prices": {"*": {"input": 1, "output": 2}}}),
            ):
                raw = {"provider": name, "base_url": api.url, "api_key": KEY, **more}
                await running.invoke("model.configure", raw)
            made = await running.invoke(
                "process.spawn", {"runtime": "command", "argv": ["sleep", "1000"], "name": "asker"}
            )
            store, tokens = running.kernel.store, running.kernel.rooms["token"]
            token = await store.write(
                lambda tx: tokens.make_process_token(
                    tx, agent=made.agent, pid=made.pid, toolset="all", user="owner", org="home", tools=None
                )
            )
            yield Gate(served, api, made.pid, made.agent, token)
