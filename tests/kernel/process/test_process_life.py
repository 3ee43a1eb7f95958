"""A process that runs: its output, its end, its tree, its story, and what can be done to it in which state."""

from __future__ import annotations

import base64
import itertools
import re
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Invalid, NotFound, Unavailable
from aetherd.kernel.process.housekeeping import sweep_once
from fakes import PATIENCE_S, Estate, Lab

pytestmark = pytest.mark.anyio


async def parts(lab: Lab, name: str, **raw: Any) -> list[Any]:
    """Return every part of a stream."""
    with anyio.fail_after(PATIENCE_S):
        return [part async for part in await lab.running.invoke(name, raw)]


# The end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "code", "signal", "outcome"),
    [("true", 0, None, "completed"), ("echo oh no; exit 3", 3, None, "failed"), ("kill -11 $$", None, 11, "failed")],
)
async def test_an_exit_is_told_as_it_was(
    lab: Lab, script: str, code: int | None, signal: int | None, outcome: str
) -> None:
    found = await lab.ended((await lab.sh(script)).pid)
    assert (found.state, found.exit_code, found.exit_signal, found.outcome) == ("exited", code, signal, outcome)
    assert (found.ended_by, found.os_pid) == (None, None)
    assert found.created_at <= found.started_at <= found.exited_at
    assert found.phase == ("completed" if outcome == "completed" else "failed")
    told = await lab.event("process.exited", pid=found.pid)
    assert (told["data"]["exit_code"], told["data"]["exit_signal"]) == (code, signal)
    assert not (lab.home / "run" / "p" / str(found.pid)).exists()


async def test_the_last_line_printed_is_the_reason_of_a_failure(lab: Lab) -> None:
    made = await lab.sh("echo fine; echo cannot open the door; exit 3")
    assert (await lab.result(made.pid)).error == "exited with code 3: cannot open the door"


async def test_what_a_process_changed_in_its_directory_is_in_its_result(lab: Lab) -> None:
    made = await lab.sh("mkdir sub .git; echo x > sub/new; echo x > .git/index; echo x > note")
    assert (await lab.result(made.pid)).files_changed == ["note", "sub/new"]


async def test_a_wait_ends_with_the_result_with_the_exit_or_with_its_time(lab: Lab) -> None:
    made = await lab.spawn(goal="say done")
    found = await lab("process.wait", pid=made.pid)
    assert (found.outcome, found.text) == ("completed", "done")
    assert (await lab("process.get", pid=made.pid)).state == "running"
    late = await lab("process.wait", pid=made.pid, until="exit", timeout_s=0.05)
    assert late.outcome == "completed"
    assert (await lab("process.get", pid=made.pid)).state == "running"
    await lab("process.send", pid=made.pid, text="exit 3")
    assert (await lab("process.wait", pid=made.pid, until="exit")).error == "exited with code 3"


async def test_a_wait_that_is_over_says_running_and_shows_the_phases_it_saw(lab: Lab) -> None:
    made = await lab.spawn(goal="work")
    await lab.event("process.phase_changed", pid=made.pid, to="thinking")
    told: list[str] = []

    async def progress(done: float, total: float | None, text: str | None) -> None:
        told.append(str(text))

    call = lab.running.call(progress=progress)
    assert (await lab("process.wait", call, pid=made.pid, timeout_s=0.1)).outcome == "running"
    assert told == ["running, thinking"]


# Output ----------------------------------------------------------------------------------------------


async def test_output_is_read_by_absolute_offset_with_the_exact_bytes(lab: Lab) -> None:
    made = await lab.sh(r"printf 'abc\377\376def'")
    await lab.ended(made.pid)
    whole = await lab("process.output", pid=made.pid)
    assert (whole.offset, whole.next_offset, whole.first_offset, whole.eof) == (0, 8, 0, True)
    assert (whole.text, base64.b64decode(whole.base64)) == ("abc��def", b"abc\xff\xfedef")
    first = await lab("process.output", pid=made.pid, limit=3)
    assert (first.text, first.base64, first.next_offset, first.eof) == ("abc", None, 3, False)
    rest = await lab("process.output", pid=made.pid, offset=first.next_offset)
    assert (base64.b64decode(rest.base64), rest.offset, rest.eof) == (b"\xff\xfedef", 3, True)
    beyond = await lab("process.output", pid=made.pid, offset=1000)
    assert (beyond.text, beyond.offset, beyond.next_offset, beyond.eof) == ("", 8, 8, True)


async def test_output_is_followed_from_an_offset_to_the_end(lab: Lab) -> None:
    made = await lab.sh("printf one; read line; printf two; exit 3")
    seen: list[Any] = []
    with anyio.fail_after(PATIENCE_S):
        async for part in await lab.running.invoke("process.output", {"pid": made.pid, "follow": True, "offset": 1}):
            if not seen:
                await lab("process.signal", pid=made.pid, signal="TERM")
            seen.append(part)
    assert "".join(part.text for part in seen).startswith("ne")
    assert [part.eof for part in seen] == [False] * (len(seen) - 1) + [True]
    assert all(before.next_offset == after.offset for before, after in itertools.pairwise(seen))


async def test_output_of_an_ended_process_is_followed_too(lab: Lab) -> None:
    made = await lab.sh("printf done")
    await lab.ended(made.pid)
    seen = await parts(lab, "process.output", pid=made.pid, follow=True)
    assert "".join(part.text for part in seen) == "done"
    assert seen[-1].eof


async def test_standard_error_of_pipes_is_read_apart(lab: Lab) -> None:
    made = await lab.spawn(goal="complain of the weather ;; exit 3")
    await lab.ended(made.pid)
    assert (await lab("process.output", pid=made.pid, stderr=True)).text == "of the weather\n"
    assert (await lab("process.output", pid=made.pid, stderr=True, limit=5)).text == "ther\n"
    assert (await lab.result(made.pid)).error == "exited with code 3: of the weather"


@pytest.mark.parametrize("number", [2, 99])
async def test_an_incarnation_that_never_was_is_not_found(lab: Lab, number: int) -> None:
    made = await lab.sh("true")
    with pytest.raises(NotFound, match=f"no incarnation {number}"):
        await lab("process.output", pid=made.pid, incarnation=number)


# Pause, signals, kill --------------------------------------------------------------------------------


async def test_a_pause_is_shown_until_it_is_resumed_and_only_then_can_be(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    with pytest.raises(Conflict, match="is running, not paused"):
        await lab("process.resume", pid=made.pid)
    for _ in range(2):
        paused = await lab("process.pause", pid=made.pid)
        assert (paused.state, paused.reason) == ("paused", "paused by user:owner")
    assert (await lab("process.resume", pid=made.pid)).state == "running"
    states = [one["to"] for one in lab.of(made.pid, "process.state_changed")]
    assert states == ["starting", "running", "paused", "running"]


async def test_stop_and_cont_are_pause_and_resume(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    assert (await lab("process.signal", pid=made.pid, signal="STOP")).processes == 1
    assert (await lab("process.get", pid=made.pid)).state == "paused"
    await lab("process.signal", pid=made.pid, signal="CONT")
    assert (await lab("process.get", pid=made.pid)).state == "running"


async def test_a_signal_reaches_every_process_of_the_tree(lab: Lab) -> None:
    idle = "while :; do sleep 0.05; done"  # what it kills must not let a shell end before its own signal comes
    child = f"(trap 'printf two.' USR1; printf ready; {idle})"
    made = await lab.sh(f"trap 'printf one.' USR1; {child} & {idle}")
    await lab.printed(made.pid, "ready")
    assert (await lab("process.signal", pid=made.pid, signal="USR1")).processes >= 2
    for word in ("one.", "two."):
        await lab.printed(made.pid, word)
    assert (await lab("process.get", pid=made.pid)).ended_by is None
    await lab("process.kill", pid=made.pid)


async def test_a_term_is_an_end_that_was_asked_for(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    await lab("process.signal", pid=made.pid, signal="TERM")
    found = await lab.ended(made.pid)
    assert (found.outcome, found.ended_by, found.exit_signal) == ("killed", "user:owner", 15)
    states = [one["to"] for one in lab.of(made.pid, "process.state_changed")]
    assert states == ["starting", "running", "stopping", "exited"]


async def test_an_interrupt_of_a_program_is_a_sigint(lab: Lab) -> None:
    made = await lab.sh("trap 'exit 9' INT; printf ready; while :; do sleep 0.05; done")
    await lab.printed(made.pid, "ready")
    await lab("process.interrupt", pid=made.pid)
    found = await lab.ended(made.pid)
    assert (found.exit_code, found.ended_by) == (9, None)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("process.kill", {}),
        ("process.pause", {}),
        ("process.resume", {}),
        ("process.interrupt", {}),
        ("process.signal", {"signal": "INT"}),
        ("process.signal", {"signal": "STOP"}),
        ("process.send", {"text": "x"}),
        ("control.acquire", {"wait_s": 0}),
    ],
)
async def test_nothing_is_done_to_a_process_that_has_ended(lab: Lab, name: str, more: dict[str, Any]) -> None:
    made = await lab.sh("exec sleep 1000")
    killed = await lab("process.kill", pid=made.pid)
    assert (killed.state, killed.ended_by) == ("exited", "user:owner")
    with pytest.raises(Conflict, match="ended"):
        await lab(name, pid=made.pid, **more)
    assert await lab("process.get", pid=made.pid) == killed


async def test_two_kills_at_once_end_a_process_once(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(lab.kernel.rooms["process"]._roster.kill, made.pid, "user:owner")
    assert len(lab.of(made.pid, "process.exited")) == 1


async def test_a_process_over_its_time_is_ended_by_its_limit(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000", limits={"wall_s": 0.2})
    found = await lab.ended(made.pid)
    assert (found.outcome, found.ended_by) == ("killed", "its limit of 0.2 s")


async def test_limits_are_those_of_the_running_program(lab: Lab) -> None:
    made = await lab.sh("cat /proc/self/limits; read line", limits={"open_files": 64, "file_mb": 2})
    text = await lab.printed(made.pid, "realtime timeout")
    found = {name: words.split()[:2] for name, words in re.findall(r"^(Max [a-z ]+?)  +(.*)$", text, re.MULTILINE)}
    assert found["Max open files"] == ["64", "64"]
    assert found["Max file size"] == [str(2 << 20)] * 2


# The story -------------------------------------------------------------------------------------------


async def test_a_timeline_is_paged_from_both_ends(lab: Lab) -> None:
    made = await lab.spawn(goal="say one")
    await lab.result(made.pid)
    await lab("process.kill", pid=made.pid)
    whole = (await lab("process.timeline", pid=made.pid)).events
    ids = [one["id"] for one in whole]
    assert ids == sorted(ids)
    assert (whole[0]["type"], whole[-1]["type"]) == ("process.spawned", "process.exited")
    assert {one["pid"] for one in whole} == {made.pid}
    newest = await lab("process.timeline", pid=made.pid, limit=3)
    assert ([one["id"] for one in newest.events], newest.more) == (ids[-3:], True)
    older = await lab("process.timeline", pid=made.pid, limit=3, before=ids[-3])
    assert ([one["id"] for one in older.events], older.more) == (ids[-6:-3], True)
    onward = await lab("process.timeline", pid=made.pid, limit=2, after=ids[0])
    assert ([one["id"] for one in onward.events], onward.more) == (ids[1:3], True)
    tail = await lab("process.timeline", pid=made.pid, after=ids[-2])
    assert ([one["id"] for one in tail.events], tail.more) == (ids[-1:], False)
    oldest = await lab("process.timeline", pid=made.pid, before=ids[2])
    assert ([one["id"] for one in oldest.events], oldest.more) == (ids[:2], False)


async def test_lists_are_filtered_and_paged_and_refuse_a_wrong_word(lab: Lab) -> None:
    gone, alive = await lab.sh("true"), await lab.sh("exec sleep 1000")
    await lab.ended(gone.pid)
    live = [one.pid for one in (await lab("process.list", state="live", limit=100)).processes]
    assert alive.pid in live
    assert gone.pid not in live
    assert [one.pid for one in (await lab("process.list", agent=gone.agent)).processes] == [gone.pid]
    assert [one.pid for one in (await lab("process.list", agent=gone.name, state="exited")).processes] == [gone.pid]
    page = await lab("process.list", limit=1)
    after = await lab("process.list", limit=1, cursor=page.cursor)
    assert [page.processes[0].pid, after.processes[0].pid] == [alive.pid, gone.pid]
    for wrong in ({"state": "asleep"}, {"cursor": "x"}):
        with pytest.raises(Invalid):
            await lab("process.list", **wrong)


async def test_whoami_tells_an_agent_and_a_person_who_they_are(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    agent = await lab("process.whoami", lab.agent_of(made, toolset="worker"))
    assert (agent.actor, agent.agent, agent.pid) == (f"agent:{made.agent}", made.agent, made.pid)
    assert (agent.name, agent.runtime, agent.toolset) == (made.name, "command", "worker")
    assert agent.home == str(lab.home / "agents" / made.agent / "home")
    owner = await lab("process.whoami")
    assert (owner.actor, owner.agent, owner.pid, owner.home, owner.scopes) == ("user:owner", None, None, None, ["*"])


@pytest.mark.parametrize("name", [f"process.{verb}" for verb in ("get", "kill", "result", "timeline", "output")])
async def test_an_unknown_process_is_not_found(lab: Lab, name: str) -> None:
    with pytest.raises(NotFound, match="no process 999999"):
        await lab(name, pid=999_999)


# What is kept ----------------------------------------------------------------------------------------


async def test_only_output_of_runs_that_ended_long_ago_is_removed(estate: Estate) -> None:
    async with estate.open() as lab:
        old, alive = await lab.sh("printf old"), await lab.sh("printf alive; exec sleep 1000")
        await lab.ended(old.pid)
        workshop = lab.kernel.rooms["process"]._w
        (workshop.host.shims / "term_1").mkdir()
        lab.clock.advance(6.9 * 86_400)
        await sweep_once(workshop)
        assert (await lab("process.output", pid=old.pid)).text == "old"
        lab.clock.advance(0.2 * 86_400)
        young = await lab.sh("printf young")
        await lab.ended(young.pid)
        await sweep_once(workshop)
        assert {place.name for place in workshop.host.shims.glob("[pt]*-1")} >= {f"p{alive.pid}-1", f"p{young.pid}-1"}
        assert (workshop.host.shims / "term_1").is_dir()
        assert (await lab("process.output", pid=young.pid)).text == "young"
        with pytest.raises(NotFound, match="no longer kept"):
            await lab("process.output", pid=old.pid)
        assert (await lab("process.timeline", pid=old.pid)).events[-1]["type"] == "process.exited"
        assert (await lab("process.result", pid=old.pid)).outcome == "completed"


async def test_what_a_daemon_killed_at_the_end_of_a_process_left_is_removed_by_the_next(estate: Estate) -> None:
    async with estate.open() as lab:
        ended, alive = await lab.sh("exec sleep 1000"), await lab.sh("exec sleep 1000")
        vault, doors = lab.home / "secrets" / "process", lab.home / "run" / "p"
        kept = set(vault.iterdir())
        await lab("process.kill", pid=ended.pid)
        (left,) = kept - set(vault.iterdir())
    left.write_text("{}")  # as if it had been killed between the record of the end and what follows it
    (vault / f".{left.stem}.new").touch()
    (doors / str(ended.pid)).mkdir()
    (doors / str(ended.pid) / "s").touch()
    async with estate.open() as lab:
        assert set(vault.iterdir()) == kept - {left}
        assert [place.name for place in doors.iterdir()] == [str(alive.pid)]
        assert (await lab("process.get", pid=alive.pid)).state == "running"


async def test_an_end_that_could_not_be_written_at_first_starts_nothing_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, failed = lab.kernel.rooms["process"]._w.record, []
    end = record.end

    def full(*args: Any, **more: Any) -> None:
        if not failed:
            failed.append(True)
            raise Unavailable("the disk is full")
        end(*args, **more)

    monkeypatch.setattr(record, "end", full)
    made = await lab.sh("exit 3")
    found = await lab.ended(made.pid)
    assert (found.exit_code, found.incarnation, failed) == (3, 1, [True])
