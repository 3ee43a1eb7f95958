"""What a runtime does while all is well: the small task, questions, texts in between, standing still, a takeover."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.conformance_runtimes.behaviour import HALF, REST, behaviour
from tests.conformance_runtimes.bench import SOON_S, Bench, aether, says
from tests.conformance_runtimes.kinds import KEY
from tests.conformance_runtimes.truth import CONTROLLED, IDLE, PAUSED, STARTING, WORKING
from tests.e2e.daemon_lab import until, words

GOAL = "Keep in mind that the cellar door sticks, then say that you did."
KEPT = "the cellar door sticks"
USAGE = {"input_tokens": 1200, "output_tokens": 34, "cache_read_input_tokens": 560}


def task(bench: Bench) -> dict[str, Any]:
    """Do the small task once: call one of aetherd's tools, then say a sentence that is held back in its middle."""
    if "task" not in bench.kept:
        kept = ["It is ", {"hold": "rest"}, "kept."]
        steps = (says("I keep it.", aether("memory_remember", content=KEPT), usage=USAGE), says(kept, usage=USAGE))
        begun = time.monotonic()
        bench.spawn(GOAL, *steps)
        found: dict[str, Any] = {"begun": begun}
        bench.kept["task"] = found  # also when something of it fails
        bench.request(1, bench.kind.start_s)
        found["asked_s"] = time.monotonic() - begun
        bench.request(2)
        until(lambda: bench.requests()[1].first_byte_at, SOON_S, "the first byte")
        try:
            bench.heard("a part of the text", lambda e: e["type"] == "agent.delta" and "It is" in e["data"]["text"], 5)
            found["streamed"] = True
        except AssertionError:
            found["streamed"] = False
        bench.api.release("rest")
        found["ended"] = bench.turn()
        found["took_s"] = time.monotonic() - begun
        found["requests"] = bench.requests()
        found["events"] = bench.events()
        found["result"] = bench.call("process.result")
    done: dict[str, Any] = bench.kept["task"]
    return done


def told(bench: Bench) -> str:
    """Tell the small task in one line."""
    found = bench.kept.get("task")
    if found is None or "result" not in found:
        return "was not tried" if found is None else "did not come to its end"
    used = found["result"]["usage"]
    called = [e["data"]["tool"] for e in found["events"] if e["type"] == "agent.tool_call"]
    tokens = f"{used['input_tokens']:,} tokens in, {used['output_tokens']:,} out"
    return f"called {', '.join(called)}, said {found['result']['text']!r}; {tokens}; {found['took_s']:.1f} s"


def done(bench: Bench) -> dict[str, Any]:
    """Return the small task when it came to its end."""
    found = task(bench)
    assert "result" in found, "the small task did not come to its end"
    return found


@behaviour
def start(bench: Bench) -> str:
    """Starts, and its model is asked."""
    return f"asked after {task(bench)['asked_s']:.1f} s"


@behaviour
def goal_once(bench: Bench) -> None:
    """The goal reaches the model, once."""
    request = done(bench)["requests"][0]
    assert (count := request.text.count(GOAL)) == 1, f"{count} times"


@behaviour
def tools_offered(bench: Bench) -> str:
    """aetherd's tools are offered from the first request on."""
    offered = [name for name in done(bench)["requests"][0].tools if "aether_" in name]
    assert offered, "none"
    return f"{len(offered)} tools, such as {offered[0]}"


@behaviour
def tool_call(bench: Bench) -> None:
    """A call of aetherd's tool is done and its answer reaches the model."""
    [answer] = done(bench)["requests"][1].tool_results or [""]
    assert KEPT in answer or '"id"' in answer, f"the model was told {answer[:200]!r}"
    [kept] = bench.daemon.call("memory.recall", query="cellar door", limit=1)["memories"] or [{}]
    assert kept.get("content") == KEPT, "nothing was kept"


@behaviour
def stream(bench: Bench) -> None:
    """Text is shown while the model is still writing."""
    assert done(bench)["streamed"], "it comes when it is whole"


@behaviour
def result(bench: Bench) -> str:
    """The last text is the result, and the goal is shown as completed."""
    found = done(bench)
    assert found["ended"]["outcome"] == "completed", found["ended"]
    assert (found["result"]["text"], found["result"]["outcome"]) == ("It is kept.", "completed"), found["result"]
    return f"after {found['took_s']:.1f} s"


@behaviour
def usage(bench: Bench) -> str:
    """Tokens are counted as the provider told them, titles and the like included."""
    done(bench)
    wanted: dict[str, int] = {}
    shown: dict[str, int] = {}

    def look() -> bool:  # a title may be asked for after the answer
        asked = [request for request in bench.api.log if request.dialect]
        told = [{"input_tokens": 100, "output_tokens": 20, **request.answered.get("usage", {})} for request in asked]
        wanted["input_tokens"] = sum(one["input_tokens"] for one in told)
        wanted["output_tokens"] = sum(one["output_tokens"] for one in told)
        wanted["cache_read_tokens"] = sum(one.get("cache_read_input_tokens", 0) for one in told)
        shown.update(bench.call("process.result")["usage"])
        return {key: shown[key] for key in wanted} == wanted

    until(look, 5, "the numbers of the provider", lambda: f"{shown} instead of {wanted}")
    return f"{wanted['input_tokens']:,} in, {wanted['output_tokens']:,} out"


@behaviour
def phases(bench: Bench) -> str:
    """Goes through booting, thinking, executing, observing and completed, in this order."""
    seen = [e["data"]["to"] for e in done(bench)["events"] if e["type"] == "process.phase_changed"]
    wanted = ["booting", "thinking", "executing", "observing", "completed"]
    assert [one for one in seen if one in wanted] == wanted, " ".join(seen)
    return " ".join(seen)


@behaviour
def key_hidden(bench: Bench) -> str:
    """The provider's key is in no environment, command line or file of the agent."""
    bench.idle()
    assert all(request.key == KEY for request in bench.api.requests), "the provider was not given the key"
    tree = bench.call("process.tree")["os_pids"]
    for one in tree:
        assert KEY not in " ".join(words(one)), f"in the command line of {words(one)[:3]}"
        try:
            with open(f"/proc/{one}/environ", "rb") as environ:
                assert KEY.encode() not in environ.read(), f"in the environment of {words(one)[:3]}"
        except OSError:
            continue
    files = [
        path for path in bench.agent.place.parents[1].rglob("*") if path.is_file() and path.stat().st_size < 1 << 24
    ]
    for path in files:
        assert KEY.encode() not in path.read_bytes(), f"in {path.name}"
    return f"{len(tree)} processes, {len(files)} files"


@behaviour
def approve(bench: Bench) -> str:
    """A command waits for a person, and runs when it is allowed."""
    agent = bench.idle()
    bench.say("Make a file.", bench.command("touch allowed.txt"), says("Made."))
    bench.request(1)
    asked = bench.decide_when_unrun("allowed.txt", "allow_once")
    bench.request(2)
    assert (agent.place / "allowed.txt").exists(), "it did not run"
    assert bench.turn()["outcome"] == "completed"
    return f"asks for {asked['tool']}"


@behaviour
def deny(bench: Bench) -> str:
    """A refused command does not run, and the model is told."""
    agent = bench.idle()
    bench.say("Make a file.", bench.command("touch refused.txt"), says("I understand."))
    bench.decide_when_unrun("refused.txt", "deny", reason="not on a Friday")
    ended = bench.turn()
    assert not (agent.place / "refused.txt").exists(), "it ran"
    assert len(bench.requests()) > 1, f"the turn ended {ended['outcome']} and the model was not told"
    second = bench.requests()[1]
    assert second.tool_results, "the model was told nothing"
    told = " ".join(second.tool_results) + second.said + second.system
    return "with the reason" if "not on a Friday" in told else f"without the reason: {told[:80]!r}"


@behaviour
def allow_run(bench: Bench) -> None:
    """What is allowed for the run is not asked for again."""
    agent = bench.idle()
    steps = (bench.command("touch first.txt"), bench.command("touch second.txt"), says("Made."))
    bench.say("Make two files.", *steps)
    bench.decide_when_unrun("first.txt", "allow_run")
    bench.turn()
    assert (agent.place / "second.txt").exists(), "the second did not run"


def _sent(text: str) -> Callable[[dict[str, Any]], bool]:
    """Return what recognizes that a text was written to the runtime."""

    def met(event: dict[str, Any]) -> bool:
        told = event["data"] if event["type"] == "agent.told" else {}
        return text in str(told.get("text")) and told.get("state") in ("sent", "delivered")

    return met


@behaviour
def steer(bench: Bench) -> None:
    """A text in mid-turn reaches the model in the same turn."""
    bench.demand("steer")
    bench.idle()
    held = says("First.", aether("process_whoami"), hold="go")
    bench.say("Look who you are.", held, says("I heard."))
    bench.request(1)
    bench.tell("mind the gap")
    bench.heard("the text to be sent", _sent("gap"))
    bench.api.release("go")
    second = bench.request(2)
    assert "mind the gap" in second.text + second.system, "not in the next request"
    bench.turn()
    assert len(bench.turns()) == 1, f"{len(bench.turns())} turns"


@behaviour
def queue(bench: Bench) -> None:
    """A queued text waits for the end of the turn, then has one of its own."""
    bench.idle()
    bench.say("Begin.", says(["One, ", {"hold": "go"}, "two."]), says("And the next."))
    bench.request(1)
    bench.tell("now the next", "queue")
    assert len(bench.requests()) == 1
    bench.api.release("go")
    second = bench.request(2)
    assert "now the next" in second.said + second.system, "it is not in the second request"
    bench.heard("the second end", lambda e: e["type"] == "agent.turn_ended" and e["data"]["text"] == "And the next.")
    assert [turn["text"] for turn in bench.turns()] == ["One, two.", "And the next."], bench.turns()


@behaviour
def interrupt(bench: Bench) -> str:
    """A turn can be stopped in mid-text; the process lives and takes the next text."""
    bench.demand("interrupt")
    bench.idle()
    bench.say("Begin.", says([HALF, {"hold": "never"}, REST]))
    until(lambda: bench.request(1).first_byte_at, SOON_S, "the first byte")
    before = bench.runtimes()
    begun = time.time()
    bench.agent.watch.know("the interrupt", IDLE, WORKING)
    bench.call("process.interrupt")
    ended = bench.heard("the end of the turn", lambda e: e["type"] == "agent.turn_ended")
    bench.agent.watch.know("the interrupted end", IDLE)
    assert ended["data"]["outcome"] == "interrupted", ended["data"]
    bench.say("Again.", says("Again it is."))
    assert bench.turn()["text"] == "Again it is."
    assert set(before) & set(bench.runtimes()), "it is another process now"
    return f"after {(ended['came'] - begun) * 1000:.0f} ms"


@behaviour
def pause(bench: Bench) -> None:
    """Stands still in mid-text and goes on where it was."""
    bench.idle()
    bench.say("Begin.", says([HALF, {"hold": "go"}, REST]))
    until(lambda: bench.request(1).first_byte_at, SOON_S, "the first byte")
    bench.agent.watch.know("the pause", PAUSED, WORKING)
    bench.call("process.pause")
    bench.agent.watch.know("standing still", PAUSED)
    mark = bench.watcher.mark
    bench.api.release("go")
    bench.answered(1)
    time.sleep(0.5)  # noqa: TID251 - nothing must happen in this time
    said = bench.watcher.since(mark, "agent.text", "agent.turn_ended", "agent.delta", pid=bench.agent.pid)
    assert not said, f"{said[0]['type']} came from a process that stands still"
    bench.agent.watch.know("going on", WORKING, PAUSED, IDLE)
    bench.call("process.resume")
    assert bench.turn()["text"] == HALF + REST
    bench.agent.watch.know("the end after it", IDLE)
    assert len(bench.requests()) == 1, f"the model was asked {len(bench.requests())} times"


@behaviour
def takeover(bench: Bench) -> str:
    """A person opens the same conversation in the runtime's own terminal, and hands it back."""
    bench.demand("takeover")
    bench.idle()
    bench.say("Say the word.", says("Heliotrope."))
    bench.turn()
    begun = time.monotonic()
    bench.agent.watch.know("the takeover", CONTROLLED, IDLE, WORKING)
    bench.call("control.acquire")
    bench.daemon.shows(bench.agent.pid, "Heliotrope.", bench.kind.start_s)
    took = time.monotonic() - begun
    bench.agent.watch.know("handing back", CONTROLLED, IDLE, WORKING, STARTING)
    bench.call("control.release")
    until(lambda: bench.call("control.status")["step"] == "free", bench.kind.start_s, "control to be free")
    bench.say("Which word was it?", says("The same."))
    request = bench.request(1, bench.kind.start_s)
    assert "Heliotrope." in request.text, "the model is not shown what was said before"
    assert bench.turn()["text"] == "The same."
    return f"its screen after {took:.1f} s"
