"""What a runtime does when something goes wrong: the model, its process, the daemon; and whether it was shown so."""

from __future__ import annotations

import time

from tests.conformance_runtimes.behaviour import HALF, REST, behaviour
from tests.conformance_runtimes.bench import SOON_S, Bench, Lacks, aether, says
from tests.conformance_runtimes.truth import DEAD, IDLE, LIMITED, STARTING, WORKING
from tests.e2e.daemon_lab import until, words


@behaviour
def slow_model(bench: Bench) -> None:
    """A model that is silent for seconds is waited for, and asked once."""
    bench.idle()
    bench.say("Begin.", says("At last.", delay_ms=4000))
    assert bench.turn()["text"] == "At last."
    assert len(bench.requests()) == 1, f"the model was asked {len(bench.requests())} times"


@behaviour
def oversized(bench: Bench) -> str:
    """A tool's answer of 350 kB is survived, and what is shown of it is bounded."""
    bench.idle()
    try:
        large = bench.command("seq 60000")
    except Lacks:
        large = says(aether("fs_read", path="work/large.txt"))
        (bench.agent.place / "large.txt").write_text("large " * 60_000)
    bench.say("Read it.", large, says("That was large."))
    bench.allow_until(2)
    assert bench.turn()["text"] == "That was large."
    [answer] = bench.requests()[1].tool_results or [""]
    [shown] = bench.events("agent.tool_result")
    assert len(answer) > 500, f"the model was told {answer[:150]!r}"
    assert len(str(shown["data"])) < 25_000, f"{len(str(shown['data']))} characters in an event"
    return f"{len(answer):,} characters for the model"


@behaviour
def overload(bench: Bench) -> None:
    """A provider that is overloaded for a moment is asked again, and the turn completes."""
    bench.idle()
    busy = {"error": {"status": 529, "message": "overloaded"}}
    bench.say("Begin.", busy, says("At last."))
    ended = bench.turn()
    assert (ended["outcome"], ended["text"]) == ("completed", "At last."), ended


@behaviour
def cut_stream(bench: Bench) -> str:
    """An answer that is cut off in the middle is asked for again, or the turn is shown as failed."""
    bench.idle()
    cut = says("one two three four five six", chunk=4, drop=3)
    bench.say("Begin.", cut, says("one two three", unsure=True))
    ended = bench.turn()
    assert ended["outcome"] == "failed" or ended["text"].endswith("one two three"), ended
    if ended["outcome"] == "failed":
        return f"failed: {ended['error']}"
    return "asked again" if ended["text"] == "one two three" else f"asked again, the text is {ended['text']!r}"


@behaviour
def garbage(bench: Bench) -> str:
    """An answer that is no answer ends in an error or another try, never in silence."""
    bench.idle()
    junk = says(["one ", {"raw": "data: {]nonsense\n\n"}, "two"], unsure=True)
    bench.say("Begin.", junk, says("one two", unsure=True), says("one two", unsure=True))
    ended = bench.turn(40)
    assert ended["outcome"] in ("failed", "limited") or ended["text"] == "one two", ended
    return f"{ended['outcome']}, {len(bench.requests())} requests"


@behaviour
def bad_model(bench: Bench) -> str:
    """A model the provider does not know fails the turn, and the error says so."""
    bench.idle()
    missing = {"error": {"status": 404, "message": "there is no model of that name here"}}
    bench.begin(default=missing)
    bench.agent.watch.know("a text for it", IDLE, WORKING)
    bench.tell("Begin.")
    ended = bench.turn(40)
    assert ended["outcome"] == "failed", ended
    assert "model" in str(ended["error"]), f"the error says {ended['error']!r}"
    bench.until("it to be shown as failed", lambda p: p["phase"] == "failed" or p["outcome"] == "failed")
    return str(ended["error"])[:120]


@behaviour
def limit(bench: Bench) -> str:
    """A usage limit parks it, and it goes on by itself when the limit lifts."""
    bench.idle()
    lifts = int(time.time()) + 6
    headers = {"anthropic-ratelimit-unified-reset": lifts, "anthropic-ratelimit-unified-status": "rejected"}
    refusal = {"status": 429, "message": "usage limit reached", "retry_after": 6, "headers": headers}
    bench.begin(default={"error": refusal})
    bench.agent.watch.know("a text for it", IDLE, WORKING)
    bench.tell("Begin.")
    bench.request(1)
    shown = bench.until("it to be shown as limited", lambda p: p["phase"] == "limited", 45)
    bench.agent.watch.know("the limit", LIMITED, STARTING, WORKING, IDLE)
    bench.begin(default=says("Gone on.", unsure=True))
    bench.heard(
        "the end of the turn", lambda e: e["type"] == "agent.turn_ended" and e["data"]["text"] == "Gone on.", 80
    )
    return str(shown["reason"] or "went on at the reset")[:120]


@behaviour
def stop(bench: Bench) -> str:
    """Ends within 5 s when it is told to, and leaves nothing behind."""
    bench.idle()
    tree = bench.call("process.tree")["os_pids"]
    begun = time.monotonic()
    bench.agent.watch.know("the kill", DEAD, IDLE)
    bench.call("process.kill")
    bench.gone(tree)
    shown = bench.until("its end", lambda p: p["state"] == "exited", 5)
    assert shown["ended_by"] == "user:owner", shown["ended_by"]
    return f"{len(tree)} processes, after {time.monotonic() - begun:.1f} s"


@behaviour
def tree_kill(bench: Bench) -> str:
    """A child that runs away from its group dies with it."""
    bench.idle()
    mark = f"97531.{bench.agent.pid}"
    bench.say("Begin.", bench.command(f"setsid -f sleep {mark}"), says("It runs."))
    away: list[int] = []

    def look() -> bool:  # some wait for the child, which holds the output open
        bench.allow()
        tree = bench.call("process.tree")["os_pids"]
        away[:] = [one for one in tree if words(one)[-1:] == [mark]]
        return bool(away)

    until(look, SOON_S, "the child among its processes")
    tree = bench.call("process.tree")["os_pids"]
    bench.agent.watch.know("the kill", DEAD, IDLE, WORKING)
    bench.call("process.kill")
    bench.gone(away)
    return f"{len(tree)} processes"


@behaviour
def crash(bench: Bench) -> str:
    """A runtime that dies in mid-turn is shown as dead within 5 s."""
    bench.idle()
    bench.say("Begin.", says([HALF, {"hold": "never"}, REST]))
    until(lambda: bench.request(1).first_byte_at, SOON_S, "the first byte")
    begun = time.monotonic()
    bench.crash()
    shown = bench.until("its end", lambda p: p["state"] in ("exited", "lost"), 10)
    took = time.monotonic() - begun
    assert took < 5, f"after {took:.1f} s"
    assert shown["outcome"] in ("killed", "failed"), shown["outcome"]
    return f"{shown['outcome']} after {took:.2f} s"


@behaviour
def resume(bench: Bench) -> None:
    """After a kill -9 it goes on in the same conversation."""
    bench.demand("resume")
    agent = bench.spawn("My favourite colour is moss green.", says("I note it."))
    bench.turn(bench.kind.start_s)
    bench.crash()
    bench.until("its end", lambda p: p["state"] in ("exited", "lost"), 10)
    bench.spawn("Which colour was it?", says("Moss green."), agent=agent.name, name=None)
    request = bench.request(1, bench.kind.start_s)
    assert "moss green" in request.text, "the model is not shown what was said before"
    assert "Which colour" in request.said + request.system
    assert bench.turn()["text"] == "Moss green."


@behaviour
def daemon_killed(bench: Bench) -> str:
    """A kill -9 of the daemon between two turns costs nothing: same process, next text answered."""
    bench.idle()
    before = bench.runtimes()
    bench.daemon.kill()
    bench.daemon.start()
    assert bench.runtimes() == before, "it is another process"
    bench.say("Are you there?", says("I am."))
    assert bench.turn()["text"] == "I am."
    return f"pid {before[0]} lived on" if before else "lived on"


@behaviour
def daemon_killed_working(bench: Bench) -> str:
    """A kill -9 of the daemon in the middle of a text: the turn comes to an end that is shown."""
    bench.idle()
    bench.say("Begin.", says([HALF, {"hold": "go"}, REST], unsure=True), says(HALF + REST, unsure=True))
    until(lambda: bench.request(1).first_byte_at, SOON_S, "the first byte")
    bench.agent.watch.know("the daemon's end", WORKING, IDLE, DEAD)
    bench.daemon.kill()
    bench.api.release("go")
    bench.daemon.start()
    ended = bench.turn(40)
    assert ended["text"] == HALF + REST or ended["outcome"] == "failed", ended
    return f"{ended['outcome']}, the model asked {len(bench.requests())} times"


@behaviour
def state_true(bench: Bench) -> str:
    """What is shown equals what the script knows, in at least 99 of 100 looks, and never a dead one at work."""
    bench.leave()
    score = bench.score
    assert score.samples, "nobody looked"
    assert not score.alive_when_dead, f"{score.alive_when_dead} times at work when dead"
    assert score.share >= 0.99, f"{score.share:.2%} of {score.samples}: {score.wrong[0]}"
    return f"{score.share:.2%} of {score.samples:,} looks" + "".join(f"; {one}" for one in score.wrong[:1])
