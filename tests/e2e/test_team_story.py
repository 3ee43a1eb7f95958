"""A team from one flow: a lead, a worker and a builtin agent with a reviewer, in a real repository, through two kills.

The lead (real Claude Code) splits the job into three tasks and makes the worktrees; ann (real Claude Code) and bob
(builtin) claim and do them and write into a shared workspace; rita (builtin) sends ann's work back once, then takes
it; the lead merges both branches, each tested; the flow tells the result and what it cost.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.claude_lab import KEY, aether, model, real, says
from tests.e2e.daemon_lab import Daemon, until
from tests.kernel.worktree.conftest import git

TESTS = """\
import pathlib, unittest
class Calculator(unittest.TestCase):
    def test_add(self):
        if pathlib.Path("add.py").exists():
            import add
            self.assertEqual(add.add(2, 3), 5)
    def test_sub(self):
        if pathlib.Path("sub.py").exists():
            import sub
            self.assertEqual(sub.sub(5, 3), 2)
"""


@pytest.fixture
def repository() -> Iterator[Path]:
    """Give a person's repository with tests and nothing to test."""
    with tempfile.TemporaryDirectory(prefix="aether-repository-") as name:
        place = Path(name)
        git(place, "init", "-q", "-b", "main")
        git(place, "config", "user.name", "Pat Person")
        git(place, "config", "user.email", "pat@example.org")
        (place / "test_calc.py").write_text(TESTS)
        git(place, "add", "-A")
        git(place, "commit", "-qm", "tests")
        git(place, "checkout", "-qb", "desk")
        yield place


def of(agent: str, *reply: Any, hold: str | None = None, **when: Any) -> dict[str, Any]:
    """Script what an agent answers when something holds; when nothing else does, it asks again in a moment."""
    step = {"hold": hold} if hold else {} if when else {"delay_ms": 200}
    return says(*reply, when={"first": agent, **when}, **step)


def tool(name: str, /, **input: Any) -> dict[str, Any]:
    """Script a call of an operation that is not on the menu."""
    return aether("tool_call", name=name, input=input)


def lead(repository: Path) -> list[dict[str, Any]]:
    """Return what the lead does."""
    split = [
        *(aether("task_create", title=f"write {name}", queue=name) for name in ("add", "sub", "notes")),
        aether("workspace_create", name="desk"),
        aether("process_spawn", runtime="builtin", name="rita", goal=RITA),
        aether("process_spawn", runtime="builtin", name="bob", goal=BOB),
        aether("process_spawn", runtime="claude-code", name="ann", goal="You are ann"),
    ]
    share = [
        call
        for name, branch in (("ann", "add"), ("bob", "sub"))
        for call in (
            tool("worktree.create", repository=str(repository), agent=name, branch=branch),
            aether("workspace_mount", workspace="desk", agent=name),
            aether("message_send", to=name, text="START"),
        )
    ]
    merges = ["MERGING", *(tool("worktree.merge", worktree=branch) for branch in ("add", "sub"))]
    done = "Both are merged and their tests pass."
    return [
        of("Lead", *split, turns=0),
        of("Lead", *share, turns=1),
        of("Lead", done, text="MERGING", tool_result='"merged":true'),
        of("Lead", *merges, tool_result="it adds"),
        of("Lead", merges[-1], text="MERGING", tool_result='"merge":null'),  # the call was lost in a kill
        of("Lead", tool("worktree.list", worktree="sub"), text="MERGING"),
        of("Lead", aether("task_list", queue="add")),
    ]


def ann() -> list[dict[str, Any]]:
    """Return what ann does: in a hurry first, and as it should be after the review."""

    def work(text: str, said: str) -> list[Any]:
        review = {"kind": "review_request", "text": "please look", "data": {"subject": "add.py"}}
        return [
            aether("fs_write", workspace="add", path="add.py", content=text),
            tool("worktree.commit", worktree="add", message=said),
            aether("fs_write", workspace="desk", path="ann.md", content=said),
            aether("message_send", to="rita", **review),
        ]

    hurry, plus = (
        work("def add(a, b):\n    return a - b\n", "hurry"),
        work("def add(a, b):\n    return a + b\n", "plus"),
    )
    return [
        of("You are ann", tool("task.claim", queue="add"), *hurry, said="START"),
        of("You are ann", *plus, said="REJECTED", hold="rejected"),
        of("You are ann", tool("task.complete", id="$result.task.id", result="it adds"), said="APPROVED"),
        of("You are ann", "ann is done", text="APPROVED"),
        of("You are ann", aether("message_inbox")),
    ]


def script(*lines: str) -> str:
    """Write a script of a builtin agent."""
    return "\n".join(("demo:", *lines))


def call(name: str, /, **input: Any) -> str:
    """Write a call of a builtin agent's script."""
    return f"call aether_{name} {json.dumps(input)}"


def use(name: str, /, **input: Any) -> str:
    """Write a call of an operation that is not on the menu."""
    return call("tool_call", name=name, input=input)


BOB = script(
    "wait message 60",
    use("task.claim", queue="sub"),
    call("fs_write", workspace="sub", path="sub.py", content="def sub(a, b):\n    return a - b\n"),
    use("worktree.commit", worktree="sub", message="sub"),
    use("task.complete", id="$result.task.id", result="it subtracts"),
    use("task.claim", queue="notes"),
    call("fs_write", workspace="desk", path="notes.md", content="add and sub"),
    use("task.complete", id="$result.task.id", result="in notes.md"),
    "say bob is done",
)


def answer(verdict: str, text: str) -> list[str]:
    """Write the lines with which a review is asked for and given."""
    data = {"verdict": verdict}
    reply = {"reply_to": "$messages.0.id", "kind": "review_response", "text": text, "data": data}
    return ["wait message 60", call("message_inbox"), call("message_send", **reply)]


RITA = script(*answer("changes", "REJECTED: it subtracts"), *answer("approve", "APPROVED"), "say rita is done")


FLOW = {
    "name": "calculator",
    "steps": [
        {
            "name": "team",
            "supervise": {
                "runtime": "claude-code",
                "agent": "lead",
                "toolset": "lead",
                "goal": "Lead: build the calculator",
                "max_workers": 3,
                "max_depth": 1,
                "budget": 50.0,
            },
        },
        {"name": "report", "set": "{{ steps.team.output }}"},
    ],
    "outputs": {"report": "{{ steps.report.output }}"},
}


@real
def test_a_team_of_two_runtimes_builds_and_merges_through_two_kills_of_the_daemon(
    own: Daemon, repository: Path
) -> None:
    with model(rules=[*lead(repository), *ann()]) as api:
        for name, value in (("ANTHROPIC_BASE_URL", api.url), ("ANTHROPIC_API_KEY", KEY)):
            (own.home / "secrets" / name).write_text(value)
        own.call("agent.create", name="lead")
        test = "sleep 0.5; python3 -m unittest -q test_calc"
        own.call("worktree.create", repository=str(repository), agent="lead", base="main", test=test)
        key = own.call("flow.run", flow=FLOW)["id"]

        def seen() -> dict[str, Any]:
            return dict(own.call("flow.get", id=key, limit=100))

        def tasks() -> dict[str, str]:
            return {one["title"]: one["state"] for one in own.call("task.list", limit=50)["tasks"]}

        def rejected() -> bool:
            return any(one.said and "REJECTED" in one.said for one in api.requests)

        def testing() -> bool:
            return any(one["data"]["to_state"] == "testing" for one in own.events(types="worktree.merge_changed"))

        until(lambda: rejected() and tasks()["write notes"] == "done", 60, "bob's work and a review of ann's", seen)
        own.restart()
        api.release("rejected")
        until(testing, 60, "a test before a merge", seen)
        own.restart()
        until(lambda: seen()["state"] in ("completed", "failed"), 60, "the end", seen)

    done = seen()
    assert (done["state"], done["outputs"]) == ("completed", {"report": "Both are merged and their tests pass."}), done
    assert done["cost_usd"] > 0
    log = git(repository, "log", "--format=%s", "main").splitlines()
    assert log == ["sub", "plus", "hurry", "tests"]
    assert "Co-authored-by: ann" in git(repository, "log", "--format=%b", "main")
    assert tasks() == {"write add": "done", "write sub": "done", "write notes": "done"}
    desk = Path(own.call("workspace.get", workspace="desk")["path"])
    assert {path.name for path in desk.iterdir()} == {"ann.md", "notes.md"}
    reviews = own.call("message.inbox", agent="ann")["messages"]
    verdicts = [one["data"]["verdict"] for one in reversed(reviews) if one["kind"] == "review_response"]
    assert verdicts == ["changes", "approve"]
