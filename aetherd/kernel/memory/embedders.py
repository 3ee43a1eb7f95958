"""Embedders: what turns texts into vectors, behind one port; each is somebody's HTTP interface."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.to_thread
import httpx2

from aetherd.core.config import Settings
from aetherd.core.errors import Unavailable

TIMEOUT_S = 30.0
BYTES = 32 << 20  # of one answer
DIMENSIONS = 768  # asked of models that can tell as much in fewer


class Embedder(Protocol):
    """Gives texts of like meaning like vectors."""

    @property
    def model(self) -> str:
        """What its vectors are of; those of two models cannot be compared."""
        ...

    async def embed(self, texts: Sequence[str], *, query: bool) -> list[list[float]]:
        """Return one vector for each text; raises `Unavailable`."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Keep what it needs open."""
        ...


class HttpEmbedder:
    """What the interfaces have in common: one connection pool, a deadline, a bound on what comes back."""

    url, default_model = "", ""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = (settings.embedder_url or self.url).rstrip("/")
        self.model = settings.embedder_model or self.default_model
        self._client: httpx2.AsyncClient | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep connections."""
        # In a thread: it reads the certificates. Proxies of the environment count, the interface may be behind one.
        make = partial(httpx2.AsyncClient, timeout=TIMEOUT_S, follow_redirects=False)
        async with await anyio.to_thread.run_sync(make) as self._client:
            yield

    async def embed(self, texts: Sequence[str], *, query: bool) -> list[list[float]]:
        """Ask for all texts in one request."""
        key = await anyio.to_thread.run_sync(self._key)  # each time: it may be put there, or renewed, any time
        path, headers, body = self._request(texts, query, key)
        answer = await self._post(f"{self._url}{path}", headers, body)
        try:
            found = self._vectors(answer)
            if len(found) != len(texts) or not all(found):
                raise ValueError(f"{len(found)} vectors for {len(texts)} texts")
            if not all(math.isfinite(math.hypot(*one)) for one in found):
                raise ValueError("a vector that is not of finite numbers")
            return found
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise Unavailable(f"embedder {self._url}: an answer that is not understood: {exc!r}"[:300]) from exc

    @abstractmethod
    def _request(self, texts: Sequence[str], query: bool, key: str) -> tuple[str, Mapping[str, str], Any]:
        """Return path, headers, body."""

    @abstractmethod
    def _vectors(self, answer: Any) -> list[list[float]]:
        """Read the vectors, in the order of the texts."""

    async def _post(self, url: str, headers: Mapping[str, str], body: Any) -> Any:
        if self._client is None:
            raise Unavailable("the embedder is not running", url=url)
        data = bytearray()
        try:
            with anyio.fail_after(TIMEOUT_S):
                async with self._client.stream("POST", url, headers=dict(headers), json=body) as answer:
                    async for part in answer.aiter_bytes():
                        data += part
                        if len(data) > BYTES:
                            raise Unavailable(f"embedder {url}: its answer is over {BYTES >> 20} MiB")
            if answer.status_code != 200:
                said = bytes(data[:200]).decode("utf-8", "replace")
                raise Unavailable(f"embedder {url} answered {answer.status_code}: {said}", status=answer.status_code)
            return json.loads(data)
        except TimeoutError as exc:
            raise Unavailable(f"embedder {url} did not answer in {TIMEOUT_S:g} s") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as exc:
            raise Unavailable(f"embedder {url}: {str(exc) or type(exc).__name__}") from exc

    def _key(self) -> str:
        if self._settings.embedder_key is not None:
            return self._settings.embedder_key.get_secret_value().strip()
        if self._settings.embedder_key_file is None:
            return ""
        try:
            return self._settings.embedder_key_file.expanduser().read_text("utf-8").strip()
        except OSError as exc:
            raise Unavailable(f"embedder_key_file: {exc.strerror}: {self._settings.embedder_key_file}") from exc


class OpenAI(HttpEmbedder):
    """The interface of OpenAI, which many servers speak, also local ones."""

    url, default_model = "https://api.openai.com/v1", "text-embedding-3-small"

    def _request(self, texts: Sequence[str], query: bool, key: str) -> tuple[str, Mapping[str, str], Any]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return "/embeddings", headers, {"model": self.model, "input": list(texts), "encoding_format": "float"}

    def _vectors(self, answer: Any) -> list[list[float]]:
        return [one["embedding"] for one in sorted(answer["data"], key=lambda one: int(one["index"]))]


class Gemini(HttpEmbedder):
    """The interface of Gemini."""

    url, default_model = "https://generativelanguage.googleapis.com/v1beta", "gemini-embedding-001"

    def _request(self, texts: Sequence[str], query: bool, key: str) -> tuple[str, Mapping[str, str], Any]:
        name = f"models/{self.model.removeprefix('models/')}"
        common = {
            "model": name,
            "taskType": "RETRIEVAL_QUERY" if query else "RETRIEVAL_DOCUMENT",
            "outputDimensionality": DIMENSIONS,
        }
        requests = [{**common, "content": {"parts": [{"text": text}]}} for text in texts]
        return f"/{name}:batchEmbedContents", {"x-goog-api-key": key}, {"requests": requests}

    def _vectors(self, answer: Any) -> list[list[float]]:
        return [one["values"] for one in answer["embeddings"]]


KINDS: Mapping[str, type[HttpEmbedder]] = {"openai": OpenAI, "gemini": Gemini}
