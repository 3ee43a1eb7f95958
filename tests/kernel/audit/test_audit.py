"""Audit: one row for every change and every refusal, in the transaction of the change, without secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import Field, SecretStr

from aetherd.core.clock import SystemClock
from aetherd.core.errors import AetherError, Conflict, Forbidden, Invalid, NotFound
from aetherd.core.model import Model
from aetherd.events import EventLog
from aetherd.kernel.audit import AuditService
from aetherd.kernel.audit.models import AuditQuery, AuditRecord
from aetherd.operations.dispatch import Authorise, Dispatcher, validate
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation, operations_of
from aetherd.operations.registry import Registry
from aetherd.store import Store

pytestmark = pytest.mark.anyio

CANARIES = (
    "aeo_" + "c" * 43,
    "sk-ant-api03-" + "c" * 40,
    "ghp_" + "c" * 36,
    "AKIA" + "C" * 16,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjIn0.c2ln",
    "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0",
)


class Input(Model):
    """What a test operation takes."""

    id: str | None = Field(default=None, description="thing")
    note: str = Field(default="", description="short text")
    text: str = Field(default="", repr=False, description="free text")
    password: SecretStr | None = Field(default=None, description="a secret")
    options: dict[str, Any] = Field(default={}, description="anything")


class Output(Model):
    """Nothing much."""

    n: int = 0


class ThingService:
    """Writes, fails, crashes, streams."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.entered = anyio.Event()
        self.left: list[anyio.Event] = []

    async def _write(self, name: str) -> None:
        await self._store.write(lambda tx: tx.execute("INSERT INTO thing VALUES (?)", (name,)))

    @operation("thing.get", effect=Effect.READ, access=Subject("thing", "id"))
    async def get(self, input: Input, call: Call) -> Output:
        """Read."""
        return Output()

    @operation("thing.write", access=Subject("thing", "id"))
    async def write(self, input: Input, call: Call) -> Output:
        """Write twice."""
        await self._write("one")
        await self._write("two")
        return Output()

    @operation("thing.touch", access=Rule.OWN)
    async def touch(self, input: Input, call: Call) -> Output:
        """Change something outside the database."""
        return Output()

    @operation("thing.fail", access=Rule.OWN)
    async def fail(self, input: Input, call: Call) -> Output:
        """Fail inside the transaction."""

        def work(tx: Any) -> None:
            tx.execute("INSERT INTO thing VALUES ('half')")
            raise Conflict("no")

        await self._store.write(work)
        return Output()

    @operation("thing.late", access=Rule.OWN)
    async def late(self, input: Input, call: Call) -> Output:
        """Fail after a write that stands."""
        await self._write("stands")
        raise Conflict("no")

    @operation("thing.crash", access=Rule.OWN)
    async def crash(self, input: Input, call: Call) -> Output:
        """Crash."""
        raise RuntimeError("canary in a traceback")

    @operation("thing.hang", access=Rule.OWN)
    async def hang(self, input: Input, call: Call) -> Output:
        """Wait for ever."""
        self.entered.set()
        await anyio.sleep_forever()
        return Output()

    @operation("thing.pour", access=Rule.OWN)
    async def pour(self, input: Input, call: Call) -> AsyncIterator[Output]:
        """Stream."""
        for n in range(3):
            await self._write(f"drop {n}")
            yield Output(n=n)
        if input.note == "fail":
            raise Conflict("no")
        if input.note == "crash":
            raise RuntimeError("no")

    @operation("thing.relay", access=Rule.OWN, delegates=True)
    async def relay(self, input: Input, call: Call) -> Output:
        """Run another operation."""
        await self.dispatcher.invoke(input.note, input.options, call)
        return Output()

    dispatcher: Dispatcher


class Lab:
    """A dispatcher with audit over test operations."""

    def __init__(self, store: Store) -> None:
        self.store, self.audit, self.things = store, AuditService(store, SystemClock()), ThingService(store)
        registry = Registry()
        for op in (*operations_of(self.things), *operations_of(self.audit)):
            registry.add(op)
        registry.add_owners({"thing": self._owner})
        authorise = Authorise(registry)
        self.dispatcher = Dispatcher(registry, [self.audit.guard, authorise.scope, validate, authorise.subject])
        self.things.dispatcher = self.dispatcher
        self.n = 0

    async def _owner(self, key: str) -> Owner:
        return Owner("agent_a" if key == "a" else "agent_b", "owner", "home")

    def call(self, **changes: Any) -> Call:
        self.n += 1
        base = {"actor": "agent:agent_a", "agent": "agent_a", "scopes": frozenset("*"), "face": "mcp"}
        return Call(**{"id": f"call_{self.n}", **base, **changes})

    async def invoke(self, name: str, raw: Any = None, **changes: Any) -> Any:
        return await self.dispatcher.invoke(name, {} if raw is None else raw, self.call(**changes))

    async def records(self) -> list[AuditRecord]:
        person = self.call(actor="user:owner", agent=None)
        return list(reversed((await self.audit.query(AuditQuery(), person)).records))

    async def outcomes(self) -> list[tuple[str, str, str | None]]:
        return [(record.operation, record.outcome, record.code) for record in await self.records()]

    async def names(self) -> list[str]:
        return await self.store.read(
            lambda session: [row[0] for row in session.connection().exec_driver_sql("SELECT name FROM thing")]
        )


@pytest.fixture
async def lab(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Lab]:
    store = Store(tmp_path / "aether.db", EventLog())
    async with store.running():
        await store.write(lambda tx: tx.execute("CREATE TABLE thing (name)"))
        yield Lab(store)


async def test_a_read_that_goes_well_leaves_no_row(lab: Lab) -> None:
    await lab.invoke("thing.get", {"id": "a"})
    assert await lab.outcomes() == []


async def test_a_change_leaves_one_row_with_who_what_and_through_which_face(lab: Lab) -> None:
    await lab.invoke("thing.write", {"id": "a", "note": "why"}, pid=7, approval="approval_1")
    (record,) = await lab.records()
    assert record.model_dump(exclude={"id", "at", "ms"}) == {
        "call": "call_1",
        "actor": "agent:agent_a",
        "agent": "agent_a",
        "pid": 7,
        "user": "owner",
        "face": "mcp",
        "operation": "thing.write",
        "effect": "write",
        "subject": "a",
        "input": {"id": "a", "note": "why"},
        "outcome": "ok",
        "code": None,
        "approval": "approval_1",
    }
    assert await lab.names() == ["one", "two"]


async def test_the_row_is_in_the_transaction_of_the_change(lab: Lab) -> None:
    commits: list[str] = []
    await lab.store.write(lambda tx: tx._cursor.connection.set_trace_callback(commits.append))
    commits.clear()
    await lab.invoke("thing.write", {"id": "a"})
    begin = [n for n, statement in enumerate(commits) if statement.startswith("BEGIN")]
    first = commits[: begin[1]]
    assert any("INSERT INTO thing" in statement for statement in first)
    assert any("INSERT INTO audit" in statement for statement in first)
    assert sum("INSERT INTO audit" in statement for statement in commits) == 1


async def test_a_change_outside_the_database_leaves_a_row_too(lab: Lab) -> None:
    await lab.invoke("thing.touch")
    assert await lab.outcomes() == [("thing.touch", "ok", None)]


@pytest.mark.parametrize(
    ("name", "raw", "changes", "error"),
    [
        ("thing.fly", {}, {}, NotFound),
        ("thing.touch", {}, {"scopes": frozenset()}, Forbidden),
        ("thing.touch", {"nonsense": "canary"}, {}, Invalid),
        ("thing.write", {"id": "b"}, {}, Forbidden),
        ("thing.get", {"id": "b"}, {}, Forbidden),
        ("thing.get", {}, {"scopes": frozenset({"thing:write"})}, Forbidden),
    ],
)
async def test_a_refused_call_leaves_one_row_and_no_change(
    lab: Lab, name: str, raw: dict[str, Any], changes: dict[str, Any], error: type[AetherError]
) -> None:
    with pytest.raises(error):
        await lab.invoke(name, raw, **changes)
    assert await lab.outcomes() == [(name, "refused", error.code)]
    assert await lab.names() == []


async def test_a_handler_that_fails_in_its_transaction_leaves_only_the_row_of_the_failure(lab: Lab) -> None:
    with pytest.raises(Conflict):
        await lab.invoke("thing.fail")
    assert await lab.outcomes() == [("thing.fail", "failed", "conflict")]
    assert await lab.names() == []


async def test_a_handler_that_fails_after_a_change_has_one_row_that_says_failed(lab: Lab) -> None:
    with pytest.raises(Conflict):
        await lab.invoke("thing.late")
    assert await lab.outcomes() == [("thing.late", "failed", "conflict")]
    assert await lab.names() == ["stands"]


async def test_a_crash_is_recorded_without_its_text(lab: Lab) -> None:
    with pytest.raises(RuntimeError):
        await lab.invoke("thing.crash")
    assert await lab.outcomes() == [("thing.crash", "failed", "internal")]
    assert "canary" not in str(await lab.records())


async def test_a_call_whose_caller_left_leaves_its_row(lab: Lab) -> None:
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(lab.invoke, "thing.hang")
            await lab.things.entered.wait()
            group.cancel_scope.cancel()
    assert await lab.outcomes() == [("thing.hang", "failed", "cancelled")]


@pytest.mark.parametrize(("note", "outcome"), [("", "ok"), ("fail", "failed"), ("crash", "failed")])
async def test_a_stream_is_one_row_open_while_it_flows_and_completed_at_its_close(
    lab: Lab, note: str, outcome: str
) -> None:
    items = await lab.invoke("thing.pour", {"note": note})
    first = await anext(items)
    assert first.n == 0
    assert [record.outcome for record in await lab.records()] == ["open"]
    try:
        async for _ in items:
            pass
    except (Conflict, RuntimeError):
        assert note
    (record,) = await lab.records()
    assert record.outcome == outcome
    assert await lab.names() == ["drop 0", "drop 1", "drop 2"]


async def test_a_task_that_outlives_its_call_adds_no_row_to_it(lab: Lab) -> None:
    async with anyio.create_task_group() as group:
        finished = anyio.Event()

        async def later() -> None:
            await finished.wait()
            await lab.things._write("later")

        async def work(input: Input, call: Call) -> Output:
            group.start_soon(later)
            raise Conflict("no")

        lab.things.fail = work  # type: ignore[method-assign, assignment]
        registry = Registry()
        for op in operations_of(ThingService(lab.store)):
            if op.name == "thing.fail":
                from dataclasses import replace

                registry.add(replace(op, handler=work))
        dispatcher = Dispatcher(registry, [lab.audit.guard, validate])
        with pytest.raises(Conflict):
            await dispatcher.invoke("thing.fail", {}, lab.call())
        finished.set()
    assert await lab.outcomes() == [("thing.fail", "failed", "conflict")]
    assert await lab.names() == ["later"]


@pytest.mark.parametrize(
    ("inner", "raw", "recorded"),
    [
        ("thing.touch", {}, [("thing.touch", "ok", None)]),
        ("thing.get", {"id": "a"}, []),
        ("thing.get", {"id": "b"}, [("thing.get", "refused", "forbidden")]),
        ("thing.crash", {}, [("thing.crash", "failed", "internal")]),
        ("thing.fly", {}, [("thing.fly", "refused", "not_found")]),
    ],
)
async def test_an_operation_that_only_runs_another_leaves_the_row_to_it(
    lab: Lab, inner: str, raw: dict[str, Any], recorded: list[Any]
) -> None:
    try:
        await lab.invoke("thing.relay", {"note": inner, "options": raw})
    except (AetherError, RuntimeError):
        assert recorded
    assert await lab.outcomes() == recorded


async def test_an_operation_that_only_runs_another_is_recorded_when_it_is_itself_refused(lab: Lab) -> None:
    with pytest.raises(Invalid):
        await lab.invoke("thing.relay", {"no": 1})
    assert await lab.outcomes() == [("thing.relay", "refused", "invalid")]


@pytest.mark.parametrize("canary", CANARIES)
async def test_no_secret_reaches_the_record(lab: Lab, canary: str) -> None:
    await lab.invoke("thing.touch", {"password": canary, "text": canary, "note": f"see {canary}"})
    await lab.invoke("thing.touch", {"options": {"API_KEY": "c", "deep": [{"auth_token": canary, "x": canary}]}})
    with pytest.raises(Invalid):
        await lab.invoke("thing.touch", {canary: canary})
    raw = await lab.store.read(
        lambda session: str(session.connection().exec_driver_sql("SELECT * FROM audit").fetchall())
    )
    assert canary not in raw
    assert canary.splitlines()[-1] not in raw
    first, second, _ = await lab.records()
    assert first.input["text"] == f"<{len(canary)} characters>"
    assert second.input["options"]["API_KEY"] == "********"


async def test_long_texts_are_recorded_by_their_length(lab: Lab) -> None:
    await lab.invoke("thing.touch", {"note": "x" * 5000, "options": {"many": list(range(1000))}})
    (record,) = await lab.records()
    assert record.input["note"] == "<5000 characters>"
    assert len(record.input["options"]["many"]) == 50


async def test_an_agent_sees_its_own_calls_and_a_person_all_of_theirs(lab: Lab) -> None:
    await lab.invoke("thing.touch")
    await lab.invoke("thing.touch", agent="agent_b", actor="agent:agent_b")
    await lab.invoke("thing.touch", agent=None, actor="user:stranger", user="stranger")
    await lab.invoke("thing.touch", agent=None, actor="user:owner", org="elsewhere")

    async def seen(**changes: Any) -> list[str]:
        return [record.actor for record in (await lab.audit.query(AuditQuery(), lab.call(**changes))).records]

    assert await seen() == ["agent:agent_a"]
    assert await seen(agent=None) == ["agent:agent_b", "agent:agent_a"]
    assert await seen(agent=None, user="stranger") == ["user:stranger"]


async def test_records_are_paged_newest_first_and_filtered(lab: Lab) -> None:
    for n in range(5):
        await lab.invoke("thing.touch", pid=n)
    with pytest.raises(NotFound):
        await lab.invoke("thing.fly")
    person = lab.call(agent=None)
    pids, cursor = [], None
    while True:
        page = await lab.audit.query(AuditQuery(limit=2, operation="thing", outcome="ok", cursor=cursor), person)
        pids += [record.pid for record in page.records]
        cursor = page.cursor
        if cursor is None:
            break
    assert pids == [4, 3, 2, 1, 0]
    assert len((await lab.audit.query(AuditQuery(operation="thing.fly"), person)).records) == 1
    assert len((await lab.audit.query(AuditQuery(operation="%"), person)).records) == 0
    assert len((await lab.audit.query(AuditQuery(pid=3), person)).records) == 1


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30, "٣"])
async def test_a_garbage_cursor_is_invalid(lab: Lab, cursor: str) -> None:
    with pytest.raises(Invalid, match="not a cursor"):
        await lab.audit.query(AuditQuery(cursor=cursor), lab.call(agent=None))
