"""The wire formats of providers: what a request asks for, where the key goes, what an error looks like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from aetherd.core.errors import AetherError, Invalid, NotFound
from aetherd.operations.gateway import Asked, Headers

Dialect = Literal["anthropic", "openai", "gemini", "ollama"]
Wire = Literal["messages", "chat", "responses", "gemini", "ollama", "free"]  # free: it costs nothing

# The paths that are passed on: those whose usage can be read, and those that cost nothing.
PATHS: tuple[tuple[str, Wire], ...] = (
    (r"(?:v1/)?messages", "messages"),
    (r"(?:v1/)?(?:messages/count_tokens|responses/input_tokens)", "free"),
    (r"(?:v1/)?(?:chat/completions|completions|embeddings)", "chat"),
    (r"(?:v1/)?responses(?:/compact)?", "responses"),
    (r"v1(?:alpha|beta)?/models/[\w.-]+:(?:streamGenerateContent|generateContent|embedContent)", "gemini"),
    (r"v1(?:alpha|beta)?/models/[\w.-]+:countTokens", "free"),
    (r"api/(?:chat|generate|embed|embeddings)", "ollama"),
    (r"api/show", "free"),
)
# By GET. A path comes decoded, so what is still encoded in it is meant for somebody who decodes it once more.
LOOKS = re.compile(r"(?:v1(?:alpha|beta)?/)?models(?:/[\w./-]+)?|api/(?:tags|version|ps)", re.ASCII)
NAMED = re.compile(r"(v1(?:alpha|beta)?/models/)([\w.-]+)(:\w+)", re.ASCII)
MARGIN = 2_000  # tokens that a provider adds to what was sent, such as the words that explain tools
PICTURE = 10_000  # tokens of a picture at most: an empty one is as many, in hardly any bytes
# Input that lies elsewhere, so that its size is not known: told by a field of the body, or somewhere in it.
FIELDS = frozenset(("previous_response_id", "conversation", "cachedContent", "cached_content", "container"))
FILES = frozenset(("file_id", "file_url", "file_uri", "fileUri", "file_data"))
LINKS, MEDIA = ("url", "image_url"), ("media_type", "mime_type", "mimeType")
TELLING = FILES.union(LINKS, MEDIA)
AS_LONG = ("text/", "audio/", "application/json", "data:text/", "data:audio/")  # no token of these is short of a byte
HOSTED = re.compile(  # tools that the provider itself runs, whose results are input again
    r"(web_search|web_fetch|code_execution|code_interpreter|file_search|image_generation|computer_use|mcp$)"
)
SEARCHES = {
    "googleSearch",
    "googleSearchRetrieval",
    "urlContext",
    "codeExecution",
    "fileSearch",
    "googleMaps",
}  # Gemini's
SEARCHES |= {re.sub("([A-Z])", r"_\1", name).lower() for name in SEARCHES}  # it reads both spellings
USES = 5  # of a hosted tool, when the request sets no bound
# Where a request bounds its answer; another dialect's word for it bounds nothing.
BOUNDS: Mapping[Wire, tuple[str, ...]] = {
    "messages": ("max_tokens",),
    "chat": ("max_tokens", "max_completion_tokens"),
    "responses": ("max_output_tokens",),
    "gemini": ("maxOutputTokens", "max_output_tokens"),
    "ollama": ("num_predict",),
    "free": (),
}
CONFIGS: Mapping[Wire, tuple[str, ...]] = {"gemini": ("generationConfig", "generation_config"), "ollama": ("options",)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for."""

    wire: Wire
    model: str = ""
    size: int = 0  # bytes that were sent
    tools: tuple[str, ...] = ()  # names of those offered
    most_output: int | None = None  # tokens, all choices together; None: the model's own bound
    choices: int = 1
    hosted: int = 0  # uses of tools that the provider runs itself
    elsewhere: bool = False  # part of the input lies with the provider
    pictures: int = 0
    tier: str | None = None  # a faster or cheaper way that has a price of its own
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """About how many the input has."""
        return self.size // 4

    def input_bound(self, context: int | None) -> int:
        """Return an upper bound of the input in tokens: none is shorter than a byte, and none fits past the context."""
        most = context or 1_000_000
        own = most if self.elsewhere else min(self.size + MARGIN + self.pictures * PICTURE, most)
        return own + self.hosted * most

    def output_bound(self, known: int | None) -> int:
        """Return an upper bound of the output in tokens."""
        return self.most_output if self.most_output is not None else (known or 128_000) * self.choices


def wanted(asked: Asked) -> Wanted:
    """Read a request; raises `NotFound` for what is not passed on, `Invalid` for what cannot be read."""
    if asked.method in ("GET", "HEAD"):
        if LOOKS.fullmatch(asked.path) and ".." not in asked.path:
            return Wanted("free")
        raise NotFound(f"the gateway passes no GET of {asked.path[:200]}; it lists models", kind="path")
    wire = next((wire for pattern, wire in PATHS if re.fullmatch(pattern, asked.path, re.ASCII)), None)
    if wire is None or asked.method != "POST":
        raise NotFound(
            f"the gateway does not pass {asked.method} {asked.path[:200]}, as it could not be metered", kind="path"
        )
    notes = _Notes()
    try:
        body = json.loads(asked.body, object_pairs_hook=notes)
    except (ValueError, RecursionError) as exc:
        raise Invalid(f"the body is not JSON: {exc}") from None
    if not isinstance(body, dict):
        raise Invalid("the body is not a JSON object")
    if wire == "free":
        return Wanted("free", body=body)
    model = body.get("model")
    if named := NAMED.fullmatch(asked.path):
        model = named[2]
    if not isinstance(model, str) or not 0 < len(model) <= 200 or not model.isprintable():
        raise Invalid("the body names no model", field="model")
    if wire == "responses" and body.get("background"):
        raise Invalid("an answer in the background cannot be metered; leave `background` out", field="background")
    tools = _list(body.get("tools"))
    choices = _choices(body, wire)
    most = _most(_places(body, wire), BOUNDS[wire])
    return Wanted(
        wire,
        model=model.removeprefix("models/"),
        size=len(asked.body),
        tools=tuple(_names(tools)),
        most_output=None if most is None else most * choices,
        choices=choices,
        hosted=_hosted(body, tools),
        elsewhere=notes.elsewhere or not FIELDS.isdisjoint(body) or (wire == "responses" and _stored(body)),
        pictures=notes.pictures,
        tier=next((tier for key in ("speed", "service_tier") if isinstance(tier := body.get(key), str)), None),
        body=body,
    )


def renamed(asked: Asked, want: Wanted, model: str) -> tuple[str, bytes]:
    """Return path and body with another model's name; nothing else is changed."""
    if named := NAMED.fullmatch(asked.path):
        return f"{named[1]}{quote(model, safe='')}{named[3]}", asked.body
    return asked.path, json.dumps({**want.body, "model": model}, ensure_ascii=False, separators=(",", ":")).encode()


def address(base: str, dialect: Dialect, path: str) -> str:
    """Return a provider's URL for a path; an address of the OpenAI kind already ends in its version."""
    if dialect == "openai":
        return f"{base.rstrip('/')}/{path.removeprefix('v1/')}"
    return f"{base.rstrip('/').removesuffix('/v1')}/{path}"


def key_headers(dialect: Dialect, kind: str, key: str, given: str | None) -> dict[str, str]:
    """Return the headers that carry the provider's key; `given` is the client's own anthropic-beta."""
    if dialect == "anthropic" and kind == "claude":  # a long-lived token of a person's plan
        marks = [one.strip() for one in (given or "").split(",") if one.strip()]
        betas = marks if "oauth-2025-04-20" in marks else [*marks, "oauth-2025-04-20"]
        return {"authorization": f"Bearer {key}", "anthropic-beta": ",".join(betas)}
    if dialect == "anthropic" and kind == "key":
        return {"x-api-key": key}
    if dialect == "gemini" and kind == "key":
        return {"x-goog-api-key": key}
    return {"authorization": f"Bearer {key}"}


# --- errors ----------------------------------------------------------------------------------------------

# code -> status, and what it is called by Anthropic, OpenAI and Gemini. 402 is tried once by every client we host.
KINDS: dict[str, tuple[int, str, str, str]] = {
    "exhausted": (402, "billing_error", "insufficient_quota", "RESOURCE_EXHAUSTED"),
    "conflict": (402, "billing_error", "insufficient_quota", "FAILED_PRECONDITION"),  # no known price under a budget
    "invalid": (400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    "unauthenticated": (401, "authentication_error", "invalid_api_key", "UNAUTHENTICATED"),
    "forbidden": (403, "permission_error", "permission_denied", "PERMISSION_DENIED"),
    "not_found": (404, "not_found_error", "not_found", "NOT_FOUND"),
    "unavailable": (503, "overloaded_error", "server_error", "UNAVAILABLE"),
}
OTHER = (500, "api_error", "server_error", "INTERNAL")


def refusal(dialect: Dialect, error: AetherError) -> tuple[int, Headers, bytes]:
    """Say an error of ours as this kind of provider would; only what may pass by itself is worth another try."""
    status, anthropic, openai, gemini = KINDS.get(error.code, OTHER)
    if error.code == "invalid" and error.status != 422:  # the request itself: too large, too slow
        status = error.status
    body: dict[str, Any]
    if dialect == "anthropic":
        body = {"type": "error", "error": {"type": anthropic, "message": error.message}}
    elif dialect == "gemini":
        body = {"error": {"code": status, "message": error.message, "status": gemini}}
    elif dialect == "ollama":
        body = {"error": error.message}
    else:
        body = {"error": {"message": error.message, "type": openai, "param": None, "code": openai}}
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if status < 500:
        headers.append((b"x-should-retry", b"false"))
    return status, tuple(headers), json.dumps(body).encode()


def dialect_of(path: str) -> Dialect:
    """Guess whose words a client of an unknown provider speaks."""
    if re.fullmatch(r"(?:v1/)?messages.*", path):
        return "anthropic"
    if path.startswith(("v1beta/", "v1alpha/")):
        return "gemini"
    return "ollama" if path.startswith("api/") else "openai"


# --- parts of a body -------------------------------------------------------------------------------------


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _names(tools: list[dict[str, Any]]) -> Iterator[str]:
    for tool in tools:
        function = tool.get("function")
        found = [tool, function if isinstance(function, dict) else {}, *_list(tool.get("functionDeclarations"))]
        yield from (str(one["name"]) for one in found if "name" in one)


def _hosted(body: dict[str, Any], tools: list[dict[str, Any]]) -> int:
    count = 0
    for tool in tools:
        if HOSTED.match(str(tool.get("type", ""))) or SEARCHES & tool.keys():
            count += _number(tool.get("max_uses")) or USES
    return count + (USES if "web_search_options" in body or body.get("mcp_servers") else 0)


def _places(body: dict[str, Any], wire: Wire) -> list[dict[str, Any]]:
    """Return the objects in which a request sets its bounds."""
    if wire not in CONFIGS:
        return [body]
    return [one for name in CONFIGS[wire] if isinstance(one := body.get(name), dict)]


def _most(places: list[dict[str, Any]], names: tuple[str, ...]) -> int | None:
    return max((number for place in places for name in names if (number := _number(place.get(name)))), default=None)


def _choices(body: dict[str, Any], wire: Wire) -> int:
    """Return how many answers are made, also those that are not shown."""
    if wire == "gemini":
        return _most(_places(body, wire), ("candidateCount", "candidate_count")) or 1
    if wire != "chat":
        return 1
    prompts = body.get("prompt")
    several = isinstance(prompts, list) and not all(isinstance(one, int) for one in prompts)  # one can be of tokens
    return (_most([body], ("n", "best_of")) or 1) * (len(prompts) if several and isinstance(prompts, list) else 1)


def _stored(body: dict[str, Any]) -> bool:
    """Tell whether a request to OpenAI names input that is kept there."""
    items = _list(body.get("input"))
    return isinstance(body.get("prompt"), dict) or any(one.keys() <= {"id", "type"} for one in items)


def _number(value: Any) -> int | None:
    """Return a bound; None for none, or one that is no bound. A provider may read what is no number as one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise Invalid(f"a bound of the request is no whole number: {str(value)[:40]!r}")
    return value if value is not None and 0 < value < 1 << 40 else None


class _Notes:
    """Looks at each object of a body while it is read: what of it is not as long as it is sent."""

    def __init__(self) -> None:
        self.elsewhere = False
        self.pictures = 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return the object; raises `ValueError` when it can be read in two ways."""
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice in one object")
        if not TELLING.isdisjoint(found):
            self._look(found)
        return found

    def _look(self, found: dict[str, Any]) -> None:
        if any(isinstance(found.get(name), str) for name in FILES):
            self.elsewhere = True
        links = [one[:100].lower() for name in LINKS if isinstance(one := found.get(name), str)]
        links = [one for one in links if one.startswith(("http", "data:", "gs:"))]
        for kind in links + [one.lower() for name in MEDIA if isinstance(one := found.get(name), str)]:
            if kind.startswith(("image/", "data:image/")):
                self.pictures += 1
            elif not kind.startswith(AS_LONG):
                self.elsewhere = True
