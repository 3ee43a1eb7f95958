"""What is read from answers, and what it costs: by the makers' own shapes, however the bytes are cut."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherd.core.errors import Invalid, NotFound
from aetherd.kernel.model import prices
from aetherd.kernel.model.dialects import Wire, wanted
from aetherd.kernel.model.limits import resets
from aetherd.kernel.model.meter import Meter, Usage
from aetherd.kernel.model.models import Price
from aetherd.kernel.model.trace import redacted
from aetherd.operations.gateway import Asked


def sse(*events: Any) -> bytes:
    """Return server-sent events."""
    return b"".join(
        b"data: " + (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n\n" for one in events
    )


MESSAGES = sse(
    {
        "type": "message_start",
        "message": {"model": "claude-opus-5-5", "usage": {"input_tokens": 9, "output_tokens": 1}},
    },
    {"type": "content_block_delta", "delta": {"text": 'say "usage": {"input_tokens": 99}'}},
    b"[DONE",
    {
        "type": "message_delta",
        "usage": {
            "output_tokens": 70,
            "cache_read_input_tokens": 400,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_1h_input_tokens": 20, "ephemeral_5m_input_tokens": 10},
            "server_tool_use": {"web_search_requests": 2},
        },
    },
    {"type": "message_stop"},
)
CHAT = sse(
    {"model": "gpt-5-mini", "choices": [{"delta": {"content": "data: [DONE]"}}], "usage": None},
    {
        "model": "gpt-5-mini",
        "choices": [],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 12, "audio_tokens": 4},
        },
        "service_tier": "priority",
    },
    b"[DONE]",
)
RESPONSES = sse(
    {"type": "response.created", "response": {"model": "gpt-5.5", "usage": None}},
    {
        "type": "response.completed",
        "response": {
            "model": "gpt-5.5",
            "output": [{"type": "web_search_call"}, {"type": "message"}],
            "usage": {"input_tokens": 50, "input_tokens_details": {"cached_tokens": 10}, "output_tokens": 7},
        },
    },
)
GEMINI = sse(
    {"candidates": [{}], "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 2}, "modelVersion": "g"},
    {
        "candidates": [{"groundingMetadata": {"webSearchQueries": ["x"]}}],
        "usageMetadata": {
            "promptTokenCount": 30,
            "cachedContentTokenCount": 10,
            "toolUsePromptTokenCount": 5,
            "candidatesTokenCount": 12,
            "thoughtsTokenCount": 8,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 4}],
        },
        "modelVersion": "g",
    },
)
OLLAMA = b"""{"model": "q", "message": {"content": "x"}}
{"model": "q", "done": true, "prompt_eval_count": 6, "eval_count": 3}
"""
STREAMS: dict[Wire, tuple[bytes, Usage]] = {
    "messages": (
        MESSAGES,
        Usage("claude-opus-5-5", 9, 70, cache_read=400, cache_write=10, cache_write_1h=20, searches=2),
    ),
    "chat": (CHAT, Usage("gpt-5-mini", 35, 16, cache_read=60, audio_input=5, audio_output=4, tier="priority")),
    "responses": (RESPONSES, Usage("gpt-5.5", 40, 7, cache_read=10, searches=1)),
    "gemini": (GEMINI, Usage("g", 25, 16, cache_read=10, image_output=4, searches=1)),
    "ollama": (OLLAMA, Usage("q", 6, 3)),
}


@given(wire=st.sampled_from(sorted(STREAMS)), cuts=st.lists(st.integers(0, 1200), max_size=8))
def test_usage_is_read_from_a_stream_however_it_is_cut_into_chunks(wire: Wire, cuts: list[int]) -> None:
    stream, usage = STREAMS[wire]
    meter = Meter(wire, lines=True)
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        meter.feed(stream[begin:end])
    assert meter.usage() == usage
    assert meter.told == (wire != "gemini")  # whose every event tells the sum so far


@given(wire=st.sampled_from(sorted(STREAMS)), garbage=st.binary(max_size=300), lines=st.booleans())
def test_garbage_tells_nothing_and_breaks_nothing(wire: Wire, garbage: bytes, lines: bool) -> None:
    meter = Meter(wire, lines=lines)
    meter.feed(garbage + b'\ndata: {"usage": 7, "usageMetadata": [], "eval_count": "x"}\n\n"usage"\n')
    usage = meter.usage()
    assert usage is None or (usage.input, usage.output) == (0, 0)


def test_an_answer_in_one_piece_is_read_at_its_end() -> None:
    meter = Meter("gemini", lines=False)
    body = json.dumps([{"candidates": []}, {"usageMetadata": {"promptTokenCount": 3}}], indent=1).encode()
    meter.feed(body[:20])
    meter.feed(body[20:])
    assert meter.usage() == Usage(input=3)


def test_costs_are_exact_and_rounded_up_and_long_inputs_and_faster_ways_are_dearer() -> None:
    price = Price(input=4, output=20, cache_read=0.2, cache_write=5, search=0.01, factors={"fast": 2})
    assert prices.cost(price, Usage(input=1)) == 4_000
    assert prices.cost(price, Usage(cache_read=1)) == 200
    assert prices.cost(Price(input=0.0001), Usage(input=1)) == 1  # a tenth of a nanodollar
    assert prices.cost(price, Usage(input=10, output=1, searches=3), "fast") == 120_000 + 30_000_000
    assert prices.cost(price, Usage(cache_write_1h=1)) == 4_000  # no price of its own: as its like
    long = Price.model_validate({"input": 1, "output": 2, "over": {"tokens": 100, "input": 3}})
    assert (prices.cost(long, Usage(input=100)), prices.cost(long, Usage(input=101))) == (100_000, 303_000)
    assert prices.cost(long, Usage(input=60, cache_read=60)) == 360_000


def test_a_dated_version_costs_what_its_model_does_and_what_a_person_set_comes_first() -> None:
    known = prices.find("anthropic", "claude-opus-5-5", {})
    assert known is not None
    assert (known.input, known.output) == (4, 20)
    assert prices.find("anthropic", "claude-opus-5-5-20270101", {}) == known
    assert prices.find("anthropic", "claude-unheard", {}) is None
    own = {"anthropic/claude-opus-5-5": Price(input=1), "anthropic/*": Price(input=9)}
    assert prices.find("anthropic", "claude-opus-5-5-20270101", own) == Price(input=1)
    assert prices.find("anthropic", "claude-unheard", own) == Price(input=9)
    assert prices.table().date >= "2026-11-21"


@pytest.mark.parametrize(
    ("body", "sent", "got"),
    [
        ({"max_tokens": 50}, 2_000, 50),
        ({"max_completion_tokens": 50, "n": 3}, 2_000, 150),
        ({}, 2_000, 1_000),
        ({"n": 2}, 2_000, 2_000),
        ({"max_tokens": 5, "previous_response_id": "r"}, 90_000, 5),
        ({"max_tokens": 5, "tools": [{"type": "web_search_20260209", "max_uses": 2}]}, 180_000, 5),
        ({"max_output_tokens": 5, "generationConfig": {"maxOutputTokens": 5}}, 2_000, 1_000),  # other dialects' words
        ({"max_tokens": 5, "max_completion_tokens": 50.0}, 2_000, 50),
        ({"max_tokens": 5, "prompt": ["a", "b"], "best_of": 4}, 2_000, 40),
        ({"max_tokens": 5, "messages": [{"image_url": {"url": "data:image/png;base64,AA"}}] * 3}, 32_000, 5),
        ({"max_tokens": 5, "messages": [{"image_url": {"url": "HTTPS://a/b.png"}}]}, 90_000, 5),
        ({"max_tokens": 5, "source": {"media_type": "application/pdf", "data": "AA"}}, 90_000, 5),
    ],
)
def test_the_most_a_call_can_use_is_known_before_it_is_made(body: dict[str, Any], sent: int, got: int) -> None:
    raw = json.dumps({"model": "m", **body}).encode()
    want = wanted(Asked("openai", "chat/completions", "", "POST", (), raw))
    most = want.input_bound(90_000)
    assert sent <= most <= sent + 2_000 + len(raw)
    assert want.output_bound(1_000) == got


@pytest.mark.parametrize(
    "spelling", [b'"file_data": {"file\\u005furi": "x"}', b'"f":\n{"fileUri"\t:"x"}', b'"cached\\u0043ontent": "c"']
)
def test_how_a_body_is_spelled_does_not_hide_what_it_can_cost(spelling: bytes) -> None:
    config = b'{"generation_config": {"candidate_count": 4, "max_output_tokens": 7}, "tools": [{"url_context": {}}], '
    want = wanted(Asked("gemini", "v1beta/models/g:generateContent", "", "POST", (), config + spelling + b"}"))
    assert (want.elsewhere, want.output_bound(1_000), want.hosted) == (True, 28, 5)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("v1/responses", b'{"model": "m", "background": true}', "cannot be metered"),
        ("v1/messages", b'{"model": "m", "max_tokens": 1, "max_tokens": 99}', "stands twice"),
        ("v1/chat/completions", b'{"model": "m", "max_tokens": "99"}', "no whole number"),
        ("v1/chat/completions", b'{"model": "m\\ud800"}', "names no model"),
        ("v1beta/models/g%2f..%2fh:countTokens", b"{}", "could not be metered"),
    ],
)
def test_what_a_provider_could_read_in_another_way_is_not_passed(path: str, body: bytes, words: str) -> None:
    with pytest.raises((Invalid, NotFound), match=words):
        wanted(Asked("any", path, "", "POST", (), body))


def test_a_list_of_models_leads_nowhere_else() -> None:
    assert wanted(Asked("openai", "v1/models/org/name-1.5", "", "GET", (), b"")).wire == "free"
    for path in ("v1/models/%2e%2e/files", "v1/models/../files", "v1/files"):
        with pytest.raises(NotFound):
            wanted(Asked("openai", path, "", "GET", (), b""))


def test_tools_that_are_echoed_in_an_answer_are_not_taken_for_its_figures() -> None:
    tools = [{"parameters": {"properties": {"usage": {"default": {"usage": None}}}}}]
    meter = Meter("responses", lines=True)
    meter.feed(sse({"type": "response.created", "response": {"tools": tools}}))
    assert not meter.told
    meter.feed(sse({"response": {"tools": tools, "usage": {"input_tokens": 5, "output_tokens": 6}}}))
    assert (meter.told, meter.usage()) == (True, Usage(input=5, output=6))


def test_what_a_summary_of_the_conversation_took_is_counted() -> None:
    meter = Meter("messages", lines=False)
    steps = [{"type": "compaction", "input_tokens": 180, "output_tokens": 3}, {"type": "message", "input_tokens": 23}]
    usage = {"input_tokens": 23, "output_tokens": 1, "iterations": steps}
    meter.feed(json.dumps({"model": "m\ud800", "usage": usage}).encode())
    assert meter.usage() == Usage("m?", 203, 4)


def test_a_reset_is_read_from_the_headers_each_provider_sends() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    epoch = str(int((now + timedelta(hours=3)).timestamp()))
    for headers, seconds in (
        ({"retry-after": "30"}, 30),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT"}, 60),
        ({"anthropic-ratelimit-unified-reset": epoch, "retry-after": "30"}, 10_800),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:05Z",
                "anthropic-ratelimit-tokens-remaining": "7",
                "anthropic-ratelimit-tokens-reset": "2026-11-21T13:00:00Z",
            },
            5,
        ),
    ):
        found = resets(tuple((name.encode(), value.encode()) for name, value in headers.items()), now)
        assert found == now + timedelta(seconds=seconds)
    for senseless in ("soon", "-5", "99999999999999", "", "\xff"):
        assert resets(((b"retry-after", senseless.encode("latin-1")),), now) is None


@given(st.text(max_size=200))
def test_a_trace_never_shows_a_secret_that_is_known_or_looks_like_one(around: str) -> None:
    for secret in ("sk-proj-abcdefghijklmnop1234", "ghp_abcdefghijklmnopqrst", "aep_AX5BIXxNJ9ISy3y-YV98o_X77OO4"):
        assert secret not in redacted(f"{around} {secret} {around}")
    assert "known words" not in redacted(f"{around}known words{around}", ["known words"])
    assert "hunter22" not in redacted('{"password": "hunter22"}') + redacted("API_KEY=hunter22")


@pytest.mark.parametrize("part", ["eyJ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "eyJhbGciOiJ.", "token\\"])
def test_a_trace_of_words_that_look_like_the_begin_of_secrets_is_written_soon(part: str) -> None:
    begun = time.process_time()
    redacted(part * (200_000 // len(part)))
    assert time.process_time() - begun < 5  # it was minutes, in which the whole daemon stood still


def test_a_trace_hides_tokens_and_keys_of_several_lines() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128-CBC,0A\n\nMIIE\n-----END RSA PRIVATE KEY-----"
    for secret in (key, "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSM"):
        assert redacted(f"a {secret} b") == "a [redacted] b"
        assert "SflK" not in redacted(json.dumps(f"a\n{secret}"))
