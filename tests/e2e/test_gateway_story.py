"""Real Claude Code behind the model gateway: the key stays with the daemon, and a budget stops it."""

from __future__ import annotations

import secrets
from pathlib import Path

from tests.e2e.claude_lab import Claude, aether, bash, give_key, model, real, says
from tests.e2e.daemon_lab import Daemon, until
from tests.e2e.test_takeover import READY, type_line

# What an agent can look at: its environment, everybody's in /proc, and files. The pattern is not its own match.
LOOK = (
    "{ env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; } 2>/dev/null | grep -ac 'planted-canar[y]-'; "
    "grep -rasl --exclude-dir=proc 'planted-canar[y]-' \"$HOME\" /run /tmp /etc; echo looked"
)


def holders(place: Path, canary: bytes) -> list[Path]:
    """Return the files below a place that have the canary in them."""
    return [file for file in place.rglob("*") if file.is_file() and canary in file.read_bytes()]


@real
def test_a_key_of_the_daemon_is_found_in_no_place_of_an_agent_nor_in_what_the_daemon_keeps() -> None:
    canary = f"planted-canary-{secrets.token_hex(8)}"
    remember = aether("memory_remember", content="the lamp is broken")
    script = [says("I look.", bash(LOOK), usage={"input_tokens": 1000, "output_tokens": 100}), says(remember, "Done.")]
    with (
        model(*script, default=says("Again."), key=canary) as api,
        Daemon(env={"ANTHROPIC_API_KEY": canary, "ANTHROPIC_BASE_URL": api.url}) as daemon,
    ):
        claude = Claude(daemon, api, "look for keys", direct=False, name="curious")
        daemon.call("model.configure", trace={"curious": True})
        claude.decide("allow_once")
        assert claude.wait()["text"].endswith("Again.")
        (found,) = api.requests[1].tool_results
        assert found.split() == ["0", "looked"]
        assert {(request.key, request.dialect) for request in api.log} == {(canary, "anthropic")}
        usage = daemon.call("model.usage", agent="curious")
        assert usage["cost_usd"] == claude.get()["cost_usd"] > 0

        daemon.call("control.acquire", pid=claude.pid)  # its own TUI goes the same way
        daemon.shows(claude.pid, READY)
        type_line(daemon, claude.pid, "words of a person")
        until(lambda: any("words of a person" in one.said for one in api.requests), 20, "the person's words")
        daemon.shows(claude.pid, "Again.")
        daemon.call("control.release", pid=claude.pid)
        daemon.call("snapshot.create", agent="curious")
        for os_pid in daemon.tree():
            place = Path(f"/proc/{os_pid}")
            assert canary.encode() not in (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
        daemon.terminate()
        assert holders(daemon.home, canary.encode()) == []
        assert canary not in daemon.log.read_text()


@real
def test_a_run_that_has_spent_its_budget_stops_at_once_and_says_so() -> None:
    with model(says(bash("true")), default=says("More."), side=says("a title")) as api, Daemon() as daemon:
        give_key(daemon, api)
        claude = Claude(daemon, api, direct=False, budget=0.0001)
        result = claude.wait()
        assert result["outcome"] != "completed"
        assert "budget" in str(result["error"]) + str(result["text"])
        assert api.log == []
