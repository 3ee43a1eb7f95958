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


def of(agent: str, reply: list[Any], **when: Any) -> dict[str, Any]:
    """Script what an agent answers when something holds."""
    return says(*reply, when={"first": agent, **when}, **({"delay_ms": 200} if not when else {}))


def tool(name: str, **input: Any) -> dict[str, Any]:
    """Script a call of an operation that is not on the menu."""
    return aether("tool_call", name=name, input=input)


def team(repository: Path) -> list[dict[str, Any]]:
    """Return what the two Claudes answer."""
    split = [
        *(aether("task_create", title=f"write {name}", queue=name) for name in ("add", "sub", "notes")),
        *(aether("agent_create", name=name) for name in ("ann", "bob", "rita")),
        aether("workspace_create", name="desk"),
    ]
    share = [
        *(
            tool("worktree.create", repository=str(repository), agent=a, branch=b)
            for a, b in (("ann", "add"), ("bob", "sub"))
        ),
        *(aether("workspace_mount", workspace="desk", agent=name) for name in ("ann", "bob")),
    ]
    review = aether("message_send", to="rita", kind="review_request", text="please look", data={"subject": "add.py"})

    def work(text: str, said: str) -> list[Any]:
        return [
            aether("fs_write", workspace="add", path="add.py", content=text),
            tool("worktree.commit", worktree="add", message=said),
            aether("fs_write", workspace="desk", path="ann.md", content=said),
            review,
        ]

    merges = [tool("worktree.merge", worktree=branch) for branch in ("add", "sub")]
    look = [tool("worktree.list", worktree="sub")]
    return [
        of("Lead: split", split, turns=0),
        of("Lead: split", share, turns=1),
        of("Lead: split", ["The work is split."]),
        of("Lead: merge", merges, turns=0),
        of("Lead: merge", ["Both are merged and their tests pass."], tool_result='"merged":true'),
        of("Lead: merge", ["Both are merged and their tests pass."], tool_result='"merged": true'),
        of("Lead: merge", look),
        of("You are ann", [tool("task.claim", queue="add")], turns=0),
        of("You are ann", work("def add(a, b):\n    return a - b\n", "add, in a hurry"), turns=1),
        of("You are ann", work("def add(a, b):\n    return a + b\n", "add, with a plus"), said="REJECTED"),
        of("You are ann", [tool("task.complete", id="$result.task.id", result="it adds")], said="APPROVED"),
        of("You are ann", ["ann is done"], text="APPROVED"),
        of("You are ann", [aether("message_inbox")]),
    ]


def script(*lines: str) -> str:
    """Write a script of a builtin agent."""
    return "\n".join(("demo:", *lines))


def call(name: str, **input: Any) -> str:
    """Write a call of a builtin agent's script."""
    return f"call aether_{name} {json.dumps(input)}"


def use(name: str, **input: Any) -> str:
    """Write a call of an operation that is not on the menu."""
    return call("tool_call", name=name, input=input)


BOB = script(
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


def flow(lead: str) -> dict[str, Any]:
    """Return the flow."""
    claude = {"runtime": "claude-code", "session": "new", "budget": 1.0}
    hands = {
        "ann": [{"name": "ann", "agent": {**claude, "agent": "ann", "workspace": "add", "goal": "You are ann"}}],
        "bob": [{"name": "bob", "agent": {"runtime": "builtin", "agent": "bob", "workspace": "sub", "goal": BOB}}],
        "rita": [{"name": "rita", "agent": {"runtime": "builtin", "agent": "rita", "goal": RITA}}],
    }
    leads = {**claude, "agent": lead, "toolset": "lead"}
    return {
        "name": "calculator",
        "budget": 5.0,
        "steps": [
            {"name": "split", "agent": {**leads, "goal": "Lead: split the job"}},
            {"name": "work", "parallel": {"branches": hands}},
            {"name": "merge", "agent": {**leads, "goal": "Lead: merge the work"}},
        ],
        "outputs": {"report": "{{ steps.merge.output }}"},
    }


@real
def test_a_team_of_two_runtimes_builds_and_merges_through_two_kills_of_the_daemon(
    own: Daemon, repository: Path
) -> None:
    with model(rules=team(repository)) as api:
        for name, value in (("ANTHROPIC_BASE_URL", api.url), ("ANTHROPIC_API_KEY", KEY)):
            (own.home / "secrets" / name).write_text(value)
        own.call("agent.create", name="lead")
        own.call(
            "worktree.create", repository=str(repository), agent="lead", branch="lead", base="main",
            test="sleep 0.5; python3 -m unittest -q test_calc",
        )  # fmt: skip
        key = own.call("flow.run", flow=flow("lead"))["id"]

        def seen() -> dict[str, Any]:
            return dict(own.call("flow.get", id=key, limit=100))

        def told(kind: str) -> list[dict[str, Any]]:
            return own.events(types=kind)

        until(lambda: any("ann" in one["data"].get("name", "") for one in told("process.spawned")), 60, "ann", seen)
        until(
            lambda: [one for one in own.call("task.list", limit=50)["tasks"] if one["state"] == "done"],
            60,
            "a task done",
            seen,
        )
        own.restart()
        until(
            lambda: any(one["data"]["to_state"] == "testing" for one in told("worktree.merge_changed")),
            90,
            "a test",
            seen,
        )
        own.restart()
        until(lambda: seen()["state"] in ("completed", "failed"), 90, "the end", seen)

    done = seen()
    assert (done["state"], done["outputs"]) == ("completed", {"report": "Both are merged and their tests pass."}), done
    assert done["cost_usd"] > 0
    log = git(repository, "log", "--format=%s", "main").splitlines()
    assert log == ["sub", "add, with a plus", "add, in a hurry", "tests"]
    assert "Co-authored-by: ann" in git(repository, "log", "--format=%b", "main")
    assert {one["title"]: one["state"] for one in own.call("task.list", limit=50)["tasks"]} == {
        "write add": "done",
        "write sub": "done",
        "write notes": "done",
    }
    desk = Path(own.call("workspace.get", workspace="desk")["path"])
    assert {path.name for path in desk.iterdir()} == {"ann.md", "notes.md"}
    reviews = own.call("message.inbox", agent="ann")["messages"]
    verdicts = [one["data"]["verdict"] for one in reversed(reviews) if one["kind"] == "review_response"]
    assert verdicts == ["changes", "approve"]
