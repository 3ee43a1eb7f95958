"""The console's static files, and what watchers ask."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from web_lab import Served, error_of, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def built(house: Any, tmp_path: Path) -> AsyncIterator[Served]:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>console</title>")
    script = folder / "assets" / "index-C0ffee42.js"
    script.write_text("console.log('hello')")
    Path(f"{script}.gz").write_bytes(gzip.compress(script.read_bytes()))
    (folder / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("the content")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    house.house.static = folder
    async with serve(house) as served:
        yield served


async def test_the_page_is_served_for_every_path_of_its_own(built: Served) -> None:
    for path in ("/", "/processes/7", "/settings", "/index.html", "/a/b/c.d"):
        answer = await built.stranger.get(path)
        assert answer.status_code == 200
        assert "<title>console</title>" in answer.text
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-cache"
        again = await built.stranger.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_paths_of_the_api_never_fall_back_to_the_page(built: Served) -> None:
    for path in ("/mcp", "/llm/anthropic/v1", "/hooks/abc", "/v1", "/v1/", "/assets/gone-12345678.js"):
        answer = await built.stranger.get(path)
        assert answer.status_code in (401, 404)
        assert "error" in answer.json()
    assert error_of(await built.stranger.post("/settings")) == (405, "invalid")


async def test_hashed_files_are_precompressed_and_kept_for_ever(built: Served) -> None:
    for encoding in ("gzip", "identity"):
        answer = await built.stranger.get("/assets/index-C0ffee42.js", headers={"accept-encoding": encoding})
        assert answer.text == "console.log('hello')"
        assert answer.headers.get("content-encoding") == ("gzip" if encoding == "gzip" else None)
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await built.stranger.head("/assets/index-C0ffee42.js")).content == b""


async def test_nothing_outside_the_folder_is_served(built: Served) -> None:
    for path in (
        "/link.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/%2fetc%2fpasswd",
    ):
        answer = await built.stranger.get(path)
        assert "the content" not in answer.text
        assert "root:" not in answer.text
    assert (await built.stranger.get("/%00")).status_code == 404


async def test_an_unbuilt_console_says_how_to_build_it(house: Any, tmp_path: Path) -> None:
    house.house.static = tmp_path / "missing"
    async with serve(house) as served:
        answer = await served.stranger.get("/")
        assert answer.status_code == 200
        assert "make ui" in answer.text
        assert (await served.stranger.get("/elsewhere")).status_code == 404


async def test_health_needs_no_credential_and_readiness_tells_the_rooms(built: Served) -> None:
    assert set((await built.stranger.get("/healthz")).json()) == {"ok", "version"}
    answer = await built.client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert answer.json()["address"] == f"http://127.0.0.1:{built.port}"
    built.house.ready = False
    answer = await built.client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)


async def test_metrics_are_prometheus_text_for_people_alone(built: Served) -> None:
    answer = await built.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert {"# TYPE aetherd_open_streams gauge", "aetherd_open_streams 0.0"} <= set(answer.text.splitlines())
    _, secret = await built.token_for("token:read")
    assert (await built.stranger.get("/metrics", headers={"authorization": f"Bearer {secret}"})).status_code == 403
