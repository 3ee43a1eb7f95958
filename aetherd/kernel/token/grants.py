"""The authorization server: clients register, a person allows, codes become tokens, tokens are renewed or end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from sqlmodel import Session, col, delete, func, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import Exhausted
from aetherd.core.ids import new_id
from aetherd.kernel.token.asking import Asked, read, redirect_host
from aetherd.kernel.token.events import TokenCreated, TokenRevoked
from aetherd.kernel.token.rows import digest_of, new_row
from aetherd.kernel.token.tables import ClientRow, CodeRow, TokenRow
from aetherd.operations.grants import Issued, OAuthClient, Refused, parameters, resources
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call
from aetherd.store import Store, Tx

CODE_S = 60
ACCESS_S = 3600
REFRESH_S = 30 * 86_400  # anew with every renewal: a client that is not used that long asks again
USED_S = 3600  # a used code is remembered as long as what it gave can live
STRANGERS = 1000  # clients nobody ever allowed anything; the oldest leave for new ones
CLIENTS = 10_000
REDIRECTS = 10
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")

T = TypeVar("T")
UNKNOWN = "this code or token is not one that can be exchanged; ask the person again"


class GrantsOfClients:
    """Keeps clients, codes and the families of tokens that come of one consent."""

    def __init__(self, store: Store, clock: Clock, lifecycle: Lifecycle, end: Callable[[Tx, TokenRow], None]) -> None:
        self._store, self._clock, self._lifecycle, self._end = store, clock, lifecycle, end

    async def register(self, name: str, redirects: Sequence[str]) -> OAuthClient:
        """Take a client in; anybody may, it gives no access, and there is an end to how many are kept."""
        if not 0 < len(redirects) <= REDIRECTS:
            raise Refused("invalid_redirect_uri", f"a client has one to {REDIRECTS} redirect_uris")
        for redirect in redirects:
            redirect_host(redirect)
        shown = "".join(letter for letter in name if letter.isprintable()).strip()[:100] or "a client without a name"
        row = ClientRow(
            id=new_id("client"),
            name=shown,
            redirects=json.dumps(list(redirects)),
            created_at=stamp(self._clock.now()),
        )

        def work(tx: Tx) -> None:
            strangers = select(ClientRow).where(col(ClientRow.allowed_at).is_(None))
            count = tx.session.exec(select(func.count()).select_from(ClientRow)).one()
            if count >= STRANGERS:
                oldest = tx.session.exec(strangers.order_by(col(ClientRow.id))).first()
                waiting = tx.session.exec(select(func.count()).select_from(strangers.subquery())).one()
                if oldest is not None and waiting >= STRANGERS:
                    tx.session.delete(oldest)
                elif count >= CLIENTS:
                    raise Exhausted(f"{CLIENTS} clients are registered; no more are kept")
            tx.session.add(row)

        await self._store.write(work)
        return _client(row)

    async def check(self, request: str) -> None:
        """Raise `Refused` when a person need not even be asked."""
        await self.asked(request)

    async def asked(self, request: str) -> Asked:
        """Return what a client asks for; raises `Refused`."""
        given = parameters(request)
        row = await self._store.read(lambda session: session.get(ClientRow, given.get("client_id", "")))
        return read(given, None if row is None else _client(row), resources(self._lifecycle.address))

    async def allow(self, asked: Asked, scopes: Sequence[str], toolset: str, call: Call) -> str:
        """Keep a person's consent; return the code for the client."""
        secret, now = "aec_" + secrets.token_urlsafe(32), self._clock.now()
        row = CodeRow(
            digest=digest_of(secret),
            client=asked.client.id,
            redirect=asked.redirect,
            challenge=asked.challenge,
            audience=asked.resource,
            scopes=" ".join(sorted(set(scopes))),
            toolset=toolset,
            family=new_id("grant"),
            user=call.user,
            org=call.org,
            expires_at=stamp(now + timedelta(seconds=CODE_S)),
        )

        def work(tx: Tx) -> None:
            tx.session.exec(delete(CodeRow).where(col(CodeRow.expires_at) < stamp(now - timedelta(seconds=USED_S))))
            client = tx.session.get(ClientRow, asked.client.id)
            if client is None:  # it made room for others while the person thought
                raise Refused("invalid_request", "this client is registered no longer; it must register again")
            client.allowed_at = stamp(now)
            tx.session.add(client)
            tx.session.add(row)

        await self._store.write(work)
        return secret

    async def redeem(self, *, client: str, code: str, redirect: str, verifier: str, resource: str | None) -> Issued:
        """Turn a code into tokens, once. A code that comes again ends what it gave: one of the two was a thief."""
        digest = digest_of(code)

        def find(session: Session) -> CodeRow | None:
            return session.get(CodeRow, digest)

        found = await self._known(client, find)
        proven = VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(
            challenge_of(verifier), found.challenge
        )

        def work(tx: Tx) -> Issued | Refused:
            row, now = tx.session.get_one(CodeRow, digest), stamp(self._clock.now())
            if row.used_at is not None:
                self.end_family(tx, row.family)
                return Refused("invalid_grant", "this code was exchanged before; what it gave has ended")
            if row.expires_at <= now or row.redirect != redirect or not proven:
                return Refused("invalid_grant", "the code is too old, or redirect_uri or code_verifier do not fit it")
            if resource is not None and resource.removesuffix("/") != row.audience:
                return Refused("invalid_target", f"this code is for {row.audience}")
            row.used_at = now
            tx.session.add(row)
            return self._issue(tx, row, row.scopes)

        return await self._answer(found, work)

    async def refresh(self, *, client: str, secret: str, scope: str | None, resource: str | None) -> Issued:
        """Replace a refresh token and its access token. One that was replaced before ends the whole family."""
        digest = digest_of(secret)
        found = await self._known(client, lambda session: _token(session, digest, "refresh"))

        def work(tx: Tx) -> Issued | Refused:
            row, now = tx.session.get_one(TokenRow, found.id), stamp(self._clock.now())
            assert row.family is not None
            if row.revoked_at is not None:
                self.end_family(tx, row.family)
                return Refused("invalid_grant", "this refresh token was used before; all that came of it has ended")
            if row.expires_at is None or row.expires_at <= now:
                return Refused("invalid_grant", UNKNOWN)
            if resource is not None and resource.removesuffix("/") != row.audience:
                return Refused("invalid_target", f"this token is for {row.audience}")
            scopes = row.scopes.split() if scope is None else scope.split()
            if not scopes or not set(scopes) <= set(row.scopes.split()):
                return Refused("invalid_scope", f"more than was allowed: {row.scopes}")
            for old in self._family(tx, row.family):
                if old.revoked_at is None:
                    self._end(tx, old)
                elif (old.expires_at or "") <= now:
                    tx.session.delete(old)
            return self._issue(tx, row, " ".join(sorted(set(scopes))))

        return await self._answer(found, work)

    async def forget(self, *, client: str, secret: str) -> None:
        """End all that was granted with this secret; an unknown one is ended already."""
        digest = digest_of(secret)
        try:
            found = await self._known(client, lambda session: _token(session, digest, "refresh", "access"))
        except Refused:
            return
        assert found.family is not None
        family = found.family
        with _acting(found):
            await self._store.write(lambda tx: self.end_family(tx, family))

    def end_family(self, tx: Tx, family: str) -> None:
        """End every token that came of one consent."""
        for row in self._family(tx, family):
            if row.revoked_at is None:
                self._end(tx, row)
                tx.emit(TokenRevoked(token=row.id, name=row.name))

    def _family(self, tx: Tx, family: str) -> Sequence[TokenRow]:
        return tx.session.exec(select(TokenRow).where(TokenRow.family == family)).all()

    def _issue(self, tx: Tx, grant: CodeRow | TokenRow, scopes: str) -> Issued:
        """Make a pair of tokens; the refresh token keeps all that was allowed."""
        client = tx.session.get_one(ClientRow, grant.client)
        made = {}
        for kind, letter, seconds, of in (
            ("access", "a", ACCESS_S, scopes),
            ("refresh", "r", REFRESH_S, grant.scopes),
        ):
            made[kind] = f"ae{letter}_" + secrets.token_urlsafe(32)
            at = stamp(self._clock.now())
            row = new_row(kind, client.name, made[kind], of, grant.user, grant.org, at)
            row.toolset, row.audience, row.client, row.family = grant.toolset, grant.audience, client.id, grant.family
            row.expires_at = stamp(self._clock.now() + timedelta(seconds=seconds))
            tx.session.add(row)
            tx.emit(TokenCreated(token=row.id, name=row.name, scopes=of.split()))
        return Issued(made["access"], made["refresh"], ACCESS_S, tuple(scopes.split()))

    async def _known(self, client: str, find: Callable[[Session], T | None]) -> T:
        """Return what a secret names; to another client it does not exist."""
        found = await self._store.read(find)
        if found is None or found.client != client:  # type: ignore[attr-defined]
            raise Refused("invalid_grant", UNKNOWN)
        return found

    async def _answer(self, found: CodeRow | TokenRow, work: Callable[[Tx], Issued | Refused]) -> Issued:
        """Run the work; a refusal is carried out by hand, so that what it ended stays ended."""
        with _acting(found):
            answer = await self._store.write(work)
        if isinstance(answer, Refused):
            raise answer
        return answer


def challenge_of(verifier: str) -> str:
    """Return what a client shows first of the secret it keeps (RFC 7636, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@contextmanager
def _acting(row: CodeRow | TokenRow) -> Iterator[None]:
    """Let events say which client caused them."""
    before = origin.set(Origin(f"user:{row.user}/{row.client}", None, row.user, row.org))
    try:
        yield
    finally:
        origin.reset(before)


def _token(session: Session, digest: str, *kinds: str) -> TokenRow | None:
    row = session.exec(select(TokenRow).where(TokenRow.digest == digest)).first()
    return row if row is not None and row.kind in kinds else None


def _client(row: ClientRow) -> OAuthClient:
    return OAuthClient(row.id, row.name, tuple(json.loads(row.redirects)))
