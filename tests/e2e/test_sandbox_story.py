"""Real Claude Code behind bubblewrap's walls: its tools, a kill of the daemon, a terminal, a person in its TUI."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.claude_lab import Claude, aether, bash, model, real, says
from tests.e2e.daemon_lab import Daemon, until
from tests.e2e.test_takeover import READY, settled, type_line

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
LOOK = "id -u; grep Seccomp: /proc/self/status; ls -A $AETHER_HOUSE $AETHER_HOUSE/agents; echo x > x.txt"


@real
def test_claude_code_in_bwrap_works_through_a_kill_a_terminal_and_a_takeover(own: Daemon) -> None:
    look, whoami = bash(LOOK), aether("process_whoami")
    working = {"text": ["I look ", {"hold": "go"}, "around."]}
    steps = [says(working), says(look), says(whoami), says("I have looked."), says("Answer 2."), says("Answer 3.")]
    with model(*steps) as api:
        claude = Claude(own, api, "look", sandbox={"tier": "bwrap"}, env={"AETHER_HOUSE": str(own.home)})
        assert claude.spawned["sandbox"]["tier"] == "bwrap"
        api.wait_for_request(1)
        own.kill()
        own.start()
        api.release("go")
        claude.decide("allow_once")  # its way to the model went through the daemon: it has asked again
        assert claude.wait()["text"] == "I have looked."
        seen = api.requests[2].tool_results[-1]
        assert "Seccomp:\t2" in seen
        assert f"{own.home}:\nagents\n\n{own.home}/agents:\n{claude.spawned['agent']}" in seen
        assert claude.file("x.txt") == "x\n"
        assert claude.spawned["agent"] in api.requests[3].tool_results[-1]

        terminal = own.call("terminal.open", pid=claude.pid)["terminal"]

        def screen() -> str:
            return "\n".join(own.call("terminal.read", terminal=terminal)["lines"])

        own.call("terminal.send", terminal=terminal, text="tty; cat x.txt", keys=["Enter"])
        until(lambda: "/dev/pts/" in screen(), 20, "the terminal's name", screen)

        own.call("control.acquire", pid=claude.pid)
        own.shows(claude.pid, READY)
        type_line(own, claude.pid, "words of a person")
        own.shows(claude.pid, "Answer 2.")
        own.call("control.release", pid=claude.pid, note="back to you")
        assert "back to you" in api.wait_for_request(6).said
        settled(own, claude.pid, "free")
        assert "/dev/pts/" in screen()  # it was not ended by all that
    own.call("process.kill", pid=claude.pid)
    until(lambda: not (own.home / "shim" / f"h{claude.pid}").exists(), 10, "the end of the sandbox")
