"""Two real Claude Codes in one workspace: the second is refused, writes past it all the same, and both hear of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.claude_lab import Claude, aether, bash, model, real, says
from tests.e2e.daemon_lab import Daemon, until


def reserve(reason: str) -> dict[str, Any]:
    """Reserve by the way of a worker, whose menu does not list it."""
    return aether(
        "tool_call", name="workspace.reserve", input={"workspace": "site", "path": "index.html", "reason": reason}
    )


@real
def test_two_agents_reserve_one_file_and_a_write_past_it_reaches_both(daemon: Daemon) -> None:
    made = daemon.call("workspace.create", name="site")
    write = aether("fs_write", workspace="site", path="index.html", content="ann's\n")
    past = aether("fs_write", workspace="site", path="index.html", content="bob's\n")
    with (
        model(says("Mine.", reserve("a new header")), says("I write.", write), says("Working.")) as ann_api,
        model(
            says("Mine too?", reserve("a typo")),
            says("Then so.", past),
            says(bash("echo bob >> index.html")),
            says("Ha."),
        ) as bob_api,
    ):
        ann = Claude(daemon, ann_api, "make a header", workspace="site")
        assert ann.wait()["text"] == "Working."
        bob = Claude(daemon, bob_api, "mend the typo", workspace="site")
        bob.decide("allow_once")
        assert bob.wait()["outcome"] == "completed"
        first, second = bob_api.requests[1].tool_results[-1], bob_api.requests[2].tool_results[-1]
        for refusal in (first, second):
            assert all(word in refusal for word in ("index.html is reserved", ann.name, "a new header", "until"))
        assert (Path(made["path"]) / "index.html").read_text() == "ann's\nbob\n"
        until(
            lambda: any(f"{bob.name} modified index.html" in one.text + one.system for one in ann_api.requests),
            20,
            "ann to hear",
        )
        until(
            lambda: any(f"which {ann.name} has reserved" in one.text + one.system for one in bob_api.requests),
            20,
            "bob to hear",
        )
    found = daemon.call("workspace.get", workspace="site")
    assert [(one["path"], one["holder"], one["by"]) for one in found["conflicts"]] == [
        ("index.html", ann.name, bob.name)
    ]
    assert {one["name"]: one["live"] for one in found["mounts"]} == {ann.name: True, bob.name: True}
