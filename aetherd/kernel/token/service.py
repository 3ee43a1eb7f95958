"""Credentials: who may come in, as whom, with which scopes. Secrets are shown once and hashed at rest."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import Forbidden, Invalid, NotFound, Unauthenticated
from aetherd.core.ids import new_id
from aetherd.kernel.token.asking import is_local, redirect_host
from aetherd.kernel.token.events import TokenCreated, TokenRevoked
from aetherd.kernel.token.grants import GrantsOfClients
from aetherd.kernel.token.models import (
    Consent,
    ConsentDecided,
    ConsentDecision,
    ConsentRequest,
    Token,
    TokenCreate,
    TokenList,
    TokenMade,
    TokenRef,
    Tokens,
)
from aetherd.kernel.token.rows import Known, digest_of, known_of, new_row, wire
from aetherd.kernel.token.tables import TokenRow
from aetherd.operations.grants import resources
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Face, Owner, ProgressFn, Rule, Subject, operation
from aetherd.store import Store, Tx

LOGIN_S = 600
SESSION_S = 30 * 86_400
ENDED = "this token has ended; `aetherctl token create` makes a new one"
AGENT_SCOPES = (
    "system:read agent:read process:read process:write control:read control:write fs:read fs:write terminal:read "
    "terminal:write memory:read memory:write message:read message:write approval:read approval:write task:read "
    "task:write plan:read plan:write workspace:read workspace:write tool:read tool:write template:read "
    "profile:read reflection:read reflection:write feedback:read skill:read skill:write "
    "flow:read flow:write worktree:read worktree:write desktop:read desktop:write quota:read gpu:read "
    "network:read network:write model:read browser:read browser:write sandbox:read sandbox:write "
    "snapshot:read snapshot:write "
    "runtime:read"
)


class TokenService:
    """Makes, lists, checks and revokes credentials."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, lifecycle: Lifecycle) -> None:
        self._store, self._settings, self._clock, self._lifecycle = store, settings, clock, lifecycle
        self._known: dict[str, Known] = {}  # by digest, so that a check costs no read
        self._endings = 0  # tokens ended since start: a row that was read while one ended may be old
        self.grants = GrantsOfClients(store, clock, lifecycle, self._end)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make the owner's token on the first start."""
        path = self._settings.home / "secrets" / "owner.token"
        secret = path.read_text("ascii").strip() if path.exists() else ""
        if not secret:
            secret = "aeo_" + secrets.token_urlsafe(32)
            write_secret(path, secret + "\n")
        await self._store.write(lambda tx: self._ensure_owner(tx, digest_of(secret)))
        yield

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a token."""
        return {"owners.token": self.owner}

    async def owner(self, key: str) -> Owner:
        """Return whose a token is."""
        row = await self._row(key)
        return Owner(row.agent, row.user, row.org)

    @operation("token.create", access=Rule.PEOPLE, positional=("name",))
    async def create(self, input: TokenCreate, call: Call) -> TokenMade:
        """Make a credential for a script, an outside MCP client or a read-only reader.

        The secret is in the answer and nowhere else. A token never gets more scopes than its maker has.
        """
        for scope in input.scopes:
            if scope != "*" and scope.count(":") != 1:
                raise Invalid(f"scope {scope!r} is not `room:verb`, `*:verb` or `*`", scope=scope)
        _may_give(input.scopes, call)
        expires = None
        if input.expires_in_s is not None:
            expires = stamp(self._clock.now() + timedelta(seconds=input.expires_in_s))
        secret = "aet_" + secrets.token_urlsafe(32)
        row = self._new("api", input.name, secret, " ".join(sorted(set(input.scopes))), call.user, call.org)
        row.toolset, row.expires_at, row.created_by = input.toolset, expires, call.actor
        row.audience, row.confirm = input.audience, input.confirm

        def work(tx: Tx) -> None:
            tx.session.add(row)
            tx.emit(TokenCreated(token=row.id, name=row.name, scopes=input.scopes))

        await self._store.write(work)
        return TokenMade(**wire(row).model_dump(), secret=secret)

    @operation("token.list", effect=Effect.READ, access=Rule.PEOPLE)
    async def list_tokens(self, input: TokenList, call: Call) -> Tokens:
        """List credentials, newest first, without their secrets."""
        now = stamp(self._clock.now())

        def query(session: Session) -> list[TokenRow]:
            rows = select(TokenRow).where(
                TokenRow.user == call.user, TokenRow.org == call.org, col(TokenRow.kind) != "login"
            )
            if not input.revoked:
                rows = rows.where(col(TokenRow.revoked_at).is_(None)).where(
                    col(TokenRow.expires_at).is_(None) | (col(TokenRow.expires_at) > now)
                )
            if input.cursor is not None:
                rows = rows.where(TokenRow.id < input.cursor)
            return list(session.exec(rows.order_by(col(TokenRow.id).desc()).limit(input.limit + 1)))

        rows = await self._store.read(query)
        more = len(rows) > input.limit
        rows = rows[: input.limit]
        return Tokens(tokens=[wire(row) for row in rows], cursor=rows[-1].id if more else None)

    @operation(
        "token.revoke", effect=Effect.DESTROY, access=Subject("token", "id"), positional=("id",), scope="token:write"
    )
    async def revoke(self, input: TokenRef, call: Call) -> Token:
        """End a credential at once, everywhere."""
        row = await self._row(input.id)
        if row.kind == "owner":
            raise Forbidden("the owner token cannot be revoked; delete secrets/owner.token and restart to replace it")
        return wire(await self._store.write(lambda tx: self._revoke(tx, row.id)))

    async def authenticate(
        self, token: str, face: Face, *, door: int | None = None, progress: ProgressFn | None = None
    ) -> Call:
        """Return who comes with this secret; raises `Unauthenticated`."""
        digest = digest_of(token)
        known, endings = self._known.get(digest), self._endings
        if known is None:
            row = await self._store.read(
                lambda session: session.exec(select(TokenRow).where(TokenRow.digest == digest)).first()
            )
            if row is None or row.kind in ("login", "refresh"):
                raise Unauthenticated("no such token; `aetherctl token create` makes one")
            if row.revoked_at is not None:
                raise Unauthenticated(ENDED)
            known = known_of(row)
            if endings == self._endings:
                if len(self._known) > 10_000:
                    self._known.clear()
                self._known[digest] = known
        if known.expires is not None and known.expires <= self._clock.now():
            self._known.pop(digest, None)
            raise Unauthenticated(ENDED)
        if known.audience != "house" and not self._fits(known.audience, face):
            raise Unauthenticated(
                f"this token was made for {known.audience} alone; `aetherctl token create` makes others"
            )
        if door is not None and not (known.process and known.who["pid"] == door):
            raise Unauthenticated("this token belongs to another process, or to none; this door takes that of its own")
        return Call(new_id("call"), face=face, progress=progress, **known.who)

    def _fits(self, audience: str, face: Face) -> bool:
        """Tell whether a token is taken here; one that names an address only by MCP, and only at ours."""
        if audience in ("house", "api"):
            return audience == "house" or face != "mcp"
        return face == "mcp" and (audience == "mcp" or audience in resources(self._lifecycle.address))

    # For OAuth clients ------------------------------------------------------------------------------

    @operation("token.consent", effect=Effect.READ, access=Rule.PEOPLE)
    async def consent(self, input: ConsentRequest, call: Call) -> Consent:
        """Show what an OAuth client asks for before a person allows or denies it."""
        asked = await self.grants.asked(input.request)
        return Consent(
            client=asked.client.id,
            name=asked.client.name,
            redirect_host=redirect_host(asked.redirect),
            local=is_local(asked.redirect),
            scopes=list(asked.scopes),
            toolset="operator",
            audience=asked.resource,
        )

    @operation("token.decide", access=Rule.PEOPLE)
    async def decide(self, input: ConsentDecision, call: Call) -> ConsentDecided:
        """Allow an OAuth client what it asks for, or less, or deny it.

        The browser then goes to the address in the answer, which tells the client.
        """
        asked = await self.grants.asked(input.request)
        if input.decision == "deny":
            return ConsentDecided(redirect=asked.back(error="access_denied", error_description="the person said no"))
        scopes = list(asked.scopes) if input.scopes is None else input.scopes
        if more := sorted(set(scopes) - set(asked.scopes)):
            raise Invalid(f"the client did not ask for {more[0]}", scope=more[0])
        _may_give(scopes, call)
        return ConsentDecided(redirect=asked.back(code=await self.grants.allow(asked, scopes, input.toolset, call)))

    # For people's browsers --------------------------------------------------------------------------

    async def open_link(self, call: Call) -> str:
        """Return a login code: single use, 10 minutes."""
        if call.agent is not None or call.confirm or "*" not in call.scopes:
            raise Forbidden("only the owner opens the console", scope="*")
        code = secrets.token_urlsafe(24)
        row = self._new("login", "login link", code, "*", call.user, call.org)
        row.expires_at = stamp(self._clock.now() + timedelta(seconds=LOGIN_S))
        await self._store.write(lambda tx: tx.session.add(row))
        return code

    async def redeem(self, code: str) -> str:
        """Turn a login code into a session, once."""
        digest, now = digest_of(code), self._clock.now()
        secret = "aes_" + secrets.token_urlsafe(32)

        def work(tx: Tx) -> None:
            row = tx.session.exec(select(TokenRow).where(TokenRow.digest == digest)).first()
            if row is None or row.kind != "login" or row.revoked_at or (row.expires_at or "") <= stamp(now):
                raise Unauthenticated("this link was used already or is too old; `aetherctl console` prints a new one")
            row.revoked_at = stamp(now)
            session = self._new("session", "browser", secret, "*", row.user, row.org)
            session.expires_at, session.audience = stamp(now + timedelta(seconds=SESSION_S)), "api"
            tx.session.add(row)
            tx.session.add(session)

        await self._store.write(work)
        return secret

    async def end(self, token: str) -> None:
        """End a browser's session; unknown ones are ended already."""
        row = await self._store.read(
            lambda session: session.exec(select(TokenRow).where(TokenRow.digest == digest_of(token))).first()
        )
        if row is not None and row.kind == "session":
            await self._store.write(lambda tx: self._revoke(tx, row.id))

    async def stands(self, key: str | None) -> bool:
        """Tell whether what was begun with a credential may go on; the ends of a run and of a login end nothing else.

        Tokens that a client gets one after another are one grant.
        """

        def query(session: Session) -> bool:
            row = None if key is None else session.get(TokenRow, key)
            if row is None or row.kind in ("process", "session") or row.revoked_at is None:
                return True
            others = select(TokenRow.id).where(TokenRow.family == row.family, col(TokenRow.revoked_at).is_(None))
            return row.family is not None and session.exec(others).first() is not None

        return await self._store.read(query)

    # For the process room ---------------------------------------------------------------------------

    def make_process_token(
        self, tx: Tx, *, agent: str, pid: int, toolset: str, user: str, org: str, tools: Collection[str] | None = None
    ) -> str:
        """Make the token of one process inside the caller's transaction; it dies with the process.

        With `tools` it may use these operations alone.
        """
        secret = "aep_" + secrets.token_urlsafe(32)
        row = self._new("process", f"process {pid}", secret, AGENT_SCOPES, user, org)
        row.agent, row.pid, row.toolset, row.created_by = agent, pid, toolset, tx.origin.actor
        row.tools = None if tools is None else " ".join(sorted(tools))
        tx.session.add(row)
        return secret

    def end_process_tokens(self, tx: Tx, pid: int) -> None:
        """Revoke every token of a process that has ended."""
        rows = tx.session.exec(select(TokenRow).where(TokenRow.pid == pid, col(TokenRow.revoked_at).is_(None)))
        for row in rows:
            self._end(tx, row)

    def _revoke(self, tx: Tx, key: str) -> TokenRow:
        row = tx.session.get_one(TokenRow, key)
        if row.family is not None:
            self.grants.end_family(tx, row.family)
        elif row.revoked_at is None:
            self._end(tx, row)
            tx.emit(TokenRevoked(token=row.id, name=row.name))
        return row

    def _end(self, tx: Tx, row: TokenRow) -> None:
        row.revoked_at = stamp(self._clock.now())
        tx.session.add(row)
        tx.after(lambda: self._forget(row.digest))

    def _forget(self, digest: str) -> None:
        self._endings += 1
        self._known.pop(digest, None)

    def _ensure_owner(self, tx: Tx, digest: str) -> None:
        rows = tx.session.exec(select(TokenRow).where(TokenRow.kind == "owner")).all()
        for row in rows:
            if row.digest != digest and row.revoked_at is None:
                self._end(tx, row)
            elif row.digest == digest and row.revoked_at is not None:  # the file was put back
                row.revoked_at = None
                tx.session.add(row)
        if not any(row.digest == digest for row in rows):
            row = self._new("owner", "owner", "", "*", "owner", "home")
            row.digest, row.toolset = digest, "operator"  # an outside Claude Code comes with this token
            tx.session.add(row)

    def _new(self, kind: str, name: str, secret: str, scopes: str, user: str, org: str) -> TokenRow:
        return new_row(kind, name, secret, scopes, user, org, stamp(self._clock.now()))

    async def _row(self, key: str) -> TokenRow:
        row = await self._store.read(lambda session: session.get(TokenRow, key))
        if row is None or row.kind == "login":
            raise NotFound(f"no token {key}; token.list shows those there are", kind="token", id=key)
        return row


def write_secret(path: Path, content: str) -> None:
    """Write a 0600 file in a 0700 directory, atomically."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _may_give(scopes: Sequence[str], call: Call) -> None:
    """Refuse to hand on what the caller does not have, and any hand-on by a client that was itself let in."""
    if call.client is not None:
        raise Forbidden("a client that a person let in by OAuth makes no credentials; the person does")
    if call.confirm:
        raise Forbidden("a token that has to ask makes no credentials; use another")
    for scope in scopes:
        if not call.has(scope) and not (scope.startswith("*:") and "*" in call.scopes):
            raise Forbidden(f"you do not have the scope {scope} yourself", scope=scope)
