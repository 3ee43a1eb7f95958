"""Errors, ids, time, pages, short texts and the log."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from aetherd.core import log
from aetherd.core.clock import stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Exhausted, Invalid, NotFound, error_classes
from aetherd.core.ids import new_id
from aetherd.core.model import NEWEST, Model, position
from aetherd.core.texts import one_line

CODES = {
    "invalid": (422, False),
    "unauthenticated": (401, False),
    "forbidden": (403, False),
    "not_found": (404, False),
    "conflict": (409, False),
    "exhausted": (429, True),
    "pending_approval": (409, False),
    "unavailable": (503, True),
    "internal": (500, False),
}


def test_the_codes_of_the_wire_contract_never_change() -> None:
    assert {cls.code: (cls.status, cls.retryable) for cls in error_classes()} == CODES


def test_a_room_may_add_data_to_an_error_but_no_code() -> None:
    class ProcessNotFound(NotFound):
        """Of a room."""

    assert ProcessNotFound not in set(error_classes())
    assert ProcessNotFound("no process 9", id=9).body() == {
        "error": {"code": "not_found", "message": "no process 9", "data": {"id": 9}}
    }


def test_only_a_retryable_error_says_so() -> None:
    assert Exhausted("slow down").body()["error"]["data"] == {"retryable": True}
    assert AetherError("x").body()["error"]["data"] == {}


def test_ids_sort_by_time_and_do_not_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 10**12, 10**8))
    monkeypatch.setattr("aetherd.core.ids.time.time_ns", lambda: next(moments))
    made = [new_id("memory") for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert {len(key) for key in made} == {len("memory_") + 18}


def test_time_on_the_wire_is_utc_and_sorts_as_text() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    assert stamp(moment) == "2026-01-02T01:04:05.000006Z"
    assert datetime.fromisoformat(stamp(moment)) == moment.astimezone(UTC)


def test_a_model_is_closed_and_frozen() -> None:
    class Thing(Model):
        """A thing."""

        size: int = 1

    with pytest.raises(ValidationError, match="extra"):
        Thing(sice=2)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="frozen"):
        Thing().size = 2  # type: ignore[misc]
    assert Thing.model_json_schema(mode="serialization")["required"] == ["size"]


def test_a_log_line_off_a_terminal_is_json_with_actor_call_and_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    token = origin.set(Origin("agent:a", "call_1"))
    try:
        log.setup("info")
        logging.getLogger("aetherd.test").info("started %s", 7, extra={"pid": 7})
    finally:
        origin.reset(token)
        root.handlers[:] = before
        root.setLevel(level)
    line = json.loads(stream.getvalue())
    assert (line["message"], line["actor"], line["call"], line["pid"]) == (
        "started 7",
        "agent:a",
        "call_1",
        7,
    )


@pytest.mark.parametrize("cursor", ["", "-1", "1.5", "٣", "agent_1", "9" * 19])
def test_a_cursor_that_no_page_gave_is_refused_and_says_what_to_give(cursor: str) -> None:
    with pytest.raises(Invalid, match="give the `cursor` of the page before") as refused:
        position(cursor, NEWEST)
    assert refused.value.data == {"field": "cursor"}


def test_a_list_begins_where_it_says_and_goes_on_after_its_cursor() -> None:
    assert (position(None, NEWEST), position(None, 0), position("42", NEWEST)) == (NEWEST, 0, 42)


def test_a_text_is_put_on_one_line_that_is_never_too_long() -> None:
    assert one_line(" two\n\twords ", 9) == "two words"
    assert one_line("two words", 8) == "two wor…"
