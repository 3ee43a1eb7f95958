"""A model at a provider: asks, shows the answer as it comes, asks again when that helps, and says when it does not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from aetherd_runtimes.builtin.choice import Choice, dialect_of
from aetherd_runtimes.builtin.dialects.common import (
    Ask,
    Away,
    Broken,
    Refused,
    Turn,
    names_of,
    new_id,
    system_of,
    turns_of,
)
from aetherd_runtimes.builtin.model import Anew, Block, Delta, Message, Stop, Tool, TooLong, ToolUse, Wait
from aetherd_runtimes.builtin.protocol import bounded
from aetherd_runtimes.builtin.wire import Exchange, reachable

ATTEMPTS = 7
FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 8.0
AWAY_S = 3600.0  # how long aetherd itself may be away, as it is when it is restarted
KNOCK_S = 1.0
PATIENCE_S = 4.0  # a limit that lifts later is aetherd's to wait for: it wakes its agents in their order
LONGEST_RESET_S = 31 * 86400.0
ANSWER_TOKENS = 8192
BUSY = (408, 409, 429, 500, 502, 503, 504, 529)
LIMITS = (429, 529)
LONG = (
    "prompt is too long",
    "context length",
    "context limit",
    "context_length",
    "context window",
    "too many tokens",
    "exceeds the max",
)
RESET = "anthropic-ratelimit-unified-reset"  # Unix time


class Client:
    """One provider's model; a `Model`."""

    def __init__(self, choice: Choice, key: str, window: int, env: Mapping[str, str], wait: Wait) -> None:
        self._choice, self._key, self._env, self._wait = choice, key, env, wait
        self._dialect = dialect_of(choice)
        self._window = window
        base = choice.url.rstrip("/")
        path = self._dialect.path(choice.model)
        version = path.split("/")[1]
        self._url = base.removesuffix(f"/{version}") + path  # people write an address with and without it
        self._headers = {**self._dialect.headers(key), "accept": "text/event-stream, application/x-ndjson"}

    @property
    def name(self) -> str:
        """Return provider and model."""
        return self._choice.name

    def respond(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Block]:
        """Ask, a bounded number of times; whole blocks come once the answer is complete."""
        limit = min(ANSWER_TOKENS, self._window // 4)
        ask = Ask(self._choice.model, system_of(messages), turns_of(messages), tools, limit, self._window)
        body = json.dumps(self._dialect.body(ask), separators=(",", ":")).encode()
        delay = FIRST_DELAY_S
        for attempt in range(1, ATTEMPTS + 1):
            done: list[Block] = []
            try:
                for block in self._once(body):
                    if isinstance(block, Delta):
                        yield block
                    else:
                        done.append(block)
                yield from _unique(done, ask.turns)
                return
            except Refused as error:
                refused = error
            except Away as error:
                if self._choice.gateway:
                    yield Anew(f"aetherd's gateway is away ({error}); I ask again once it is back")
                    self._wait_for_gateway()
                    continue
                refused = Refused(0, "", str(error))
            except Broken as error:
                refused = Refused(0, "", str(error))
            if (stop := self._judged(refused, attempt)) is not None:
                yield stop
                return
            pause = refused.after
            if pause is None:
                pause, delay = delay, min(2 * delay, LONGEST_DELAY_S)
            yield Anew(f"{self._told(refused)}; I ask again in {pause:.1f} s ({attempt} of {ATTEMPTS - 1})")
            self._wait(deadline=monotonic() + pause)
        yield Stop("failed", f"aetherd's gateway went away {ATTEMPTS} times")

    def _wait_for_gateway(self) -> None:
        deadline = monotonic() + AWAY_S
        while monotonic() < deadline:
            self._wait(deadline=monotonic() + KNOCK_S)
            if reachable(self._url, self._env):
                return

    def _once(self, body: bytes) -> Iterator[Block]:
        exchange = Exchange(self._url, self._headers, body, self._env, self._wait)
        try:
            if exchange.status != 200:
                raise refusal(exchange)
            try:
                yield from self._dialect.blocks(exchange.chunks())
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                raise Broken(f"its stream cannot be read: {type(error).__name__}: {error}") from error
        finally:
            exchange.close()

    def _judged(self, refused: Refused, attempt: int) -> Stop | None:
        """Return how the turn ends, None when it is worth asking again."""
        told = self._told(refused)
        if refused.status in (400, 413, 422) and any(part in refused.text.lower() for part in LONG):
            raise TooLong(told)
        limited = refused.status in LIMITS and refused.kind != "insufficient_quota"
        if refused.again is False or refused.kind == "insufficient_quota":
            return Stop("limited", told, _at(refused.after)) if limited else Stop("failed", told)
        if limited and refused.after is not None and refused.after > PATIENCE_S:
            return Stop("limited", told, _at(refused.after))
        if refused.status and refused.status not in BUSY and refused.again is not True:
            return Stop("failed", f"{told}{self._hint(refused.status)}")
        if attempt == ATTEMPTS:
            tried = f"{told}; asked {ATTEMPTS} times"
            return Stop("limited", tried, _at(refused.after)) if limited else Stop("failed", tried)
        return None

    def _told(self, refused: Refused) -> str:
        status = f" answered {refused.status}" if refused.status else ""
        return f"{self._choice.provider}{status}: {bounded(refused.text, 500) or refused.kind or 'no reason given'}"

    def _hint(self, status: int) -> str:
        if status in (401, 403):
            key = f"{self._choice.key} in env" if self._choice.key else "model.configure"
            return f" (the key is refused: give another by {key})"
        return f" (is there a model {self._choice.model}?)" if status == 404 else ""


def _unique(blocks: Sequence[Block], turns: Sequence[Turn]) -> Iterator[Block]:
    """Give calls an id of their own where a provider counts them afresh in each answer."""
    taken = set(names_of(turns))
    for block in blocks:
        if isinstance(block, ToolUse):
            block = block if block.id not in taken else replace(block, id=new_id())
            taken.add(block.id)
        yield block


def refusal(exchange: Exchange) -> Refused:
    """Read an error: all providers put its words under `error`, and most say in headers when to come again."""
    raw = exchange.whole()
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = raw.decode("utf-8", "replace").strip()
    value = value[0] if isinstance(value, list) and value else value
    error: Any = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else json.dumps(error)}
    again = {"true": True, "false": False}.get((exchange.header("x-should-retry") or "").lower())
    kinds = (error.get(name) for name in ("code", "status", "type"))
    kind = next((kind for kind in kinds if isinstance(kind, str)), "")
    after = _after(exchange, error)
    after = None if after is None else min(after, LONGEST_RESET_S)
    return Refused(exchange.status, kind, str(error.get("message") or ""), after, again)


def _after(exchange: Exchange, error: Mapping[str, Any]) -> float | None:
    """Return in how many seconds the provider can be asked again, as it says."""
    said = exchange.header("retry-after")
    try:
        if (milliseconds := exchange.header("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        if said is not None:
            return max(0.0, float(said))
    except ValueError:
        if said is not None and (date := _date(said)) is not None:
            return max(0.0, date - time.time())
    when = exchange.header(RESET) if exchange.status in LIMITS else None
    if when is not None and when.isdecimal():
        return max(0.0, float(when) - time.time())
    for detail in error.get("details") or ():
        wait = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(wait, str) and wait.endswith("s") and wait[:-1].replace(".", "", 1).isdecimal():
            return float(wait[:-1])
    return None


def _date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None


def _at(after: float | None) -> str | None:
    """Return when that is, as aetherd writes times."""
    if after is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + after + 0.999))


def key_of(choice: Choice, token: str) -> str:
    """Return the key that goes with a choice: the gateway's token, or the person's own from the environment."""
    if choice.gateway:
        return token
    return os.environ.get(choice.key, "") if choice.key else ""
