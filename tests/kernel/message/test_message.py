"""Messages: durable, in order, once; they wake who runs and wait for who does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from sqlmodel import select

from aetherd.core.config import Settings
from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound, Unavailable
from aetherd.daemon.kernel import Kernel
from aetherd.events.log import EventRow
from aetherd.kernel.agent import AgentService
from aetherd.kernel.audit import AuditService
from aetherd.kernel.memory import MemoryService
from aetherd.kernel.message import MessageService
from aetherd.kernel.message.courier import RETRY_S
from aetherd.kernel.message.service import PER_MINUTE
from aetherd.kernel.token import TokenService
from aetherd.operations.operation import Call
from aetherd.store import Store

pytestmark = pytest.mark.anyio


class Hands:
    """A clock that a test moves; who sleeps is woken by `turn`."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self._turned = anyio.Event()

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        until = self.at + timedelta(seconds=seconds)
        while self.at < until:
            await self._turned.wait()

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self._turned.set()
        self._turned = anyio.Event()


class Processes:
    """A double of the process room: who runs, and what each was told, once for each key."""

    __module__ = "aetherd.kernel.process.service"

    def __init__(self, store: Store) -> None:
        self._store = store
        self.start_hooks: list[Any] = []
        self.text_hooks: list[Any] = []
        self.context_sources: list[Any] = []
        self.run_hooks: list[Any] = []
        self.reads = True  # the runtime says at once that it has what it is given
        self.running_agents: set[str] = set()
        self.told: dict[str, tuple[str, str, str, str]] = {}
        self.asked = 0
        self.fails: Exception | None = None
        self.gate: anyio.Event | None = None

    def at_work(self, agent: str) -> list[int]:
        return []  # nobody is given anything in the transaction of the message: `deliver` is what is tried here

    def deliver_in(self, *given: Any, **text: Any) -> bool:
        raise AssertionError("nobody is at work")

    async def deliver(self, agent: str, text: str, priority: str, key: str, by: str) -> bool:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        if agent not in self.running_agents:
            return False
        await self.goes(key, "queued")
        if self.reads and key not in self.told:
            self.told[key] = (agent, text, priority, by)
            await self.goes(key, "delivered")
        return True

    async def goes(self, key: str, state: str, pid: int = 7) -> None:
        """Say how far a text is, as the process room does."""
        for hook in self.text_hooks:
            await self._store.write(lambda tx, hook=hook: hook(tx, key, pid, state))  # type: ignore[misc]


class Lab:
    """The rooms messages need, two agents, a person."""

    a: Call
    b: Call

    def __init__(self, settings: Settings) -> None:
        self.clock = Hands()
        rooms = (AuditService, TokenService, AgentService, Processes, MemoryService, MessageService)
        self.kernel = Kernel(settings, rooms, {}, self.clock)
        self.processes: Processes = self.kernel.rooms["process"]
        self.messages: MessageService = self.kernel.rooms["message"]
        self.person = Call("call_1", "user:owner", frozenset("*"), "http")

    async def agent(self, name: str, by: Call | None = None) -> Call:
        made = await self.invoke("agent.create", {"name": name}, by)
        return Call("call_1", f"agent:{made.id}", frozenset("*"), "mcp", agent=made.id, pid=7)

    async def invoke(self, name: str, raw: dict[str, Any] | None = None, call: Call | None = None) -> Any:
        return await self.kernel.dispatcher.invoke(name, raw or {}, call or self.person)

    async def send(self, call: Call, to: str | None, text: str = "hello", **more: Any) -> Any:
        return await self.invoke("message.send", {"to": to, "text": text, **more}, call)

    async def inbox(self, call: Call, **more: Any) -> list[str]:
        return [message.text for message in (await self.invoke("message.inbox", more, call)).messages]

    def runs(self, *calls: Call) -> None:
        self.processes.running_agents = {str(call.agent) for call in calls}

    async def started(self, call: Call) -> None:
        self.processes.running_agents.add(str(call.agent))
        for hook in self.processes.start_hooks:
            await hook(7, call.agent)

    async def events(self) -> list[tuple[str, str | None]]:
        rows = await self.kernel.store.read(lambda s: list(s.exec(select(EventRow).order_by(EventRow.id))))
        return [(row.type, row.agent) for row in rows if row.type.startswith("message.")]

    def spoken(self) -> list[str]:
        return [text.splitlines()[1] for _, text, _, _ in self.processes.told.values()]


@asynccontextmanager
async def running(settings: Settings, made: Lab | None = None) -> AsyncIterator[Lab]:
    made = made or Lab(settings)
    async with made.kernel.running():
        yield made


@pytest.fixture
async def lab(settings: Settings, anyio_backend: str) -> AsyncIterator[Lab]:
    async with running(settings) as made:
        made.a, made.b = await made.agent("ada"), await made.agent("bob")
        yield made


async def test_a_running_agent_is_told_at_once_by_its_runtime(lab: Lab) -> None:
    lab.runs(lab.b)
    sent = await lab.send(lab.a, "bob", "please", kind="review_request", priority="now", data={"subject": "door.py"})
    assert (sent.state, sent.sender, sent.from_name, sent.to, sent.to_name) == (
        "delivered",
        lab.a.agent,
        "ada",
        lab.b.agent,
        "bob",
    )
    assert lab.processes.told[sent.id] == (
        lab.b.agent,
        f"Message from ada (message {sent.id}, thread {sent.thread}, review_request):\nplease\n"
        f'data: {{"subject": "door.py"}}\n\nAnswer with aether_message_send, reply_to {sent.id}, '
        'kind review_response, data like {"verdict": "changes", "comments": ["line 7: close it first"]}.',
        "now",
        lab.a.actor,
    )
    assert await lab.events() == [("message.sent", lab.a.agent), ("message.delivered", lab.b.agent)]


async def test_the_wire_calls_the_sender_from(lab: Lab) -> None:
    sent = await lab.send(lab.a, "bob")
    assert sent.model_dump(mode="json")["from"] == lab.a.agent
    assert "sender" not in sent.model_dump_json()


async def test_an_agent_that_does_not_run_gets_what_waits_when_it_starts_in_order_and_once(lab: Lab) -> None:
    for n in range(3):
        assert (await lab.send(lab.a, "bob", f"text {n}")).state == "queued"
    await lab.started(lab.b)
    await lab.started(lab.b)
    assert lab.spoken() == ["text 0", "text 1", "text 2"]
    messages = (await lab.invoke("message.inbox", {}, lab.b)).messages
    assert {message.state for message in messages} == {"delivered"}
    assert [name for name, _ in await lab.events()] == ["message.sent"] * 3 + ["message.delivered"] * 3


async def test_nothing_overtakes_what_waits(lab: Lab) -> None:
    await lab.send(lab.a, "bob", "first")
    lab.runs(lab.b)  # it runs, but nobody has told us yet
    await lab.send(lab.a, "bob", "second")
    assert lab.spoken() == ["first", "second"]


async def test_many_at_once_are_each_told_once_in_the_order_of_sending(lab: Lab) -> None:
    lab.runs(lab.b)
    async with anyio.create_task_group() as group:
        for n in range(30):
            group.start_soon(lab.send, lab.a, "bob", f"text {n}")
    sent = list(reversed(await lab.inbox(lab.b)))
    assert lab.spoken() == sent
    assert sorted(sent) == sorted(f"text {n}" for n in range(30))


async def test_a_daemon_killed_before_the_delivery_delivers_at_its_next_start(settings: Settings) -> None:
    async with running(settings) as one:
        a, b = await one.agent("ada"), await one.agent("bob")
        sent = await one.send(a, "bob", "survives")
    two = Lab(settings)
    two.runs(b)
    async with running(settings, two):
        with anyio.fail_after(5):
            while sent.id not in two.processes.told:
                await anyio.sleep(0.01)
            while not [name for name, _ in await two.events() if name == "message.delivered"]:
                await anyio.sleep(0.01)
    assert two.spoken() == ["survives"]


async def test_what_a_runtime_was_given_is_delivered_only_when_it_says_that_it_has_it(lab: Lab) -> None:
    lab.runs(lab.b)
    lab.processes.reads = False
    sent = await lab.send(lab.a, "bob")
    assert (sent.state, sent.delivered_at) == ("queued", None)
    await lab.processes.goes(sent.id, "delivered")
    (found,) = (await lab.invoke("message.inbox", {}, lab.b)).messages
    assert (found.state, found.delivered_at is None) == ("delivered", False)
    assert [name for name, _ in await lab.events()] == ["message.sent", "message.delivered"]


async def test_what_a_process_ended_without_having_read_goes_to_the_next_one(lab: Lab) -> None:
    lab.runs(lab.b)
    lab.processes.reads = False
    sent = await lab.send(lab.a, "bob")
    lab.runs()
    await lab.processes.goes(sent.id, "failed")
    lab.processes.reads = True
    await lab.started(lab.b)
    assert list(lab.processes.told) == [sent.id]
    assert (await lab.invoke("message.inbox", {}, lab.b)).messages[0].state == "delivered"
    await lab.processes.goes(sent.id, "failed")  # the end of a process that has read it takes nothing back
    assert (await lab.invoke("message.inbox", {}, lab.b)).messages[0].state == "delivered"


async def test_what_no_process_could_take_is_tried_again(lab: Lab) -> None:
    lab.processes.fails = Unavailable("paused")
    assert (await lab.send(lab.a, "bob")).state == "queued"
    lab.processes.fails = None
    lab.runs(lab.b)
    await anyio.wait_all_tasks_blocked()
    lab.clock.turn(RETRY_S)
    with anyio.fail_after(5):
        while not lab.processes.told:
            await anyio.sleep(0.01)


async def test_a_crash_in_the_delivery_is_not_the_sender_s_and_ends_nothing(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.processes.fails = RuntimeError("crash")
    assert (await lab.send(lab.a, "bob")).state == "queued"
    await anyio.wait_all_tasks_blocked()
    lab.clock.turn(RETRY_S)
    with anyio.fail_after(5):
        while caplog.text.count("could not be delivered") < 2:
            await anyio.sleep(0.01)
    lab.processes.fails = None
    await lab.started(lab.b)
    assert lab.spoken() == ["hello"]


async def test_a_message_that_can_never_be_delivered_says_why(lab: Lab) -> None:
    lab.processes.fails = Conflict("its runtime takes no text")
    sent = await lab.send(lab.a, "bob")
    assert (sent.state, sent.failed_reason, sent.failed_at is None) == ("failed", "its runtime takes no text", False)
    assert (await lab.events())[:2] == [("message.sent", lab.a.agent), ("message.failed", lab.a.agent)]
    (note,) = (await lab.invoke("message.inbox", {}, lab.a)).messages
    assert (note.sender, note.reply_to, note.data["messages"]) == ("aetherd", sent.id, [sent.id])
    with pytest.raises(Invalid, match="reads no answers"):
        await lab.send(lab.a, None, "what?", reply_to=note.id)


async def test_an_answer_goes_back_in_the_same_thread(lab: Lab) -> None:
    first = await lab.send(lab.a, "bob", "ping")
    answer = await lab.send(lab.b, None, "pong", reply_to=first.id)
    assert (answer.to, answer.thread, answer.reply_to) == (lab.a.agent, first.thread, first.id)
    more = await lab.send(lab.b, None, "and more", reply_to=answer.id)  # one's own: same recipient
    assert more.to == lab.a.agent
    for call in (lab.a, lab.b, lab.person):
        thread = await lab.invoke("message.thread", {"thread": first.thread}, call)
        assert [message.text for message in thread.messages] == ["ping", "pong", "and more"]


async def test_the_person_writes_and_is_written_to_as_owner(lab: Lab) -> None:
    lab.runs(lab.b)
    asked = await lab.send(lab.person, "bob", "status?")
    assert (asked.sender, asked.from_name) == ("owner", "owner")
    answer = await lab.send(lab.b, None, "all fine", reply_to=asked.id)
    assert (answer.to, answer.state) == ("owner", "delivered")
    await lab.send(lab.a, "owner", "help")
    assert await lab.inbox(lab.person) == ["help", "all fine"]
    assert await lab.inbox(lab.person, agent="bob") == ["status?"]


async def test_looking_changes_nothing_and_acknowledging_does(lab: Lab) -> None:
    lab.runs(lab.b)
    one, two = await lab.send(lab.a, "bob", "one"), await lab.send(lab.a, "bob", "two")
    assert await lab.inbox(lab.b, unacked=True) == ["two", "one"]
    assert await lab.inbox(lab.b, unacked=True) == ["two", "one"]
    await lab.invoke("message.ack", {"ids": [one.id], "state": "read"}, lab.b)
    assert await lab.inbox(lab.b, states=["read"]) == ["one"]
    done = await lab.invoke("message.ack", {"ids": [one.id, two.id, two.id]}, lab.b)
    assert [(m.state, m.read_at is None, m.acked_at is None) for m in done.messages] == [("acked", False, False)] * 2
    assert await lab.inbox(lab.b, unacked=True) == []
    before = await lab.events()
    again = await lab.invoke("message.ack", {"ids": [one.id], "state": "read"}, lab.b)
    assert again.messages[0].state == "acked"  # never back
    assert await lab.events() == before


async def test_acknowledging_what_was_not_delivered_yet_keeps_it_from_being_told(lab: Lab) -> None:
    sent = await lab.send(lab.a, "bob")
    await lab.invoke("message.ack", {"ids": [sent.id]}, lab.b)
    await lab.started(lab.b)
    assert lab.processes.told == {}


async def test_a_third_agent_sees_acknowledges_and_enters_nothing(lab: Lab) -> None:
    eve = await lab.agent("eve")
    sent = await lab.send(lab.a, "bob", "between us")
    for name, raw in (
        ("message.thread", {"thread": sent.thread}),
        ("message.ack", {"ids": [sent.id]}),
        ("message.inbox", {"agent": "bob"}),
        ("message.send", {"to": "bob", "text": "me too", "thread": sent.thread}),
        ("message.send", {"reply_to": sent.id, "text": "me too"}),
    ):
        with pytest.raises(Forbidden):
            await lab.invoke(name, raw, eve)
    assert await lab.inbox(eve) == []
    refused = (await lab.invoke("audit.query", {"outcome": "refused"})).records
    assert len(refused) == 5
    assert "between us" not in str(refused)


async def test_the_sender_cannot_acknowledge_for_the_recipient(lab: Lab) -> None:
    sent = await lab.send(lab.a, "bob")
    for call in (lab.a, lab.person):
        with pytest.raises(Forbidden, match="somebody else"):
            await lab.invoke("message.ack", {"ids": [sent.id]}, call)


async def test_another_user_reaches_nobody_and_sees_nothing(lab: Lab) -> None:
    sent = await lab.send(lab.a, "bob")
    stranger = Call("c", "user:stranger", frozenset("*"), "http", user="stranger")
    with pytest.raises(NotFound):
        await lab.send(stranger, "bob")
    with pytest.raises(Forbidden):
        await lab.invoke("message.thread", {"thread": sent.thread}, stranger)
    assert await lab.inbox(stranger) == []


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({"to": "nobody", "text": "x"}, NotFound, "ada"),
        ({"to": "ada", "text": "x"}, Invalid, "yourself"),
        ({"text": "x"}, Invalid, "to whom"),
        ({"to": "bob", "text": ""}, Invalid, "text"),
        ({"to": "bob", "text": "x" * 100_001}, Invalid, "text"),
        ({"to": "bob", "text": "x", "kind": "gossip"}, Invalid, "kind"),
        ({"to": "bob", "text": "x", "thread": "thread_none"}, NotFound, "thread_none"),
        ({"reply_to": "message_none", "text": "x"}, NotFound, "message_none"),
    ],
)
async def test_a_message_that_cannot_be_sent_is_refused_with_the_reason(
    lab: Lab, raw: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        await lab.invoke("message.send", raw, lab.a)
    assert await lab.events() == []


async def test_agents_that_answer_each_other_for_ever_are_slowed(lab: Lab) -> None:
    for n in range(PER_MINUTE):
        await lab.send(lab.a, "bob", str(n))
    with pytest.raises(Exhausted, match="in a minute"):
        await lab.send(lab.a, "bob", "one too many")
    await lab.send(lab.b, "ada")  # each has its own measure
    await lab.send(lab.person, "bob")
    lab.clock.turn(60)
    await lab.send(lab.a, "bob", "rested")


async def test_inbox_and_thread_page_without_gap_or_double(lab: Lab) -> None:
    first = await lab.send(lab.a, "bob", "0")
    for n in range(1, 5):
        await lab.send(lab.a, "bob", str(n), thread=first.thread)

    async def pages(name: str, raw: dict[str, Any]) -> list[str]:
        seen, cursor = [], None
        while True:
            page = await lab.invoke(name, {"limit": 2, "cursor": cursor, **raw}, lab.b)
            seen += [message.text for message in page.messages]
            cursor = page.cursor
            if cursor is None:
                return seen

    assert await pages("message.inbox", {}) == ["4", "3", "2", "1", "0"]
    assert await pages("message.thread", {"thread": first.thread}) == ["0", "1", "2", "3", "4"]
    for name, raw in (("message.inbox", {}), ("message.thread", {"thread": first.thread})):
        with pytest.raises(Invalid, match="cursor"):
            await lab.invoke(name, {"cursor": "x", **raw}, lab.b)


async def test_text_goes_into_no_event_and_no_audit_row(lab: Lab) -> None:
    lab.runs(lab.b)
    await lab.send(lab.a, "bob", "canary", data={"k": "canary"})
    rows = await lab.kernel.store.read(lambda s: list(s.exec(select(EventRow.body))))
    assert "canary" not in str(rows)
    (record,) = (await lab.invoke("audit.query", {"operation": "message"})).records
    assert "canary" not in str(record)


async def test_shutting_down_does_not_wait_for_a_delivery(settings: Settings) -> None:
    lab = Lab(settings)
    with anyio.fail_after(10):
        async with running(settings, lab):
            a, b = await lab.agent("ada"), await lab.agent("bob")
            await lab.send(a, "bob")
            lab.runs(b)
            lab.processes.gate = anyio.Event()
            await anyio.wait_all_tasks_blocked()
            lab.clock.turn(RETRY_S)
            asked = lab.processes.asked
            while lab.processes.asked == asked:
                await anyio.sleep(0.01)
