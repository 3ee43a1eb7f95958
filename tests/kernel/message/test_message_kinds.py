"""The kinds of messages: checked data, requests and what answers them, knowledge that is kept, tasks that are real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from aetherd.core.errors import AetherError, Conflict, Exhausted, Forbidden, Invalid, NotFound
from aetherd.kernel.message.kinds import SHAPES, Kind
from aetherd.kernel.message.posts import MOST_WAITING
from aetherd.kernel.message.service import BROADCASTS
from aetherd.operations.operation import Call
from house import Running

pytestmark = pytest.mark.anyio


class Office:
    """Ada, Bob and Eve, of whom none runs: what they are sent waits."""

    def __init__(self, house: Running) -> None:
        self.house, self.who = house, dict[str, Call]()

    async def hire(self, name: str, **more: Any) -> Call:
        made = await self.house.invoke("agent.create", {"name": name, **more})
        self.who[name] = self.house.agent_call(made.id, pid=None)
        return self.who[name]

    async def __call__(self, who: str | None, name: str, /, **raw: Any) -> Any:
        return await self.house.invoke(name, raw, None if who is None else self.who[who])

    async def say(self, who: str | None, kind: str, to: str | None = None, **more: Any) -> Any:
        data = more.pop("data", None)
        raw = {"text": "as agreed", "kind": kind, **more} | ({} if to is None else {"to": to})
        return await self(who, "message.send", **raw, **({} if data is None else {"data": data}))


@pytest.fixture
async def office(house: Running) -> Office:
    made = Office(house)
    for name in ("ada", "bob", "eve"):
        await made.hire(name, role="tester" if name != "eve" else None)
    return made


WRONG = [
    ("review_request", None, r"subject is missing; for example \{.subject.: .src/door.py"),
    ("review_request", {"subject": ""}, "subject: string should have at least 1"),
    ("review_request", {"subject": "x", "path": "y"}, "path is none of its fields, which are subject, questions"),
    ("review_response", {"verdict": "fine"}, "verdict: input should be 'approve', 'changes' or 'reject'"),
    ("task_rejected", {"task": "task_1"}, "reason is missing"),
    ("task_delegate", {"task": 7}, "task: input should be a valid string"),
    ("status_update", {"progress": 2}, "status is missing; progress: input should be less than or equal to 1"),
    ("knowledge_share", {"content": "x", "importance": 9}, "importance"),
    ("text", {"long": "x" * 50_000}, "at most 50,000"),
    ("text", {"number": float("nan")}, "not to be written as JSON"),
    ("text", {"half": "\ud800"}, "not to be written as JSON"),
]


async def test_data_that_does_not_fit_its_kind_is_refused_with_an_example(office: Office) -> None:
    for kind, data, told in WRONG:
        with pytest.raises(Invalid, match=told):
            await office.say("ada", kind, "bob", data=data)
    assert (await office("bob", "message.inbox")).messages == []


async def test_every_kind_has_a_shape_and_its_example_fits(office: Office) -> None:
    assert {"text", *SHAPES} == set(get_args(Kind))
    for kind, shape in SHAPES.items():
        assert shape.model_validate(dict(shape.example)).model_dump(exclude_unset=True) == shape.example, kind
    sent = await office.say("ada", "status_update", "bob", data={"status": "blocked", "by": "the cellar door"})
    assert sent.data == {"status": "blocked", "by": "the cellar door"}


async def test_a_request_and_its_answers_carry_one_id(office: Office) -> None:
    asked = await office.say("ada", "review_request", "bob", data={"subject": "door.py"})
    on_it = await office.say("bob", "status_update", reply_to=asked.id, data={"status": "reading"})
    found = await office.say("bob", "review_response", reply_to=asked.id, data={"verdict": "approve"})
    other = await office.say("ada", "review_request", "bob", data={"subject": "window.py"})
    assert asked.correlation == on_it.correlation == found.correlation != other.correlation
    assert (found.to, found.thread) == (office.who["ada"].agent, asked.thread)
    assert (await office.say("ada", "text", "bob")).correlation is None
    mine = await office.say("ada", "text", reply_to=asked.id)  # one adds to one's own request
    assert (mine.to_name, mine.correlation) == ("bob", asked.correlation)
    by_hand = await office.say(None, "review_request", "bob", data={"subject": "roof.py"})
    await office.say("bob", "review_response", reply_to=by_hand.id, data={"verdict": "reject"})
    to_person = await office.say("bob", "review_request", "owner", data={"subject": "floor.py"})
    assert (await office.say(None, "text", reply_to=to_person.id)).correlation == to_person.correlation


async def test_an_answer_to_nothing_and_nonsense_for_an_answer_are_refused(office: Office) -> None:
    asked = await office.say("ada", "review_request", "bob", data={"subject": "door.py"})
    given = await office.say("ada", "task_delegate", "bob")
    plain = await office.say("ada", "text", "bob")
    verdict, why = {"verdict": "approve"}, {"reason": "no"}
    nonsense: list[tuple[str, str, dict[str, Any], str]] = [
        ("bob", "text", {"reply_to": asked.id}, f"kind review_response.*thread {asked.thread} and without reply_to"),
        ("bob", "text", {"reply_to": given.id}, "kind task_accepted or task_rejected or task_completed"),
        ("bob", "task_accepted", {"reply_to": asked.id}, "answers a task_delegate.*is a review_request"),
        ("bob", "review_response", {"reply_to": given.id, "data": verdict}, "answers a review_request"),
        ("bob", "review_response", {"reply_to": plain.id, "data": verdict}, "is a text"),
        ("bob", "review_response", {"to": "ada", "data": verdict}, "that you got"),
        ("ada", "review_response", {"reply_to": asked.id, "data": verdict}, "of your own"),
        ("bob", "task_rejected", {"to": "ada", "data": why}, "data.task"),
    ]
    for who, kind, raw, told in nonsense:
        with pytest.raises(Invalid, match=told):
            await office.say(who, kind, **raw)
    with pytest.raises(Forbidden, match="between others"):
        await office.say("eve", "review_response", reply_to=asked.id, data=verdict)
    assert (await office("ada", "message.inbox")).messages == []


async def test_shared_knowledge_is_a_memory_that_the_message_names(office: Office) -> None:
    text = "the cellar door sticks in winter"
    sent = await office.say("ada", "knowledge_share", "bob", text=text, data={"tags": ["Door"], "importance": 0.9})
    kept = await office("eve", "memory.get", id=sent.data["memory"])
    assert (kept.content, kept.tags, kept.importance, kept.agent) == (text, ["door"], 0.9, office.who["ada"].agent)
    sent = await office.say("ada", "knowledge_share", "owner", data={"content": "the key hangs on the left"})
    assert (await office("bob", "memory.get", id=sent.data["memory"])).content == "the key hangs on the left"
    before = len((await office(None, "memory.list")).memories)
    with pytest.raises(NotFound):
        await office.say("ada", "knowledge_share", "nobody")
    poor = replace(office.who["ada"], scopes=frozenset({"message:write"}))
    with pytest.raises(Forbidden, match="memory:write"):
        await office.house.invoke("message.send", {"to": "bob", "text": "x", "kind": "knowledge_share"}, poor)
    assert len((await office(None, "memory.list")).memories) == before  # all or nothing


async def test_a_message_about_a_task_is_about_one_that_is_there_and_theirs(office: Office) -> None:
    free = (await office("ada", "task.create", title="sweep")).id
    bobs = (await office("ada", "task.create", title="mop", to="bob")).id
    sent = await office.say("ada", "task_delegate", "bob", data={"task": free, "done_when": "it shines"})
    refusals: list[tuple[str, str, str, str, type[AetherError], str]] = [
        ("ada", "task_delegate", "bob", "task_none", NotFound, "no task task_none"),
        ("eve", "task_delegate", "ada", bobs, Forbidden, "somebody else"),
        ("ada", "task_delegate", "eve", bobs, Forbidden, "none of eve's business"),
        ("bob", "task_completed", "ada", free, Conflict, "task.claim first"),
        ("bob", "task_accepted", "eve", bobs, Forbidden, "none of eve's business"),
    ]
    for who, kind, to, task, error, told in refusals:
        with pytest.raises(error, match=told):
            await office.say(who, kind, to, data={"task": task})
    assert (await office.say("bob", "task_accepted", "ada", data={"task": bobs})).correlation is None
    await office("bob", "task.claim", id=free)
    done = await office.say("bob", "task_completed", reply_to=sent.id, data={"task": free})
    assert done.correlation == sent.correlation
    assert (await office("ada", "task.get", id=free)).state == "claimed"  # words change no task


async def test_what_the_task_room_and_the_house_send_fits_its_kind_too(office: Office) -> None:
    for end, raw in (("task.complete", {"result": "clean"}), ("task.fail", {"reason": "no broom"}), ("task.fail", {})):
        task = (await office("ada", "task.create", title="mop", to="bob")).id
        if raw:
            await office("bob", "task.claim", id=task)
        await office("bob", end, id=task, **(raw or {"reason": "not mine"}))
    await office("ada", "task.cancel", id=(await office("ada", "task.create", title="sweep", to="bob")).id)
    await office.house.kernel.rooms["message"].announce(str(office.who["bob"].agent), "bob", "look", {"path": "x"})
    messages = [one for who in ("ada", "bob") for one in (await office(who, "message.inbox")).messages]
    kinds = {one.kind for one in messages if SHAPES[one.kind].model_validate(one.data)}
    assert kinds == {"task_delegate", "task_accepted", "task_rejected", "task_completed", "status_update"}


async def test_a_broadcast_reaches_all_or_those_of_a_role_or_workspace_and_nobody_put_away(office: Office) -> None:
    await office.hire("old", role="tester")
    await office(None, "agent.archive", agent="old")
    space = await office("ada", "workspace.create", name="yard")
    await office(None, "workspace.mount", workspace=space.id, agent="eve")

    async def reach(who: str | None, **raw: Any) -> list[str]:
        sent = await office(who, "message.broadcast", text="hear", **raw)
        rows = (await office(who, "message.thread", thread=sent.thread)).messages
        assert sent.states == {"queued": sent.recipients} == {"queued": len(rows)}
        return sorted(row.to_name for row in rows)

    assert await reach(None) == ["ada", "bob", "eve"]
    assert await reach("ada") == ["bob", "eve"]
    assert await reach(None, role="tester") == ["ada", "bob"]
    assert await reach("ada", role="tester") == ["bob"]
    assert await reach(None, workspace="yard") == ["ada", "eve"]
    for raw, error in (
        ({"role": "cook"}, NotFound),
        ({"template": "none"}, NotFound),
        ({"workspace": "moon"}, NotFound),
        ({"kind": "review_response"}, Invalid),
        ({"kind": "review_request"}, Invalid),
    ):
        with pytest.raises(error):
            await office(None, "message.broadcast", text="hear", **raw)
    with pytest.raises(Forbidden):
        await office("bob", "message.broadcast", text="hear", workspace="yard")
    for _ in range(BROADCASTS - 2):
        await office("ada", "message.broadcast", text="again")
    with pytest.raises(Exhausted, match="broadcasts in a minute"):
        await office("ada", "message.broadcast", text="once more")


async def test_a_broadcast_request_is_answered_apart_and_a_shared_fact_is_kept_once(office: Office) -> None:
    raw = {"text": "look", "kind": "review_request", "data": {"subject": "door.py"}}
    asked = await office("ada", "message.broadcast", **raw)
    for who in ("bob", "eve"):
        (mine,) = (await office(who, "message.thread", thread=asked.thread)).messages
        answer = await office.say(who, "review_response", reply_to=mine.id, data={"verdict": "approve"})
        assert answer.correlation == asked.correlation
        theirs = {row.from_name for row in (await office(who, "message.thread", thread=asked.thread)).messages}
        assert theirs == {"ada", who}  # nobody reads what another answered
    assert len((await office("ada", "message.thread", thread=asked.thread)).messages) == 4
    shared = await office("ada", "message.broadcast", text="the door sticks", kind="knowledge_share")
    assert [one.id for one in (await office(None, "memory.list")).memories] == [shared.memory]


async def test_what_waits_for_an_agent_that_is_put_away_comes_back_with_one_note(office: Office) -> None:
    for n in range(3):
        await office.say("ada", "text", "bob", text=str(n))
    by_person = await office.say(None, "text", "bob")
    await office(None, "agent.archive", agent="bob")
    late = await office.say("ada", "text", "bob", text="late")
    assert (late.state, late.failed_reason) == ("failed", "agent bob was archived")
    await office.say("ada", "text", "eve")
    await office(None, "agent.remove", agent="eve")
    notes = (await office("ada", "message.inbox")).messages
    assert [(note.sender, len(note.data["messages"])) for note in notes] == [
        ("aetherd", 1),
        ("aetherd", 1),
        ("aetherd", 3),
    ]
    assert "agent eve was removed" in notes[0].text
    (mine,) = (await office(None, "message.inbox")).messages
    assert mine.reply_to == by_person.id
    gone = (await office(None, "message.thread", thread=by_person.thread)).messages[0]
    assert (gone.state, gone.delivered_at, gone.failed_at is None) == ("failed", None, False)
    with pytest.raises(NotFound):
        await office.say("ada", "text", "eve")


async def test_messages_that_nobody_reads_are_not_piled_up_for_ever(office: Office) -> None:
    row = "'x', id, 'a', 'b', 'text', 'next', 'queued', 'x', 'owner', 'home', 'x', 'x', "
    columns = "thread, id, sender_name, recipient_name, kind, priority, state, text, user, org, created_at, created_by"
    count = f"WITH RECURSIVE n(id) AS (SELECT 1 UNION SELECT id + 1 FROM n WHERE id < {MOST_WAITING + 1})"
    fill = f"{count} INSERT INTO message ({columns}, recipient) SELECT {row} ? FROM n"
    await office.house.kernel.store.write(lambda tx: tx.execute(fill, (office.who["bob"].agent,)).fetchall())
    sent = await office.say("ada", "text", "bob")
    assert (sent.state, sent.failed_reason) == ("failed", "1,000 messages wait for it already and it reads none")
    assert (await office.say("ada", "text", "eve")).state == "queued"
