"""What an answered question comes to: for the runtime that asked, and for the call that waited."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from aetherd.core.clock import stamp
from aetherd.core.errors import AetherError, Forbidden, Internal, Invalid, PendingApproval
from aetherd.core.ids import new_id
from aetherd.kernel.approval.tables import ApprovalRow
from aetherd.operations.operation import Call


def answer_of(row: ApprovalRow) -> dict[str, Any]:
    """Return what the runtime that asked is told."""
    return {
        "approval": row.id,
        "request": row.request,
        "allow": row.state == "allowed",
        "for_run": row.decision == "allow_run",
        "reason": row.reason,
        "tool": row.tool,
        "input": json.loads(row.input),
        "by": row.decided_by or "aetherd",
    }


def outcome_of(row: ApprovalRow, name: str, output: type[BaseModel]) -> BaseModel:
    """Return what the allowed call answered; raise what it raised, or why it has not run."""
    if row.state == "pending" or (row.state == "allowed" and row.result is None and row.error is None):
        raise PendingApproval(
            f"{name} waits for a person; approval.wait with id {row.id} gives its result", approval=row.id
        )
    if row.state != "allowed":
        why = f": {row.reason}" if row.reason else ""
        raise Forbidden(f"{name} was {row.state} by {row.decided_by or 'time'}{why}", approval=row.id)
    if row.error is not None:
        error = json.loads(row.error)
        for cls in AetherError.__subclasses__():
            if cls.code == error["code"]:
                raise cls(error["message"], **error["data"])
        raise Internal(error["message"])
    return output.model_validate_json(row.result or "{}")


def stored_of(name: str, raw: dict[str, Any], call: Call) -> str:
    """Return a call as it is kept until a person has allowed it."""
    who = {field: getattr(call, field) for field in ("actor", "user", "org", "agent", "pid", "toolset")}
    tools = None if call.tools is None else sorted(call.tools)
    lists = {"scopes": sorted(call.scopes), "chain": list(call.chain), "tools": tools}
    return json.dumps({"operation": name, "raw": raw, "call": who | lists})


def restored(stored: str, approval: str) -> tuple[str, dict[str, Any], Call]:
    """Return the operation, its input and the call that an approval now allows."""
    kept = json.loads(stored)
    tools = kept["call"].get("tools")
    lists = {
        "scopes": frozenset(kept["call"]["scopes"]),
        "chain": tuple(kept["call"]["chain"]),
        "tools": None if tools is None else frozenset(tools),
    }
    call = Call(id=new_id("call"), face="internal", approval=approval, **{**kept["call"], **lists})
    return kept["operation"], kept["raw"], call


def moment_of(text: str) -> str:
    """Return the wire form of a time a person gave; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise Invalid(f"until: {text!r} is not an ISO 8601 time", field="until") from exc
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
