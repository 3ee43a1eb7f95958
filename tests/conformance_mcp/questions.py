"""Tools that need more input and say so in their result (2026): the client answers and calls again."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types

from tests.conformance_mcp.fixtures import Context, Fixtures, Params, question, said

NAME = {"type": "string"}


def sampled(text: str, tokens: int = 100) -> types.CreateMessageRequest:
    """Return a question for the client's model."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=text))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=tokens))


def wanting(state: str | None = None, **requests: Any) -> types.InputRequiredResult:
    """Return what the client has to answer first."""
    return types.InputRequiredResult(input_requests=requests or None, request_state=state)


def answered(params: Params, *keys: str) -> bool:
    """Tell whether every question was answered."""
    return set(keys) <= set(params.input_responses or {})


def content(params: Params, key: str) -> dict[str, Any]:
    """Return the form a person filled in."""
    answer = (params.input_responses or {}).get(key)
    return dict(answer.content or {}) if isinstance(answer, types.ElicitResult) else {}


def shown(params: Params) -> types.CallToolResult:
    """Return the answers as text."""
    answers = {key: value.model_dump(mode="json") for key, value in (params.input_responses or {}).items()}
    return said(json.dumps(answers, default=str))


def add_asking_tools(fixtures: Fixtures) -> None:
    """Add them."""
    prefix = "test_input_required_result_"

    @fixtures.tool("test_streaming_elicitation")
    @fixtures.tool(prefix + "elicitation")
    async def elicitation(ctx: Context, params: Params) -> Any:
        if not answered(params, "user_name"):
            return wanting(user_name=question("What is your name?", name=NAME))
        return said(f"Hello, {content(params, 'user_name').get('name')}!")

    @fixtures.tool(prefix + "sampling")
    async def sampling(ctx: Context, params: Params) -> Any:
        if not answered(params, "capital_question"):
            return wanting(capital_question=sampled("What is the capital of France?"))
        return shown(params)

    @fixtures.tool(prefix + "list_roots")
    async def roots(ctx: Context, params: Params) -> Any:
        if not answered(params, "client_roots"):
            return wanting(client_roots=types.ListRootsRequest())
        return shown(params)

    @fixtures.tool(prefix + "tampered_state")
    @fixtures.tool(prefix + "request_state")
    async def state(ctx: Context, params: Params) -> Any:
        if not answered(params, "confirm") or params.request_state != "asked to confirm":
            return wanting("asked to confirm", confirm=question("Please confirm", ok={"type": "boolean"}))
        return said("state-ok")

    @fixtures.tool(prefix + "multiple_inputs")
    async def several(ctx: Context, params: Params) -> Any:
        if not answered(params, "user_name", "greeting", "client_roots"):
            return wanting(
                "asked three",
                user_name=question("What is your name?", name=NAME),
                greeting=sampled("Generate a greeting", 50),
                client_roots=types.ListRootsRequest(),
            )
        return shown(params)

    @fixtures.tool(prefix + "multi_round")
    async def rounds(ctx: Context, params: Params) -> Any:
        if params.request_state == "round 1" and answered(params, "step1"):
            name = content(params, "step1").get("name")
            asked = question("Step 2: What is your favorite color?", color=NAME)
            return wanting(f"round 2 {name}", step2=asked)
        if params.request_state and params.request_state.startswith("round 2 ") and answered(params, "step2"):
            return said(f"{params.request_state[8:]} likes {content(params, 'step2').get('color')}")
        return wanting("round 1", step1=question("Step 1: What is your name?", name=NAME))

    @fixtures.tool(prefix + "capabilities")
    async def capabilities(ctx: Context, params: Params) -> Any:
        able = ctx.session.client_capabilities or types.ClientCapabilities()
        asked: dict[str, Any] = {}
        if able.sampling is not None:
            asked["greeting"] = sampled("Generate a greeting")
        if able.elicitation is not None:
            asked["user_name"] = question("What is your name?", name=NAME)
        return said("nobody can be asked") if not asked or answered(params, *asked) else wanting(**asked)
