"""Memories found by meaning: what an embedder at a loopback address adds, and that nothing hangs on it."""

from __future__ import annotations

import json
import math
import random
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from aetherd.core.config import Settings
from aetherd.core.errors import Forbidden
from aetherd.kernel.memory import nearest, vectors
from tests.kernel.memory.conftest import Lab

pytest.importorskip("numpy")
pytestmark = pytest.mark.anyio

MEANINGS = (("car", "automobile", "motor"), ("money", "budget", "invoice"), ("weather", "rain", "sunshine"))


def meaning(text: str) -> list[float]:
    """Return one axis for each group of words that mean the same."""
    said = set(re.findall(r"\w+", text.lower()))
    return [float(len(said & set(group))) + 0.01 for group in MEANINGS]


class Script:
    """A scripted embedder: speaks both interfaces, and fails when told to."""

    def __init__(self) -> None:
        script, self.requests, self.down = self, list[dict[str, Any]](), False
        self.meaning = meaning

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                script.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
                found = json.dumps(script.answer(self.path, body)).encode()
                self.send_response(503 if script.down else 200)
                self.send_header("content-length", str(len(found)))
                self.end_headers()
                self.wfile.write(found)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def answer(self, path: str, body: Any) -> Any:
        if path == "/v1/embeddings":
            texts = body["input"]
            found = [{"index": place, "embedding": self.meaning(text)} for place, text in enumerate(texts)]
            return {"data": found[::-1]}  # the order is told by the index alone
        texts = [one["content"]["parts"][0]["text"] for one in body["requests"]]
        return {"embeddings": [{"values": self.meaning(text)} for text in texts]}


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(5)


@pytest.fixture(params=nearest.WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> nearest.Way:
    """Each way to compare vectors, as far as it can be used here."""
    found: nearest.Way = request.param
    if missing := found.missing():
        pytest.skip(f"{found.name}: {missing}")
    monkeypatch.setattr(nearest, "WAYS", (found,))
    return found


@asynccontextmanager
async def opened(settings: Settings, script: Script | None, kind: str = "openai", **more: Any) -> AsyncIterator[Lab]:
    changes = {} if script is None else {"embedder": kind, "embedder_url": script.url, **more}
    lab = Lab(settings.model_copy(update=changes))
    async with lab.kernel.running():
        if script is None or not (await lab.invoke("agent.list")).agents:
            lab.a, lab.b = await lab.agent("ada"), await lab.agent("bob")
        yield lab


async def embedded(lab: Lab, count: int) -> None:
    """Wait until so many memories have a vector."""

    def query(session: Any) -> int:
        return int(session.connection().exec_driver_sql("SELECT count(*) FROM memory_vector").scalar_one())

    with anyio.fail_after(20):
        while await lab.kernel.store.read(query) != count:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("kind", ["openai", "gemini"])
async def test_a_memory_is_found_by_what_it_means(
    settings: Settings, script: Script, tmp_path: Path, kind: str, way: nearest.Way
) -> None:
    (tmp_path / "key").write_text("k3y\n")
    async with opened(settings, script, kind, embedder_key_file=tmp_path / "key", embedder_model="m") as lab:
        await lab.remember("the automobile stands behind the house", lab.a)
        mine = await lab.remember("my automobile is a secret", lab.a, namespace="agent")
        await lab.remember("sunshine until friday", lab.a)
        await embedded(lab, 3)
        assert (await lab.recall("car", lab.b, limit=1)) == ["the automobile stands behind the house"]
        assert "my automobile is a secret" not in await lab.recall("car", lab.b)
        assert set(await lab.recall("car", lab.a, limit=2)) == {
            "the automobile stands behind the house",
            "my automobile is a secret",
        }
        await lab.remember("automobile", lab.a, layer="social")
        await embedded(lab, 4)
        assert await lab.recall("car", lab.b, layer="social") == ["automobile"]
        await lab.invoke("memory.update", {"id": mine.id, "content": "the invoice is paid"}, lab.a)
        await embedded(lab, 4)
        assert (await lab.recall("money", lab.a, limit=1)) == ["the invoice is paid"]
        await lab.invoke("memory.forget", {"id": mine.id}, lab.a)
        await embedded(lab, 3)
        with pytest.raises(Forbidden):
            await lab.invoke("memory.share", {"id": (await lab.remember("x", lab.a)).id, "to": "bob"}, lab.b)
        assert lab.memory.health() == {"ok": True, "detail": f"vectors are compared by {way.name}"}
    headers = {name.lower(): value for name, value in script.requests[0]["headers"].items()}
    assert (headers.get("authorization"), headers.get("x-goog-api-key")) == (
        ("Bearer k3y", None) if kind == "openai" else (None, "k3y")
    )
    assert script.requests[0]["path"] == ("/v1/embeddings" if kind == "openai" else "/v1/models/m:batchEmbedContents")


async def test_a_fit_of_the_words_and_of_the_meaning_beats_either(settings: Settings, script: Script) -> None:
    async with opened(settings, script) as lab:
        for text in ("the motor is loud", "a red automobile", "red paint", "the red car is loud"):
            await lab.remember(text, lab.a)
        await embedded(lab, 4)
        assert (await lab.recall("red car"))[0] == "the red car is loud"
        assert {"a red automobile", "the motor is loud"} <= set(await lab.recall("red car"))


async def test_the_nearest_come_in_the_exact_order_whatever_compares_them(
    settings: Settings, script: Script, way: nearest.Way
) -> None:
    def place(text: str) -> list[float]:
        dice = random.Random(text)
        return [0.0] * 48 if text == "nowhere" else [dice.gauss(0, 1) for _ in range(48)]

    def cosine(text: str) -> float:
        one, other = place(text), place("question")
        return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one, 1e-9) / math.hypot(*other)

    script.meaning = place
    async with opened(settings, script) as lab:
        texts = [f"common{number}" for number in range(29)] + ["nowhere"]
        hidden = [f"private{number}" for number in range(10)]
        for text in (*texts, "torn"):
            await lab.remember(text, lab.a)
        for text in hidden:
            await lab.remember(text, lab.a, namespace="agent")
        await embedded(lab, 41)
        torn = "UPDATE memory_vector SET vector = x'0000' WHERE seq = (SELECT seq FROM memory WHERE content = 'torn')"
        await lab.kernel.store.write(lambda tx: tx.cursor.execute(torn) and None)
        assert await lab.recall("question", lab.b, limit=50) == sorted(texts, key=cosine, reverse=True)
        assert await lab.recall("question", lab.a, limit=50) == sorted(texts + hidden, key=cosine, reverse=True)
        assert await lab.recall("question", lab.a, limit=3, namespace="agent") == sorted(hidden, key=cosine)[:-4:-1]


async def test_what_was_remembered_before_is_embedded_too(settings: Settings, script: Script) -> None:
    async with opened(settings, None) as lab:
        for number in range(3 * vectors.BATCH):
            await lab.remember(f"automobile {number}")
        assert await lab.recall("car") == []
    async with opened(settings, script) as lab:
        await embedded(lab, 3 * vectors.BATCH)
        assert len(await lab.recall("car", limit=50)) == 50
    asked = len(script.requests)
    async with opened(settings, script) as lab:
        assert len(await lab.recall("car")) == 10
    assert len(script.requests) == asked + 1  # the query alone


async def test_while_the_embedder_is_away_words_are_found_and_nothing_is_missed(
    settings: Settings, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "RETRY_S", (0.01, 0.02))
    monkeypatch.setattr(vectors, "QUEUE", 2)
    script.down = True
    async with opened(settings, script) as lab:
        for text in ("an automobile", "a motor", "a car", "rain", "budget"):
            await lab.remember(text)
        with anyio.fail_after(20):
            while lab.memory.health()["ok"]:
                await anyio.lowlevel.checkpoint()
        assert "answered 503" in lab.memory.health()["detail"]
        assert await lab.recall("motor") == ["a motor"]
        script.down = False
        await embedded(lab, 5)
        assert {"an automobile", "a motor", "a car"} == set(await lab.recall("motor", limit=3))
        assert lab.memory.health()["ok"]


@pytest.mark.parametrize(
    "broken",
    [{}, {"data": []}, {"data": [{"index": 0}]}, []]
    + [{"data": [{"index": 0, "embedding": odd}]} for odd in ([], ["a"], [math.nan, 1.0])],
)
async def test_an_answer_that_makes_no_sense_is_told_and_words_are_found(
    settings: Settings, script: Script, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    monkeypatch.setattr(script, "answer", lambda *_: broken)
    async with opened(settings, script) as lab:
        await lab.remember("a motor")
        with anyio.fail_after(20):
            while lab.memory.health()["ok"]:
                await anyio.lowlevel.checkpoint()
        assert "not understood" in lab.memory.health()["detail"]
        assert await lab.recall("motor") == ["a motor"]


async def test_where_sqlite_vec_cannot_be_loaded_numpy_compares_and_health_says_why(
    settings: Settings, script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(nearest, "find_spec", lambda _: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    async with opened(settings, script) as lab:
        await lab.remember("an automobile")
        await embedded(lab, 1)
        assert await lab.recall("car") == ["an automobile"]
        health = lab.memory.health()
    assert health["ok"]
    assert re.match("vectors are compared by numpy: .*(loads no extensions|cannot be loaded)", health["detail"])


async def test_with_nothing_to_compare_vectors_words_alone_are_found_and_health_says_why(
    settings: Settings, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "find_spec", lambda _: None)
    async with opened(settings, script) as lab:
        await lab.remember("a motor")
        assert await lab.recall("motor") == ["a motor"]
        assert "aetherd[vectors]" in lab.memory.health()["detail"]
    assert script.requests == []
