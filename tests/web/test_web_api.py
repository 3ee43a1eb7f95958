"""Operations over HTTP."""

from __future__ import annotations

import json
import logging
from typing import Any

import anyio
import pytest
from web_lab import Served, error_of, served, take

pytestmark = pytest.mark.anyio

__all__ = ["served"]


async def test_an_operation_takes_and_gives_json(served: Served) -> None:
    answer = await served.client.post("/v1/lab.echo", json={"text": "ähem 🙂", "numbers": [1, 2]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"text": "ähem 🙂", "numbers": [1, 2], "ratio": None, "flag": None, "table": None}


async def test_no_body_is_an_empty_input(served: Served) -> None:
    assert (await served.client.post("/v1/lab.echo")).json()["text"] == "nothing"
    assert (await served.client.post("/v1/lab.echo", content=b" \n")).status_code == 415
    headers = {"content-type": "application/json; charset=utf-8"}
    assert (await served.client.post("/v1/lab.echo", content=b" \n", headers=headers)).status_code == 200


async def test_reading_takes_its_input_from_the_query(served: Served) -> None:
    query = "text=5&numbers=1&numbers=2&ratio=1.5&flag=true&table=%7B%22a%22%3A1%7D"
    answer = await served.client.get(f"/v1/lab.echo?{query}")
    assert answer.json() == {"text": "5", "numbers": [1, 2], "ratio": 1.5, "flag": True, "table": {"a": 1}}


async def test_a_query_that_does_not_fit_is_invalid(served: Served) -> None:
    for query in ("numbers=x", "flag=perhaps", "text=a&text=b", "nonsense=1", "table=[1]", "table={", "ratio=nan"):
        status, code = error_of(await served.client.get(f"/v1/lab.echo?{query}"))
        assert status in (400, 422)
        assert code == "invalid"
    huge = "9" * 5000
    assert error_of(await served.client.get(f"/v1/lab.echo?numbers={huge}")) == (422, "invalid")


async def test_what_changes_something_is_posted(served: Served) -> None:
    answer = await served.client.get("/v1/lab.change")
    assert error_of(answer) == (405, "invalid")
    assert answer.headers["allow"] == "POST"
    for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        assert (await served.client.request(method, "/v1/lab.echo")).status_code == 405


async def test_input_errors_are_told_field_by_field(served: Served) -> None:
    answer = await served.client.post("/v1/lab.echo", json={"numbers": ["x"]})
    assert error_of(answer) == (422, "invalid")
    error = answer.json()["error"]
    assert error["message"].startswith("lab.echo: numbers.0:")
    assert error["data"]["errors"][0]["loc"] == ["numbers", 0]


async def test_an_unknown_operation_is_not_found_and_audited(served: Served) -> None:
    for name in ("lab.nothing", "nonsense", "lab.echo.more", "..%2f..%2fetc%2fpasswd", "%00", "lab.echo%20"):
        assert error_of(await served.client.post(f"/v1/{name}", json={}))[0] == 404
    records = (await served.client.get("/v1/audit.query?outcome=refused")).json()["records"]
    assert "lab.nothing" in {record["operation"] for record in records}


HOSTILE = {
    "cut off": b'{"text": "a',
    "not an object": b"[1]",
    "a bare word": b"nonsense",
    "NaN": b'{"ratio": NaN}',
    "Infinity": b'{"ratio": -Infinity}',
    "an overflowing float": b'{"ratio": 1e999}',
    "a huge integer": b'{"numbers": [' + b"9" * 10_000 + b"]}",
    "a 65 bit integer": b'{"numbers": [18446744073709551616]}',
    "duplicate keys": b'{"text": "a", "text": "b"}',
    "deep nesting": b'{"table":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "deep arrays": b"[" * 100_000,
    "invalid UTF-8": b'{"text": "\xff"}',
    "a lone surrogate": b'{"text": "\\ud800"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "two documents": b"{} {}",
    "a control character": b'{"text": "\x01"}',
}


async def test_hostile_json_is_invalid_and_never_a_crash(served: Served) -> None:
    for what, body in HOSTILE.items():
        answer = await served.client.post("/v1/lab.echo", content=body, headers={"content-type": "application/json"})
        status, code = error_of(answer)
        assert (status in (400, 422), code) == (True, "invalid"), what


async def test_another_content_type_is_named(served: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = await served.client.post("/v1/lab.echo", content=b"{}", headers={"content-type": kind})
        assert error_of(answer) == (415, "invalid")
        assert "application/json" in answer.json()["error"]["message"]


async def test_a_crash_shows_its_call_and_nothing_else(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await served.client.post("/v1/lab.crash", json={})
    assert error_of(answer) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.json()["error"]["data"]["call"].startswith("call_")
    assert "the secret of the house" in caplog.text


async def test_leaving_stops_the_work(served: Served) -> None:
    async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
        request = f"POST /v1/lab.slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\n\r\n"
        await stream.send(request.encode())
        with anyio.fail_after(5):
            await served.lab.begun.wait()
    with anyio.fail_after(5):
        await served.lab.cancelled.wait()


async def test_a_stream_is_collected_into_its_last_item(served: Served) -> None:
    assert (await served.client.post("/v1/lab.count", json={"to": 4})).json() == {"number": 4}
    assert (await served.client.post("/v1/lab.count", json={"to": 0})).json() == {}
    assert error_of(await served.client.post("/v1/lab.break", json={})) == (409, "conflict")


async def test_a_stream_is_told_as_events_when_asked(served: Served) -> None:
    accept = {"accept": "text/event-stream"}
    async with served.client.stream("GET", "/v1/lab.count?to=2", headers=accept) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = await take(answer, 3)
    assert [event["event"] for event in found] == ["item", "item", "end"]
    assert json.loads(found[1]["data"]) == {"number": 2}
    assert found[2]["data"] == ""


async def test_a_stream_that_fails_ends_with_the_error(served: Served) -> None:
    accept = {"accept": "text/event-stream"}
    for to, code in ((1, "conflict"), (0, "internal")):
        async with served.client.stream("POST", "/v1/lab.break", json={"to": to}, headers=accept) as answer:
            found = await take(answer, 2)
        assert [event["event"] for event in found] == ["item", "error"]
        assert json.loads(found[1]["data"])["error"]["code"] == code
        assert "secret" not in found[1]["data"]
    answer = await served.client.post("/v1/lab.count", json={"to": "x"}, headers=accept)
    assert error_of(answer) == (422, "invalid")


async def test_leaving_a_stream_stops_it(served: Served) -> None:
    for accept in ("text/event-stream", "application/json"):
        served.lab.begun, served.lab.cancelled = anyio.Event(), anyio.Event()
        async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
            request = (
                f"GET /v1/lab.count?follow=true HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
                f"Authorization: Bearer {served.token}\r\n\r\n"
            )
            await stream.send(request.encode())
            with anyio.fail_after(5):
                await served.lab.begun.wait()
        with anyio.fail_after(5):
            await served.lab.cancelled.wait()


async def test_the_catalogue_is_served_once_and_then_not_modified(served: Served) -> None:
    answer = await served.client.get("/v1/catalog")
    assert "lab.echo" in {entry["name"] for entry in answer.json()["operations"]}
    again = await served.client.get("/v1/catalog", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_openapi_describes_every_operation_and_resolves_its_references(served: Served) -> None:
    document = (await served.client.get("/v1/openapi.json")).json()
    assert set(document["paths"]) == {f"/v1/{op.name}" for op in served.house.registry}
    assert "get" in document["paths"]["/v1/lab.echo"]
    assert "get" not in document["paths"]["/v1/lab.change"]

    def check(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(ref := node.get("$ref"), str):
                assert ref.removeprefix("#/components/schemas/") in document["components"]["schemas"]
            assert "$defs" not in node
            for value in node.values():
                check(value)
        elif isinstance(node, list):
            for value in node:
                check(value)

    check(document["paths"])
    check(document["components"])
