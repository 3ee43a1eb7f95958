"""Google's Gemini API: `streamGenerateContent`, each event a whole piece of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from aetherd_runtimes.builtin.dialects.common import (
    Ask,
    Broken,
    Refused,
    count,
    messages_of,
    names_of,
    new_id,
    whole,
    words_of,
)
from aetherd_runtimes.builtin.model import (
    Block,
    Content,
    Delta,
    Interrupted,
    Said,
    Stop,
    Text,
    Thought,
    ToolResult,
    ToolUse,
    Usage,
)

ENDS = ("STOP", "MAX_TOKENS")
UNREADABLE = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER")


class Gemini:
    """The dialect."""

    def path(self, model: str) -> str:
        """Return the path of a model."""
        return f"/v1beta/models/{quote(model, safe='')}:streamGenerateContent?alt=sse"

    def headers(self, key: str) -> dict[str, str]:
        """Return the key."""
        return {"x-goog-api-key": key} if key else {}

    def body(self, ask: Ask) -> dict[str, Any]:
        """Return the question."""
        calls = names_of(ask.turns)
        contents: list[dict[str, Any]] = [
            {
                "role": "model" if turn.role == "assistant" else "user",
                "parts": [part for one in turn.content for part in _parts(one, calls)],
            }
            for turn in ask.turns
        ]
        for content in contents:  # the answers to calls first and together, the pictures among them after
            content["parts"].sort(key=lambda part: "functionResponse" not in part and content["role"] == "user")
        body: dict[str, Any] = {"contents": contents, "generationConfig": {"maxOutputTokens": ask.limit}}
        if ask.system:
            body["systemInstruction"] = {"parts": [{"text": ask.system}]}
        if ask.tools:
            declared = [
                {"name": tool.name, "description": tool.description, "parametersJsonSchema": dict(tool.input_schema)}
                for tool in ask.tools
            ]
            body["tools"] = [{"functionDeclarations": declared}]
        return body

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """Read the pieces of an answer."""
        blocks: list[Block] = []
        usage: Mapping[str, Any] = {}
        finish: str | None = None
        for piece in messages_of(chunks):
            if error := piece.get("error"):
                raise Refused(int(error.get("code") or 500), str(error.get("status")), str(error.get("message")))
            usage = piece.get("usageMetadata") or usage
            if reason := (piece.get("promptFeedback") or {}).get("blockReason"):
                yield Stop("failed", f"the provider blocked the question: {reason}")
                return
            for candidate in (piece.get("candidates") or [])[:1]:
                for part in (candidate.get("content") or {}).get("parts") or ():
                    yield from _take(part, blocks)
                finish = candidate.get("finishReason") or finish
        if finish is None:
            raise Broken("the stream was cut before its end")
        if finish in UNREADABLE:
            raise Broken(f"the model's answer could not be read: {finish}")
        yield from whole(blocks, finish == "MAX_TOKENS")
        cached = count(usage.get("cachedContentTokenCount"))
        yield Usage(
            input_tokens=max(0, count(usage.get("promptTokenCount")) - cached),
            output_tokens=count(usage.get("candidatesTokenCount")) + count(usage.get("thoughtsTokenCount")),
            cache_read_tokens=cached,
        )
        if finish not in ENDS:
            yield Stop("failed", f"the provider stopped the answer: {finish}")


def _take(part: Mapping[str, Any], blocks: list[Block]) -> Iterator[Block]:
    """Add a part to the blocks; texts that follow one another are one."""
    sealed = {name: part[name] for name in ("thoughtSignature",) if name in part}
    if isinstance(call := part.get("functionCall"), dict):
        if call.get("id"):
            sealed["id"] = call["id"]
        wrong = "" if isinstance(call.get("args", {}), dict) else "its input is no object"
        input = call.get("args") or {} if not wrong else {}
        blocks.append(ToolUse(str(call.get("id") or new_id()), str(call.get("name")), input, wrong, sealed or None))
    elif isinstance(text := part.get("text"), str) and text:
        kind: type[Text] | type[Thought] = Thought if part.get("thought") else Text
        yield Delta("thought" if kind is Thought else "text", text)
        if blocks and isinstance(last := blocks[-1], Text | Thought) and type(last) is kind:
            blocks[-1] = kind(last.text + text)
        else:
            blocks.append(kind(text))


def _parts(one: Content, calls: Mapping[str, ToolUse]) -> Iterator[dict[str, Any]]:
    match one:
        case Text(text):
            yield {"text": text}
        case ToolUse():
            sealed = one.sealed if isinstance(one.sealed, dict) else {}
            given = {"id": sealed["id"]} if "id" in sealed else {}
            signed = {name: value for name, value in sealed.items() if name == "thoughtSignature"}
            yield {"functionCall": {**given, "name": one.name, "args": dict(one.input)}, **signed}
        case ToolResult():
            call = calls.get(one.id)
            sealed = call.sealed if call is not None and isinstance(call.sealed, dict) else {}
            given = {"id": sealed["id"]} if "id" in sealed else {}
            answer = {"error" if one.is_error else "output": one.text}
            yield {"functionResponse": {**given, "name": call.name if call else one.id, "response": answer}}
            for image in one.images:
                yield {"inlineData": {"mimeType": image.media_type, "data": image.data}}
        case Said() | Interrupted():
            yield {"text": words_of(one)}
