"""How a credential is written down: never itself, only its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aetherd.core.ids import new_id
from aetherd.kernel.token.models import Token
from aetherd.kernel.token.tables import TokenRow


@dataclass(frozen=True, slots=True)
class Known:
    """What a check of a credential needs of its row, made ready: every call is checked, and reads it."""

    who: dict[str, Any]  # the fields of a `Call` that are the same for every call
    audience: str
    process: bool  # it is one process's own
    expires: datetime | None


def known_of(row: TokenRow) -> Known:
    """Make a row ready."""
    actor = f"agent:{row.agent}" if row.agent else f"user:{row.user}"
    if row.kind in ("api", "access"):
        actor += f"/{row.client or row.id}"
    who = {
        "actor": actor,
        "scopes": frozenset(row.scopes.split()),
        "user": row.user,
        "org": row.org,
        "agent": row.agent,
        "pid": row.pid,
        "chain": (row.agent,) if row.agent else (),
        "toolset": row.toolset,
        "tools": None if row.tools is None else frozenset(row.tools.split()),
        "token": row.id,
        "client": row.client,
        "confirm": row.confirm,
    }
    expires = datetime.fromisoformat(row.expires_at) if row.expires_at else None
    return Known(who, row.audience, row.kind == "process", expires)


def digest_of(secret: str) -> str:
    """Return what is kept of a secret.

    Looking it up by this hash takes no time that tells anything: who guesses cannot choose the hash's first bits.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_row(kind: str, name: str, secret: str, scopes: str, user: str, org: str, at: str) -> TokenRow:
    """Return the row of a new credential, with every tool on its menu and no end yet."""
    return TokenRow(
        id=new_id("token"),
        kind=kind,
        name=name,
        digest=digest_of(secret),
        scopes=scopes,
        toolset="all",
        user=user,
        org=org,
        created_at=at,
        created_by=f"user:{user}",
    )


def wire(row: TokenRow) -> Token:
    """Return a credential as it is shown."""
    return Token(
        id=row.id,
        name=row.name,
        kind=row.kind,
        scopes=row.scopes.split(),
        toolset=row.toolset,
        audience=row.audience,
        client=row.client,
        confirm=row.confirm,
        agent=row.agent,
        pid=row.pid,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        created_by=row.created_by,
    )
