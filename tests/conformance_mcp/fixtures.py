"""What the conformance suite wants to find on a server: tools, resources and prompts of its own, on our server.

They are laid over the handlers of a server that is assembled already, so all else answers as it does in the daemon.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import wave
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError

from aetherd_mcp.server import ToolServer

Context = ServerRequestContext[Any]
Params = types.CallToolRequestParams
Handler = Callable[[Context, Params], Awaitable[Any]]
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


def png() -> str:
    """Return one red pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    whole = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + whole).decode()


def wav() -> str:
    """Return one silent sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80")
    return base64.b64encode(file.getvalue()).decode()


def said(*texts: str, error: bool = False) -> types.CallToolResult:
    """Return a result of texts."""
    return types.CallToolResult(content=[types.TextContent(text=text) for text in texts], is_error=error)


def embedded(uri: str, mime_type: str, text: str) -> types.EmbeddedResource:
    """Return a resource as content."""
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def missing(**capabilities: Any) -> MCPError:
    """Return the error for a client that lacks a capability."""
    return MCPError(
        types.MISSING_REQUIRED_CLIENT_CAPABILITY,
        "Missing required client capability",
        {"requiredCapabilities": capabilities},
    )


class Fixtures:
    """A table of tools by name, laid over a server."""

    def __init__(self, tools: ToolServer) -> None:
        self.tools = tools
        self.table: dict[str, tuple[types.Tool, Handler]] = {}

    def tool(self, name: str, schema: dict[str, Any] = NOTHING) -> Callable[[Handler], Handler]:
        """Add a tool."""

        def add(handler: Handler) -> Handler:
            described = types.Tool(name=name, description=f"{name}, for the conformance suite.", input_schema=schema)
            self.table[name] = (described, handler)
            return handler

        return add

    def install(self) -> None:
        """Lay the tools over those of the server."""
        server, bus = self.tools.server, self.tools.bus
        listed, called = server.get_request_handler("tools/list"), server.get_request_handler("tools/call")
        schema_of = server.get_tool_input_schema
        assert listed is not None
        assert called is not None
        assert schema_of is not None

        async def list_tools(ctx: Context, params: types.PaginatedRequestParams) -> Any:
            found = await listed.handler(ctx, params)
            return found.model_copy(update={"tools": [*found.tools, *(tool for tool, _ in self.table.values())]})

        async def call_tool(ctx: Context, params: Params) -> Any:
            known = self.table.get(params.name)
            return await (called.handler(ctx, params) if known is None else known[1](ctx, params))

        def schema(name: str) -> Any:
            known = self.table.get(name)
            return schema_of(name) if known is None else known[0].input_schema

        server.add_request_handler("tools/list", types.PaginatedRequestParams, list_tools)
        server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
        server.get_tool_input_schema = schema

        @self.tool("test_trigger_tool_change")
        async def tool_change(ctx: Context, params: Params) -> Any:
            await bus.publish(ToolsListChanged())
            return said("published")

        @self.tool("test_trigger_prompt_change")
        async def prompt_change(ctx: Context, params: Params) -> Any:
            await bus.publish(PromptsListChanged())
            return said("published")


def add_plain_tools(fixtures: Fixtures) -> None:
    """Add tools that answer on their own."""

    @fixtures.tool("test_simple_text")
    async def simple_text(ctx: Context, params: Params) -> Any:
        return said("This is a simple text response for testing.")

    @fixtures.tool("test_image_content")
    async def image(ctx: Context, params: Params) -> Any:
        return types.CallToolResult(content=[types.ImageContent(data=png(), mime_type="image/png")])

    @fixtures.tool("test_audio_content")
    async def audio(ctx: Context, params: Params) -> Any:
        return types.CallToolResult(content=[types.AudioContent(data=wav(), mime_type="audio/wav")])

    @fixtures.tool("test_embedded_resource")
    async def resource(ctx: Context, params: Params) -> Any:
        content = embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
        return types.CallToolResult(content=[content])

    @fixtures.tool("test_multiple_content_types")
    async def mixed(ctx: Context, params: Params) -> Any:
        text = json.dumps({"test": "data", "value": 123})
        return types.CallToolResult(
            content=[
                types.TextContent(text="Multiple content types test:"),
                types.ImageContent(data=png(), mime_type="image/png"),
                embedded("test://mixed-content-resource", "application/json", text),
            ]
        )

    @fixtures.tool("test_error_handling")
    async def failing(ctx: Context, params: Params) -> Any:
        return said("This tool intentionally returns an error for testing", error=True)

    @fixtures.tool("json_schema_2020_12_tool", SCHEMA_2020_12)
    async def schema(ctx: Context, params: Params) -> Any:
        return said(json.dumps(params.arguments))

    header = {"region": {"type": "string", "x-mcp-header": "Region"}}

    @fixtures.tool("test_x_mcp_header", {"type": "object", "properties": header, "required": ["region"]})
    async def mirrored(ctx: Context, params: Params) -> Any:
        return said(json.dumps(params.arguments))

    @fixtures.tool("test_missing_capability")
    async def capability(ctx: Context, params: Params) -> Any:
        capabilities = ctx.session.client_capabilities
        if capabilities is None or capabilities.sampling is None:
            raise missing(sampling={})
        return said("the client declared sampling")


def add_talking_tools(fixtures: Fixtures) -> None:
    """Add tools that tell the client something, or ask it, while they run."""
    texts = {"type": "string"}

    @fixtures.tool("test_tool_with_progress")
    async def progress(ctx: Context, params: Params) -> Any:
        for done in (0, 50, 100):
            await ctx.session.report_progress(done, 100, f"Completed step {done} of 100")
            await anyio.sleep(0.05)
        return said("done")

    @fixtures.tool("test_logging_tool")
    @fixtures.tool("test_tool_with_logging")
    async def logging(ctx: Context, params: Params) -> Any:
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.session.send_log_message("info", text, related_request_id=ctx.request_id)
            await anyio.sleep(0.05)
        return said("done")

    @fixtures.tool("test_reconnection")
    async def reconnection(ctx: Context, params: Params) -> Any:
        if ctx.close_sse_stream is not None:
            await ctx.close_sse_stream()
        await anyio.sleep(0.2)  # until the client is back
        return said("Reconnection test completed")

    @fixtures.tool("test_sampling", {"type": "object", "properties": {"prompt": texts}, "required": ["prompt"]})
    async def sampling(ctx: Context, params: Params) -> Any:
        prompt = types.TextContent(text=str((params.arguments or {}).get("prompt")))
        answer = await ctx.session.create_message(
            messages=[types.SamplingMessage(role="user", content=prompt)],
            max_tokens=100,
            related_request_id=ctx.request_id,
        )
        text = answer.content.text if isinstance(answer.content, types.TextContent) else answer.content.type
        return said(f"LLM response: {text}")

    async def elicited(ctx: Context, message: str, schema: dict[str, Any]) -> Any:
        answer = await ctx.session.elicit_form(message, schema, ctx.request_id)
        return said(f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}")

    @fixtures.tool("test_elicitation", {"type": "object", "properties": {"message": texts}, "required": ["message"]})
    async def elicitation(ctx: Context, params: Params) -> Any:
        schema = {
            "type": "object",
            "properties": {"username": texts, "email": texts},
            "required": ["username", "email"],
        }
        return await elicited(ctx, str((params.arguments or {}).get("message")), schema)

    @fixtures.tool("test_elicitation_sep1034_defaults")
    async def defaults(ctx: Context, params: Params) -> Any:
        return await elicited(ctx, "Please review these", {"type": "object", "properties": DEFAULTS})

    @fixtures.tool("test_elicitation_sep1330_enums")
    async def enums(ctx: Context, params: Params) -> Any:
        return await elicited(ctx, "Please choose", {"type": "object", "properties": ENUMS})


def add_resources(fixtures: Fixtures) -> None:
    """Add what can be read, under `test://`."""
    server = fixtures.tools.server
    listed, templates = server.get_request_handler("resources/list"), server.get_request_handler(TEMPLATES)
    read = server.get_request_handler("resources/read")

    async def list_resources(ctx: Context, params: types.PaginatedRequestParams) -> Any:
        ours = [types.Resource(uri=uri, name=uri, description="For the suite.") for uri in READABLE]
        found = await listed.handler(ctx, params) if listed else types.ListResourcesResult(resources=[])
        return found.model_copy(update={"resources": [*found.resources, *ours]})

    async def list_templates(ctx: Context, params: types.PaginatedRequestParams) -> Any:
        ours = types.ResourceTemplate(uri_template="test://template/{id}/data", name="data", description="Data.")
        found = await templates.handler(ctx, params) if templates else None
        found = found or types.ListResourceTemplatesResult(resource_templates=[])
        return found.model_copy(update={"resource_templates": [*found.resource_templates, ours]})

    async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> Any:
        uri = str(params.uri)
        if uri.startswith("test://template/") and uri.endswith("/data"):
            id = uri.split("/")[3]
            text = json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})
            return _text(uri, "application/json", text)
        if uri == "test://static-binary":
            content = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=png())
            return types.ReadResourceResult(contents=[content])
        if uri in READABLE:
            return _text(uri, "text/plain", READABLE[uri])
        if read is not None:
            return await read.handler(ctx, params)
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})

    server.add_request_handler("resources/list", types.PaginatedRequestParams, list_resources)
    server.add_request_handler(TEMPLATES, types.PaginatedRequestParams, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read_resource)
    for method, kind in (
        ("resources/subscribe", types.SubscribeRequestParams),
        ("resources/unsubscribe", types.UnsubscribeRequestParams),
    ):
        _answer_ours(fixtures, method, kind, lambda params: str(params.uri).startswith("test://"))


def _answer_ours(fixtures: Fixtures, method: str, kind: Any, is_ours: Callable[[Any], bool]) -> None:
    entry = fixtures.tools.server.get_request_handler(method)

    async def answer(ctx: Context, params: Any) -> Any:
        if entry is None or is_ours(params):
            return types.EmptyResult()
        return await entry.handler(ctx, params)

    fixtures.tools.server.add_request_handler(method, kind, answer)


def _text(uri: str, mime_type: str, text: str) -> types.ReadResourceResult:
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)])


def add_prompts(fixtures: Fixtures) -> None:
    """Add prompts, their completion, and the level of logging."""
    server = fixtures.tools.server
    listed, got = server.get_request_handler("prompts/list"), server.get_request_handler("prompts/get")
    completed = server.get_request_handler("completion/complete")

    async def list_prompts(ctx: Context, params: types.PaginatedRequestParams) -> Any:
        ours = [
            types.Prompt(
                name=name,
                description="For the suite.",
                arguments=[types.PromptArgument(name=one, required=True) for one in arguments],
            )
            for name, arguments in PROMPTS.items()
        ]
        found = await listed.handler(ctx, params) if listed else types.ListPromptsResult(prompts=[])
        return found.model_copy(update={"prompts": [*found.prompts, *ours]})

    async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> Any:
        given = params.arguments or {}
        if params.name == "test_simple_prompt":
            return _prompt(types.TextContent(text="This is a simple prompt for testing."))
        if params.name == "test_prompt_with_arguments":
            text = f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
            return _prompt(types.TextContent(text=text))
        if params.name == "test_prompt_with_embedded_resource":
            text = "Embedded resource content for testing."
            return _prompt(
                embedded(str(given.get("resourceUri")), "text/plain", text),
                types.TextContent(text="Please process the embedded resource above."),
            )
        if params.name == "test_prompt_with_image":
            image = types.ImageContent(data=png(), mime_type="image/png")
            return _prompt(image, types.TextContent(text="Please analyze the image above."))
        if params.name == "test_input_required_result_prompt":
            answer = (params.input_responses or {}).get("user_context")
            if isinstance(answer, types.ElicitResult):
                return _prompt(types.TextContent(text=f"Context: {json.dumps(answer.content)}"))
            asked = question("What context should the prompt use?", context={"type": "string"})
            return types.InputRequiredResult(input_requests={"user_context": asked})
        if got is not None:
            return await got.handler(ctx, params)
        raise MCPError(types.INVALID_PARAMS, f"no prompt named {params.name[:100]!r}")

    async def complete(ctx: Context, params: types.CompleteRequestParams) -> Any:
        ours = isinstance(params.ref, types.PromptReference) and params.ref.name in PROMPTS
        if completed is not None and not ours:
            return await completed.handler(ctx, params)
        return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))

    server.add_request_handler("prompts/list", types.PaginatedRequestParams, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)
    _answer_ours(fixtures, "logging/setLevel", types.SetLevelRequestParams, lambda params: True)


def question(message: str, **properties: Any) -> types.ElicitRequest:
    """Return a form to fill in."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def _prompt(*contents: Any) -> types.GetPromptResult:
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=one) for one in contents])


TEMPLATES = "resources/templates/list"
READABLE = {
    "test://static-text": "This is the content of the static text resource.",
    "test://static-binary": "",
    "test://watched-resource": "Watched resource content",
}
PROMPTS: dict[str, list[str]] = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}
DEFAULTS: dict[str, Any] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
_OPTIONS = ["option1", "option2", "option3"]
_TITLED = [{"const": f"value{n}", "title": f"{word} option"} for n, word in enumerate(("First", "Second", "Third"), 1)]
ENUMS: dict[str, Any] = {
    "untitledSingle": {"type": "string", "enum": _OPTIONS},
    "titledSingle": {"type": "string", "oneOf": _TITLED},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
}
SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
