"""Asking the person at an outside client, when the client's own call needs leave.

The question stands in the approval room's inbox all the while: here it is only put to the person in another place,
and whoever answers first decides. Nobody is asked here but a person whose own token the client came with, on the
house's own doors: an agent's runtime can say anything in its person's name, so its calls wait in the inbox.
In 2025 the server asks during the call; in 2026 the call is answered with the question, and is made again.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aetherd.core.errors import PendingApproval
from aetherd.operations.operation import Answer, Call
from aetherd_mcp.caller import credential
from aetherd_mcp.keys import key_at
from aetherd_mcp.task import Result

ASK_S = 300.0  # then the question is left to the inbox
STATE_S = 3600.0  # how long a client of 2026 may take to call again
LEAVE = "leave"  # the one thing asked for
LONGEST = 4000  # characters of a call that are shown

Perform = Callable[[str, dict[str, Any], Call], Awaitable[Result]]


class Elicitation:
    """Calls of clients whose person can be asked."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform

    async def boundary(self, secrets: Path) -> RequestStateBoundary:
        """Return what seals the state of a call between its two rounds, for its principal, over restarts."""
        key = await anyio.to_thread.run_sync(key_at, secrets / "request_state.key")

        def principal(ctx: ServerRequestContext[Any, Any]) -> str:
            found = credential.get()
            return hashlib.sha256(("" if found is None else found.token).encode("utf-8", "surrogatepass")).hexdigest()

        security = RequestStateSecurity(keys=[key], ttl=STATE_S, bind_principal=principal)
        return RequestStateBoundary(security, default_audience="aetherd")

    async def call(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams, call: Call
    ) -> Result | types.InputRequiredResult:
        """Make a call; when it needs leave and its person can be asked, ask, and go on with the answer.

        Raises `PendingApproval` when they did not say: it waits in the inbox.
        """
        arguments = params.arguments or {}
        if not self._can_ask(ctx, call):
            return await self._perform(params.name, arguments, call)
        modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        if modern and params.request_state is not None:
            said = (params.input_responses or {}).get(LEAVE)
            return await self._go_on(ctx, params, call, params.request_state, said)
        try:
            return await self._perform(params.name, arguments, replace(call, asks=True))
        except PendingApproval as pending:
            approval, question = str(pending.data["approval"]), _question(ctx, pending)
        if modern:
            return types.InputRequiredResult(
                input_requests={LEAVE: types.ElicitRequest(params=question)}, request_state=approval
            )
        said = None
        with anyio.move_on_after(ASK_S):
            try:
                said = await ctx.session.elicit_form(question.message, question.requested_schema, ctx.request_id)
            except MCPError:  # it can ask nobody after all
                said = None
        return await self._go_on(ctx, params, call, approval, said)

    async def _go_on(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams, call: Call, approval: str, said: Any
    ) -> Result:
        if not isinstance(said, types.ElicitResult) or said.action == "cancel":
            raise PendingApproval(
                "nobody answered at the client, so it waits in the inbox: a person allows it in the console or with "
                f"`aetherctl approval decide {approval} allow_once`, and approval.wait gives the result",
                approval=approval,
            )
        answer = Answer(approval, said.action == "accept", f"elicitation in {_client(ctx)}")
        return await self._perform(params.name, params.arguments or {}, replace(call, answer=answer))

    def _can_ask(self, ctx: ServerRequestContext[Any], call: Call) -> bool:
        """Tell whether a person's own client is calling, and says that it can ask them."""
        able = ctx.session.client_capabilities
        if able is None or able.elicitation is None:
            return False
        forms = able.elicitation.form is not None or able.elicitation.url is None
        return forms and call.confirm and call.agent is None and call.client is None


def _question(ctx: ServerRequestContext[Any], pending: PendingApproval) -> types.ElicitRequestFormParams:
    """Return the form: only yes or no, so that accepting it is the answer."""
    asked = json.dumps(pending.data["input"], ensure_ascii=False, indent=1)
    message = (
        f"{_client(ctx)} wants aetherd to do this, which cannot be undone:\n\n{pending.data['title']}\n"
        f"{pending.data['tool']} {_visible(asked)[:LONGEST]}\n\nAccept to allow it this once; decline to refuse."
    )
    return types.ElicitRequestFormParams(message=message, requested_schema={"type": "object", "properties": {}})


def _client(ctx: ServerRequestContext[Any]) -> str:
    """Return what the client calls itself, which proves nothing."""
    known = ctx.session.client_params
    return "an MCP client" if known is None else _visible(f"{known.client_info.name} {known.client_info.version}")[:100]


def _visible(text: str) -> str:
    """Show what would change how a text reads: marks of direction, joiners and the like."""
    return "".join(
        f"\\u{ord(sign):04x}" if unicodedata.category(sign) in ("Cf", "Cc") and sign != "\n" else sign for sign in text
    )
