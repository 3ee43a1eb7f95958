"""Tokens: shown once, hashed at rest, never more than their maker has, dead when revoked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Forbidden, Invalid, NotFound, Unauthenticated
from aetherd.daemon.kernel import Kernel
from aetherd.events.log import EventRow
from aetherd.kernel.audit import AuditService
from aetherd.kernel.token import TokenService
from aetherd.operations.operation import Call
from aetherd.store import Tx

pytestmark = pytest.mark.anyio


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Lab:
    """Audit and token, and nothing else."""

    def __init__(self, settings: Settings) -> None:
        self.clock, self.settings = Hands(), settings
        self.kernel = Kernel(settings, (AuditService, TokenService), {}, self.clock)
        self.token: TokenService = self.kernel.rooms["token"]

    def call(self, **changes: Any) -> Call:
        base = {"id": "call_1", "actor": "user:owner", "scopes": frozenset("*"), "face": "http"}
        return Call(**{**base, **changes})

    async def invoke(self, name: str, raw: dict[str, Any] | None = None, call: Call | None = None) -> Any:
        return await self.kernel.dispatcher.invoke(name, raw or {}, call or self.call())

    async def process_token(self, pid: int = 7) -> str:
        return await self.kernel.store.write(
            lambda tx: self.token.make_process_token(
                tx, agent="agent_a", pid=pid, toolset="worker", user="owner", org="home"
            )
        )

    @property
    def owner_secret(self) -> str:
        return (self.settings.home / "secrets" / "owner.token").read_text().strip()


@pytest.fixture
async def lab(settings: Settings, anyio_backend: str) -> AsyncIterator[Lab]:
    made = Lab(settings)
    async with made.kernel.running():
        yield made


async def test_the_first_start_makes_the_owner_s_token_readable_by_nobody_else(lab: Lab) -> None:
    path = lab.settings.home / "secrets" / "owner.token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    call = await lab.token.authenticate(lab.owner_secret, "http")
    assert (call.actor, call.agent, call.scopes) == ("user:owner", None, frozenset("*"))


async def test_the_owner_s_token_stays_over_a_restart(settings: Settings) -> None:
    async with (one := Lab(settings)).kernel.running():
        secret = one.owner_secret
    async with (two := Lab(settings)).kernel.running():
        assert two.owner_secret == secret
        await two.token.authenticate(secret, "http")


async def test_removing_the_file_replaces_the_owner_s_token_and_putting_it_back_restores_it(
    settings: Settings,
) -> None:
    path: Path = settings.home / "secrets" / "owner.token"
    async with Lab(settings).kernel.running():
        old = path.read_text()
    path.unlink()
    async with (two := Lab(settings)).kernel.running():
        assert path.read_text() != old
        with pytest.raises(Unauthenticated):
            await two.token.authenticate(old.strip(), "http")
        new = path.read_text()
    path.write_text(old)
    async with (three := Lab(settings)).kernel.running():
        await three.token.authenticate(old.strip(), "http")
        with pytest.raises(Unauthenticated):
            await three.token.authenticate(new.strip(), "http")


async def test_a_secret_is_shown_once_and_kept_nowhere(lab: Lab) -> None:
    made = await lab.invoke("token.create", {"name": "ci"})
    assert re.fullmatch(r"aet_[\w-]{43}", made.secret)
    await lab.token.authenticate(made.secret, "http")
    listed = await lab.invoke("token.list")
    assert made.secret not in listed.model_dump_json()
    for file in lab.settings.home.glob("aether.db*"):
        assert made.secret.encode() not in file.read_bytes()
    events = await lab.kernel.store.read(lambda s: list(s.exec(select(EventRow.body))))
    assert len(events) == 1
    assert made.secret not in events[0]


@pytest.mark.parametrize(
    ("own", "asked", "error"),
    [
        ("token:write memory:read", ["memory:read"], None),
        ("token:write memory:read", ["memory:write"], Forbidden),
        ("token:write memory:read", ["*"], Forbidden),
        ("token:write *:read", ["*:read"], None),
        ("token:write *:read", ["process:read"], None),
        ("token:write *:read", ["*:write"], Forbidden),
        ("*", ["*", "*:write", "x:y"], None),
        ("*", ["everything"], Invalid),
        ("*", ["a:b:c"], Invalid),
        ("memory:write", ["memory:write"], Forbidden),
    ],
)
async def test_a_token_never_gets_more_than_its_maker_has(
    lab: Lab, own: str, asked: list[str], error: type[AetherError] | None
) -> None:
    maker = lab.call(scopes=frozenset(own.split()))
    if error is None:
        made = await lab.invoke("token.create", {"name": "x", "scopes": asked}, maker)
        call = await lab.token.authenticate(made.secret, "http")
        assert call.scopes == frozenset(asked)
        assert call.actor == f"user:owner/{made.id}"
    else:
        with pytest.raises(error):
            await lab.invoke("token.create", {"name": "x", "scopes": asked}, maker)


@pytest.mark.parametrize("name", ["token.create", "token.list"])
async def test_agents_have_no_business_here(lab: Lab, name: str) -> None:
    with pytest.raises(Forbidden, match="for people"):
        await lab.invoke(name, {"name": "x"}, lab.call(agent="agent_a", actor="agent:agent_a"))


async def test_a_revoked_token_is_dead_at_once_also_when_it_was_in_use(lab: Lab) -> None:
    made = await lab.invoke("token.create", {"name": "x"})
    await lab.token.authenticate(made.secret, "http")
    assert (await lab.invoke("token.revoke", {"id": made.id})).revoked_at is not None
    with pytest.raises(Unauthenticated):
        await lab.token.authenticate(made.secret, "http")
    assert [token.name for token in (await lab.invoke("token.list")).tokens] == ["owner"]
    assert len((await lab.invoke("token.list", {"revoked": True})).tokens) == 2


async def test_a_check_under_way_at_the_revocation_does_not_bring_the_token_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await lab.invoke("token.create", {"name": "x"})
    store = lab.kernel.store
    read = store.read

    async def slow(query: Any) -> Any:
        row = await read(query)
        monkeypatch.undo()
        await lab.invoke("token.revoke", {"id": made.id})
        return row

    monkeypatch.setattr(store, "read", slow)
    assert (await lab.token.authenticate(made.secret, "http")).token == made.id  # it was good when it was looked up
    with pytest.raises(Unauthenticated):
        await lab.token.authenticate(made.secret, "http")


async def test_a_revocation_that_is_not_written_ends_nothing(lab: Lab) -> None:
    made = await lab.invoke("token.create", {"name": "x"})

    def fail(tx: Tx) -> None:
        lab.token._revoke(tx, made.id)
        raise Invalid("not this time")

    with pytest.raises(Invalid):
        await lab.kernel.store.write(fail)
    assert (await lab.token.authenticate(made.secret, "http")).token == made.id


async def test_revoking_what_is_somebody_else_s_unknown_or_the_owner_s_is_refused(lab: Lab) -> None:
    made = await lab.invoke("token.create", {"name": "x"})
    with pytest.raises(Forbidden, match="somebody else"):
        await lab.invoke("token.revoke", {"id": made.id}, lab.call(user="stranger"))
    with pytest.raises(NotFound):
        await lab.invoke("token.revoke", {"id": "token_none"})
    (owner,) = [token for token in (await lab.invoke("token.list")).tokens if token.kind == "owner"]
    with pytest.raises(Forbidden, match="cannot be revoked"):
        await lab.invoke("token.revoke", {"id": owner.id})


async def test_a_token_ends_at_its_time(lab: Lab) -> None:
    made = await lab.invoke("token.create", {"name": "x", "expires_in_s": 60})
    lab.clock.at += timedelta(seconds=59)
    await lab.token.authenticate(made.secret, "http")
    lab.clock.at += timedelta(seconds=1)
    with pytest.raises(Unauthenticated, match="ended"):
        await lab.token.authenticate(made.secret, "http")
    assert made.id not in [token.id for token in (await lab.invoke("token.list")).tokens]


@pytest.mark.parametrize("secret", ["", "x", "aeo_", "\ud800", "\x00", "ä" * 1000])
async def test_garbage_is_nobody(lab: Lab, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        await lab.token.authenticate(secret, "http")


async def test_a_process_token_is_its_agent_with_few_scopes_and_only_through_its_own_door(lab: Lab) -> None:
    secret = await lab.process_token(7)
    call = await lab.token.authenticate(secret, "mcp", door=7)
    assert (call.actor, call.agent, call.pid, call.toolset) == ("agent:agent_a", "agent_a", 7, "worker")
    assert call.chain == ("agent_a",)
    assert not call.has("token:write")
    assert "*" not in call.scopes
    with pytest.raises(Unauthenticated, match="another process"):
        await lab.token.authenticate(secret, "mcp", door=8)


async def test_a_process_s_tokens_die_with_it_and_only_they(lab: Lab) -> None:
    one, two = await lab.process_token(1), await lab.process_token(2)
    await lab.token.authenticate(one, "mcp")
    await lab.kernel.store.write(lambda tx: lab.token.end_process_tokens(tx, 1))
    with pytest.raises(Unauthenticated):
        await lab.token.authenticate(one, "mcp")
    await lab.token.authenticate(two, "mcp")


async def test_a_login_link_works_once_and_is_no_token_itself(lab: Lab) -> None:
    code = await lab.token.open_link(lab.call())
    with pytest.raises(Unauthenticated):
        await lab.token.authenticate(code, "http")
    session = await lab.token.redeem(code)
    assert (await lab.token.authenticate(session, "http")).actor == "user:owner"
    with pytest.raises(Unauthenticated, match="used already"):
        await lab.token.redeem(code)
    await lab.token.end(session)
    with pytest.raises(Unauthenticated):
        await lab.token.authenticate(session, "http")
    await lab.token.end(session)


async def test_a_login_link_ends_after_ten_minutes(lab: Lab) -> None:
    code = await lab.token.open_link(lab.call())
    lab.clock.at += timedelta(minutes=10)
    with pytest.raises(Unauthenticated, match="too old"):
        await lab.token.redeem(code)


@pytest.mark.parametrize("changes", [{"agent": "agent_a"}, {"scopes": frozenset({"*:read", "*:write"})}])
async def test_only_the_owner_gets_a_link(lab: Lab, changes: dict[str, Any]) -> None:
    with pytest.raises(Forbidden):
        await lab.token.open_link(lab.call(**changes))


async def test_another_s_secret_does_not_redeem(lab: Lab) -> None:
    for secret in (lab.owner_secret, await lab.process_token()):
        with pytest.raises(Unauthenticated):
            await lab.token.redeem(secret)


async def test_the_list_pages_newest_first(lab: Lab) -> None:
    for n in range(3):
        await lab.invoke("token.create", {"name": f"t{n}"})
    names, cursor = [], None
    while True:
        page = await lab.invoke("token.list", {"limit": 2, "cursor": cursor})
        names += [token.name for token in page.tokens]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(names) == ["owner", "t0", "t1", "t2"]
