"""What a structured runtime is told, exactly once and in order, and what follows from what it says."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Invalid
from aetherd.store import Tx
from fakes import PATIENCE_S, Estate, Lab, PuppetDecoder

pytestmark = pytest.mark.anyio


async def told(lab: Lab, pid: int, text: str, state: str = "delivered") -> dict[str, Any]:
    """Wait until a text got as far as this."""
    return await lab.event("agent.told", pid=pid, text=text, state=state)


def phases(lab: Lab, pid: int) -> list[str]:
    return [one["to"] for one in lab.of(pid, "process.phase_changed")]


async def deliver(lab: Lab, agent: str, text: str, key: str, priority: str = "next") -> bool:
    """Tell an agent something as the message room does."""
    found: bool = await lab.kernel.rooms["process"].deliver(agent, text, priority, key, "agent:bob")
    return found


# Telling ---------------------------------------------------------------------------------------------


async def test_a_goal_and_what_is_sent_after_it_are_told_once_and_in_order(lab: Lab) -> None:
    made = await lab.spawn(goal="say one")
    sent = [await lab("process.send", pid=made.pid, text=f"say {number}") for number in range(5)]
    await told(lab, made.pid, "say 4")
    assert lab.said(made) == ["say one", *(f"say {number}" for number in range(5))]
    assert [line["id"] for line in lab.heard(made)[1:]] == [one.id for one in sent]
    for one in sent:
        states = [event["state"] for event in lab.of(made.pid, "agent.told") if event["input"] == one.id]
        assert states in (["queued", "sent", "delivered"], ["queued", "delivered"])
    assert {event["by"] for event in lab.of(made.pid, "agent.told")} == {"user:owner"}


async def test_a_text_for_after_the_turn_waits_for_its_end_and_others_do_not(lab: Lab) -> None:
    made = await lab.spawn(goal="work")
    await lab.event("process.phase_changed", pid=made.pid, to="thinking")
    await lab("process.send", pid=made.pid, text="say later", priority="queue")
    await lab("process.send", pid=made.pid, text="work on", priority="next")
    await told(lab, made.pid, "work on")
    assert lab.said(made) == ["work", "work on"]
    await lab("process.interrupt", pid=made.pid)
    await told(lab, made.pid, "say later")
    assert [line["type"] for line in lab.heard(made)] == ["say", "say", "interrupt", "say"]
    assert (await lab.result(made.pid)).text == "later"


async def test_an_interrupted_turn_leaves_the_agent_waiting_for_input(lab: Lab) -> None:
    made = await lab.spawn(goal="work")
    await lab.event("process.phase_changed", pid=made.pid, to="thinking")
    await lab("process.interrupt", pid=made.pid)
    await lab.event("process.phase_changed", pid=made.pid, to="waiting_input")
    found = await lab("process.get", pid=made.pid)
    assert (found.state, found.phase, found.phase_source, found.outcome) == (
        "running",
        "waiting_input",
        "protocol",
        "running",
    )


async def test_a_program_takes_no_text_and_says_where_to_type(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    with pytest.raises(Conflict, match=r"takes no text from aetherd; type in its terminal"):
        await lab("process.send", pid=made.pid, text="ls")
    for wrong in ({"text": ""}, {"text": "x", "priority": "soon"}):
        with pytest.raises(Invalid):
            await lab("process.send", pid=made.pid, **wrong)


async def test_what_was_not_told_before_the_end_is_told_to_have_failed(lab: Lab) -> None:
    made = await lab.spawn(goal="work")
    await lab.event("process.phase_changed", pid=made.pid, to="thinking")
    await lab("process.send", pid=made.pid, text="say never", priority="queue")
    await lab("process.kill", pid=made.pid)
    assert lab.said(made) == ["work"]
    assert [one["state"] for one in lab.of(made.pid, "agent.told") if one["text"] == "say never"] == [
        "queued",
        "failed",
    ]


async def test_a_message_is_delivered_once_per_key(lab: Lab) -> None:
    made = await lab.ready(await lab.spawn(goal="say one"))
    for _ in range(3):
        assert await deliver(lab, made.agent, "say hi", "key-1")
    assert await deliver(lab, made.agent, "say bye", "key-2")
    await told(lab, made.pid, "say bye")
    assert lab.said(made) == ["say one", "say hi", "say bye"]


async def test_a_message_its_process_did_not_hear_goes_to_the_next_run(lab: Lab) -> None:
    made = await lab.spawn(goal="work")
    await lab.event("process.phase_changed", pid=made.pid, to="thinking")
    assert await deliver(lab, made.agent, "say late", "key-3", "queue")
    await lab("process.kill", pid=made.pid)
    assert not await deliver(lab, made.agent, "say late", "key-3")
    again = await lab.ready(await lab.spawn(agent=made.agent))
    for _ in range(2):
        assert await deliver(lab, made.agent, "say late", "key-3")
    await told(lab, again.pid, "say late")
    assert lab.said(made) == ["work", "say late"]


async def test_a_message_waits_outside_while_nobody_can_hear_it(lab: Lab) -> None:
    program, paused = await lab.sh("exec sleep 1000"), await lab.ready(await lab.spawn())
    await lab("process.pause", pid=paused.pid)
    assert not await deliver(lab, program.agent, "hi", "key-4")
    assert not await deliver(lab, paused.agent, "hi", "key-5")
    assert not await deliver(lab, "agent_of_nobody", "hi", "key-6")
    await lab("process.resume", pid=paused.pid)
    assert await deliver(lab, paused.agent, "hi", "key-5")


# What it says ----------------------------------------------------------------------------------------


async def test_what_the_runtime_says_becomes_events_phases_and_a_result(lab: Lab) -> None:
    said = [
        {"type": "thought", "text": "hm"},
        {"type": "called", "id": "t9", "tool": "Read", "input": {"path": "a"}},
        {"type": "returned", "id": "t9", "text": "contents", "is_error": True},
        {"type": "used", "input_tokens": 10, "output_tokens": 2, "cost_usd": 0.5},
        {"type": "used", "input_tokens": 1, "cache_read_tokens": 7, "cost_usd": 0.25},
        {"type": "trouble", "text": "tried again"},
        {"type": "delta", "kind": "text", "text": "par"},
    ]
    made = await lab.spawn(goal=" ;; ".join(f"print {json.dumps(one)}" for one in said) + " ;; say done")
    found = await lab.result(made.pid)
    assert (found.text, found.cost_usd) == ("done", 0.75)
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.cache_read_tokens) == (11, 2, 7)
    assert lab.of(made.pid, "agent.thought") == [{"text": "hm"}]
    assert lab.of(made.pid, "agent.tool_call") == [{"tool_call": "t9", "tool": "Read", "input": {"path": "a"}}]
    assert lab.of(made.pid, "agent.tool_result") == [{"tool_call": "t9", "text": "contents", "is_error": True}]
    assert lab.of(made.pid, "agent.trouble") == [{"text": "tried again"}]
    assert lab.of(made.pid, "agent.text") == [{"text": "done", "interrupted": False}]
    assert phases(lab, made.pid) == ["booting", "thinking", "executing", "observing", "completed"]


async def test_a_line_nobody_understands_is_kept_as_trouble(lab: Lab) -> None:
    made = await lab.spawn(goal='print {"type": "telepathy"} ;; print not json ;; print [] ;; say done')
    await lab.result(made.pid)
    assert [one["text"].partition(": ")[0] for one in lab.of(made.pid, "agent.trouble")] == ["not understood"] * 3
    assert (await lab("process.get", pid=made.pid)).state == "running"


async def test_a_last_line_without_its_end_is_read_too(lab: Lab) -> None:
    made = await lab.spawn(goal='tail {"type":"text","text":"last words"} ;; exit 0')
    found = await lab.ended(made.pid)
    assert (found.outcome, (await lab.result(made.pid)).text) == ("completed", "last words")


async def test_a_limit_is_a_phase_that_says_when_it_lifts(lab: Lab) -> None:
    lifts = "2030-01-01T00:00:00.000000Z"
    ended = {"type": "ended", "outcome": "limited", "error": "enough", "resets_at": "2030-01-01T00:00:00Z"}
    made = await lab.spawn(goal=f"print {json.dumps(ended)} ;; work")
    told = await lab.event("agent.limit_reached", pid=made.pid)
    (last,) = [one for one in lab.of(made.pid, "process.phase_changed") if one["to"] == "limited"]
    assert last["reason"] == f"lifts at {lifts}"
    assert told["data"] == {"error": "enough", "resets_at": "2030-01-01T00:00:00Z", "wakes_at": lifts}
    await lab("process.kill", pid=made.pid)


async def test_a_long_argument_is_cut_in_the_event_and_says_so(lab: Lab) -> None:
    call = {"type": "called", "id": "t", "tool": "Write", "input": {"content": "x" * 30_000, "path": "a"}}
    made = await lab.spawn(goal=f"print {json.dumps(call)} ;; say done")
    await lab.result(made.pid)
    (event,) = lab.of(made.pid, "agent.tool_call")
    assert event["input"]["path"] == "a"
    assert event["input"]["content"].endswith("… (30000 characters)")
    assert len(event["input"]["content"]) < 20_100


async def test_a_finished_run_nobody_talks_to_ends_by_itself(estate: Estate) -> None:
    async with estate.open(idle_exit_s=0.1) as lab:
        busy, done = await lab.spawn(goal="work"), await lab.spawn(goal="say done")
        found = await lab.ended(done.pid)
        assert (found.outcome, found.exit_code, found.ended_by) == ("completed", 0, None)
        assert (await lab("process.get", pid=busy.pid)).state == "running"


# Over a restart --------------------------------------------------------------------------------------


async def test_the_next_daemon_finds_the_process_the_decoder_and_the_inputs_as_they_were(estate: Estate) -> None:
    async with estate.open() as lab:
        made = await lab.spawn(goal="say one")
        await lab("process.send", pid=made.pid, text="print how many ;; say two")
        before = await lab.event("agent.turn_ended", pid=made.pid, text="two")
        (count,) = [one["text"] for one in lab.of(made.pid, "agent.text") if one["text"].endswith("lines")]
        lines = int(count.split()[0])
        running = await lab("process.get", pid=made.pid)
    async with estate.open() as lab:
        adopted = await lab.event("process.adopted", pid=made.pid, os_pid=running.os_pid, incarnation=1)
        assert adopted["id"] > before["id"]
        assert await lab("process.get", pid=made.pid) == running
        await lab("process.send", pid=made.pid, text="print how many ;; say three")
        await lab.event("agent.text", pid=made.pid, text="three")
        counts = [one["text"] for one in lab.of(made.pid, "agent.text") if one["text"].endswith("lines")]
        # how many, text, end; then told, turn, how many
        assert counts == [f"{lines} lines", f"{lines + 5} lines"]
        assert lab.said(made) == ["say one", "print how many ;; say two", "print how many ;; say three"]
        texts = [one["text"] for one in lab.of(made.pid, "agent.text")]
        assert texts == ["one", counts[0], "two", counts[1], "three"]


async def test_what_it_says_and_how_it_ends_while_no_daemon_is_there_is_told_once(estate: Estate) -> None:
    async with estate.open() as lab:
        made = await lab.ready(await lab.spawn(cwd=None))
        gate = lab.home / "agents" / made.agent / "home" / "work" / "gate"
        await anyio.to_thread.run_sync(_fifo, gate)
        await lab("process.send", pid=made.pid, text="fifo gate ;; say meanwhile ;; exit 4")
        await told(lab, made.pid, "fifo gate ;; say meanwhile ;; exit 4")
    with anyio.fail_after(PATIENCE_S):
        await anyio.to_thread.run_sync(gate.write_text, "go")
    async with estate.open() as lab:
        found = await lab.ended(made.pid)
        assert (found.exit_code, found.outcome) == (4, "failed")
        assert [one["text"] for one in lab.of(made.pid, "agent.text")] == ["meanwhile"]
    async with estate.open() as lab:
        assert len(lab.of(made.pid, "process.exited")) == 1


async def test_a_crash_amid_output_that_leaves_no_event_loses_no_line(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 9000  # 9 MB: more than the shim keeps of what it was told is safe
    async with estate.open() as lab:
        made = await lab.ready(await lab.spawn())
        seen, enough = [], anyio.Event()

        def frame(one: Any) -> None:
            seen.append(one)
            if len(seen) == many:
                enough.set()

        monkeypatch.setattr(lab.kernel.hub, "publish_frame", frame)
        await lab("process.send", pid=made.pid, text=f"pour {many} ;; work")
        with anyio.fail_after(PATIENCE_S):
            await enough.wait()
    async with estate.open() as lab:
        await lab("process.send", pid=made.pid, text="print how many ;; say all")
        await lab.result(made.pid)
        assert lab.of(made.pid, "agent.trouble") == []
        lines = 1 + 2 + many + 2 + 1  # the conversation; twice what it was told, and its turn; this question
        assert [one["text"] for one in lab.of(made.pid, "agent.text")] == [f"{lines} lines", "all"]


async def test_big_lines_are_read_in_a_thread_and_in_their_order(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made, big = await lab.ready(await lab.spawn()), "x" * 300_000
    threads: dict[str, str] = {}
    decode = PuppetDecoder.decode

    def watched(self: PuppetDecoder, line: bytes) -> Any:
        threads[line.decode()] = threading.current_thread().name
        return decode(self, line)

    monkeypatch.setattr(PuppetDecoder, "decode", watched)
    await lab("process.send", pid=made.pid, text=f"print one ;; long {len(big)} ;; print two ;; say done")
    await lab.result(made.pid)
    assert [one["text"][16:19] for one in lab.of(made.pid, "agent.trouble")] == ["one", "xxx", "two"]
    assert threads[big] != threading.main_thread().name


@pytest.mark.parametrize("taken", [True, False])
async def test_an_input_that_was_under_way_at_the_crash_is_told_once(estate: Estate, taken: bool) -> None:
    async with estate.open() as lab:
        made = await lab.ready(await lab.spawn())
        await lab("process.send", pid=made.pid, text="say one")
        await told(lab, made.pid, "say one")
        room = lab.kernel.rooms["process"]

        def crash(tx: Tx) -> None:
            """Leave what a daemon leaves that is killed before, or after, the shim took the bytes."""
            if taken:
                tx.execute("UPDATE process_input SET state = 'sending' WHERE pid = ?", (made.pid,))
            else:
                item = room._record.add_input(tx, room._record.row(tx, made.pid), "say", "say two", by="user:owner")
                item.state, item.incarnation, item.frame = "sending", 1, 2
                tx.session.add(item)
                tx.execute("UPDATE process_incarnation SET frame = 2 WHERE pid = ?", (made.pid,))

        await lab.kernel.store.write(crash)
    async with estate.open() as lab:
        await lab("process.send", pid=made.pid, text="say three")
        await told(lab, made.pid, "say three")
        assert lab.said(made) == (["say one", "say three"] if taken else ["say one", "say two", "say three"])


async def test_a_pause_a_wall_time_and_a_queue_go_on_under_the_next_daemon(estate: Estate) -> None:
    async with estate.open(max_running=2) as lab:
        paused = await lab.sh("exec sleep 1000")
        limited = await lab.sh("exec sleep 1000", limits={"wall_s": 3600})
        queued = await lab.sh("exit 6")
        await lab("process.pause", pid=paused.pid)
    estate.clock.advance(3600)
    async with estate.open(max_running=2) as lab:
        assert (await lab.ended(limited.pid)).ended_by == "its limit of 3600 s"
        assert (await lab.ended(queued.pid)).exit_code == 6
        assert (await lab("process.get", pid=paused.pid)).state == "paused"
        assert (await lab("process.kill", pid=paused.pid)).state == "exited"


def _fifo(path: Path) -> None:
    os.mkfifo(path)
    path.chmod(0o666)
