"""What a run has learnt the next one knows, of another agent and another runtime, and after a kill of the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.claude_lab import Claude, aether, model, real, says, tool
from tests.e2e.daemon_lab import Daemon

WEIGHT = "The brass weight in the drawer of the laboratory is 207 grams, whatever is stamped on it."
SCALE = "The laboratory scale drifts for ten minutes after it was switched on."
WEIGHING = {
    "name": "box-weighing",
    "description": "Weighs wooden boxes.",
    "text": "Weigh the box first, then shake it twice.",
    "files": {"steps.yaml": "steps: [{name: weigh, kind: shell, run: 'echo the box has 3 kilograms'}]"},
}
WARMING = {"name": "scale-warming", "description": "Gets a scale ready.", "text": "Wait ten minutes, then zero it."}


def call(name: str, /, **input: Any) -> str:
    """Write a call of a builtin agent's script."""
    return f"call aether_{name} {json.dumps(input)}"


def use(name: str, /, **input: Any) -> str:
    """Write a call of an operation that is not on the menu."""
    return call("tool_call", name=name, input=input)


def take(daemon: Daemon, name: str) -> None:
    """Be the person who takes a skill that was proposed."""
    (proposed,) = [one for one in daemon.call("skill.discover", proposals=True)["proposals"] if one["name"] == name]
    daemon.call("skill.approve", proposal=proposed["id"])


@real
def test_an_agent_of_another_runtime_knows_and_can_do_what_the_run_before_learnt(own: Daemon) -> None:
    learnt = (aether("memory_remember", content=WEIGHT), aether("tool_call", name="skill.propose", input=WEIGHING))
    with model(says("I keep what I learnt.", *learnt), says("Done.")) as api:
        ann = Claude(own, api, "learn to weigh boxes", name="ann")
        assert ann.wait()["text"] == "Done."
    take(own, "box-weighing")
    own.restart()

    bob = own.demo(
        "# weigh the box with the brass weight of the laboratory",
        call("memory_recall", query="brass weight"),
        call("fs_write", path="known.txt", content="$memories.0.content"),
        use("skill.get", skill="box-weighing"),
        call("fs_write", path="how.md", content="$result.text"),
        use("skill.run", skill="box-weighing"),
        call("fs_write", path="done.txt", content="$result.out"),
        call("memory_remember", content=SCALE),
        use("skill.propose", **WARMING),
        "say weighed",
        name="bob",
    )
    assert own.wait(bob["pid"])["text"] == "weighed"
    place = own.home / "agents" / bob["agent"]
    told = json.loads((place / "runtime" / "builtin.json").read_text())["context"]
    assert WEIGHT in told  # before its first step
    assert "- box-weighing: Weighs wooden boxes." in told
    wrote = {path.name: path.read_text().strip() for path in Path(place, "home").iterdir() if path.is_file()}
    assert wrote["known.txt"] == WEIGHT
    assert wrote["how.md"].endswith(WEIGHING["text"])
    assert wrote["done.txt"] == "the box has 3 kilograms"
    take(own, "scale-warming")
    own.restart()

    with model(says("I use it.", tool("Skill", skill="scale-warming")), says("It is ready.")) as api:
        carol = Claude(own, api, "get the laboratory scale ready", name="carol")
        assert carol.wait()["text"] == "It is ready."
        first, used = api.requests[:2]
        assert SCALE in first.system
        assert "scale-warming: Gets a scale ready." in first.text + first.system
        assert WARMING["text"] in used.said
