"""What one real Claude Code has learned another one finds in its own place for skills, and uses by its own tool."""

from __future__ import annotations

import contextlib
import http.client
import threading
from pathlib import Path

from tests.e2e.claude_lab import KEY, Claude, aether, model, real, says, tool
from tests.e2e.daemon_lab import Daemon, until

TEXT = "Weigh the box first, then shake it twice."


@real
def test_a_skill_of_one_claude_code_that_a_person_takes_is_used_by_another(daemon: Daemon) -> None:
    name = f"box-weighing-{daemon.key}"[:60].lower()
    files = {"scale.md": "It shows grams.\n"}
    raw = {"name": name, "description": "Weighs wooden boxes.", "text": TEXT, "files": files, "note": "it works"}
    with model(says("I write it down.", aether("tool_call", name="skill.propose", input=raw)), says("Done.")) as api:
        ann = Claude(daemon, api, "learn to weigh boxes")
        assert ann.wait()["text"] == "Done."
        proposed = daemon.call("skill.discover", proposals=True)["proposals"][0]
        assert (proposed["name"], proposed["state"], proposed["risk"]) == (name, "waiting", "low")
        first = api.requests[0]
        assert name not in first.text + first.system
    daemon.call("skill.approve", proposal=proposed["id"])
    agent = daemon.call("agent.create", name=f"bob-{daemon.key}")
    link = Path(agent["home"], ".claude", "skills", name)
    read = tool("Read", file_path=str(link / "scale.md"))
    with model(says("I use it.", tool("Skill", skill=name)), says("The scale?", read), says("Weighed.")) as api:
        bob = Claude(daemon, api, "weigh the box", name=agent["name"], agent=agent["id"])
        assert bob.wait()["text"] == "Weighed."
        listing, used, looked_up = api.requests[:3]
        assert f"{name}: Weighs wooden boxes." in listing.text + listing.system
        assert TEXT not in str(listing.body)
        assert TEXT in used.said
        assert "It shows grams." in looked_up.tool_results[0]  # without asking
        assert link.is_symlink()
        assert Path(link.readlink(), "SKILL.md").read_text().strip().endswith(TEXT)
        assert [one for one in daemon.call("approval.list")["approvals"] if one["pid"] == bob.pid] == []


@real
def test_a_model_step_of_a_skill_is_answered_by_a_model_and_its_run_is_seen(own: Daemon) -> None:
    recipe = (
        "inputs: {box: {type: text}}\n"
        "steps: [{name: guess, kind: model, system: Be short., prompt: 'How heavy is {{ inputs.box }}?'}, "
        "{name: loud, kind: transform, value: 'It is {{ steps.guess.out }}'}]"
    )
    own.call("skill.create", name="guessing", description="Guesses.", text="Guess.", files={"steps.yaml": recipe})
    own.call("agent.create", name="ann")
    with model(says("seven kilos")) as api:
        for name, value in (("ANTHROPIC_BASE_URL", api.url), ("ANTHROPIC_API_KEY", KEY)):
            (own.home / "secrets" / name).write_text(value)
        ran = own.call("skill.run", skill="guessing", agent="ann", inputs={"box": "the red box"})
        assert (ran["outcome"], ran["out"]) == ("completed", "It is seven kilos"), ran
        assert "Be short.\n\nHow heavy is the red box?" in api.requests[0].said
    (run,) = own.call("process.list")["processes"]
    assert run["role"] == "answers a question of a skill"
    assert own.ended(run["pid"])["cost_usd"] > 0


def command(os_pid: int) -> bytes:
    """Return the command line of a process; nothing when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{os_pid}/cmdline").read_bytes()
    return b""


def test_a_command_of_a_skill_does_not_outlive_the_daemon_that_was_killed(own: Daemon) -> None:
    agent = own.call("agent.create", name="ann")["id"]
    recipe = "steps: [{name: wait, kind: shell, run: 'touch here; sleep 1000'}]"
    files = {"steps.yaml": recipe}
    own.call("skill.create", name="waiting", description="Waits.", text="Wait.", files=files)

    def run() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # the daemon is killed meanwhile
            own.call("skill.run", skill="waiting", agent=agent)

    waiting = threading.Thread(target=run)
    waiting.start()
    begun = own.home / "agents" / agent / "home" / "work" / "here"
    until(begun.exists, 30, "the command to begin")
    shims = own.home / "shim"
    assert [one.name for one in shims.iterdir() if "skill" in one.name]
    own.kill()
    waiting.join(30)
    own.start()
    until(lambda: not [one for one in shims.iterdir() if "skill" in one.name], 30, "it to be cleared away")
    until(lambda: not any(b"sleep" in command(one) for one in own.tree()), 10, "the sleep to end")
    files = {"steps.yaml": recipe.replace("sleep 1000", "echo done")}
    own.call("skill.create", name="quick", description="Ends.", text="End.", files=files)
    assert own.call("skill.run", skill="quick", agent=agent)["out"] == "done"
