"""What an agent proposes waits for a person, who is asked and whose answer is told."""

from __future__ import annotations

import pytest

from aetherd.core.errors import Conflict, Forbidden, NotFound
from tests.kernel.skill.conftest import Pair, fresh, plain

pytestmark = pytest.mark.anyio


async def test_a_proposal_is_for_nobody_until_a_person_takes_it(pair: Pair) -> None:
    name = fresh()
    made = await pair("ann", "propose", **plain(name), note="it saved me an hour")
    assert (made.state, made.new, made.agent_name) == ("waiting", True, pair.agents["ann"].name)
    inbox = (await pair.lab("message.inbox")).messages
    assert name in inbox[0].text
    assert "saved me an hour" in inbox[0].text
    assert (await pair("bob", "discover", query=name, proposals=True)).proposals == []
    with pytest.raises(NotFound):
        await pair("bob", "get", skill=made.skill)
    assert (await pair("ann", "discover", proposals=True)).proposals[0].id == made.id
    assert (await pair(None, "get", skill=made.skill)).shown == 1
    for who in ("ann", "bob"):
        with pytest.raises(Forbidden, match="for people"):
            await pair(who, "approve", proposal=made.id)
    taken = await pair(None, "approve", proposal=made.id, reason="well done")
    assert (taken.version, taken.everyone, taken.agent) == (1, True, None)
    assert (await pair("bob", "get", skill=name)).id == made.skill
    told = (await pair.lab("message.inbox", pair.call("ann"))).messages[0].text
    assert "was taken" in told
    assert "well done" in told
    with pytest.raises(Conflict, match="approved already"):
        await pair(None, "reject", proposal=made.id, reason="after all not")
    await pair.lab.event("skill.approved", proposal=made.id)


async def test_a_new_version_of_a_persons_skill_is_proposed(pair: Pair) -> None:
    name = fresh()
    await pair(None, "create", **plain(name))
    made = await pair("bob", "propose", skill=name, **plain(name, text="Count them by weight.\n"))
    assert (made.new, made.version) == (False, 2)
    assert (await pair("ann", "get", skill=name)).shown == 1
    with pytest.raises(NotFound):
        await pair("ann", "get", skill=name, version=2)
    assert "by weight" in (await pair("bob", "get", skill=name, version=2)).text
    with pytest.raises(Conflict, match="not taken"):
        await pair(None, "rollback", skill=name, version=2)
    await pair(None, "approve", proposal=made.id)
    assert "by weight" in (await pair("ann", "get", skill=name)).text


async def test_a_person_says_why_not(pair: Pair) -> None:
    name = fresh()
    made = await pair("ann", "propose", **plain(name))
    no = await pair(None, "reject", proposal=made.id, reason="we have one already")
    assert (no.state, no.reason) == ("rejected", "we have one already")
    assert "we have one already" in (await pair.lab("message.inbox", pair.call("ann"))).messages[0].text
    with pytest.raises(NotFound):
        await pair("ann", "get", skill=made.skill)
    again = await pair("ann", "propose", **plain(name, text="Another way.\n"))
    alone = await pair(None, "approve", proposal=again.id, everyone=False)
    assert alone.shared == [pair.agents["ann"].id]
    with pytest.raises(NotFound):
        await pair("bob", "get", skill=name)
