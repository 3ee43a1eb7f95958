"""A role with real Claude Code: told what it is, shown its tools alone, refused the rest, and told what was thought."""

from __future__ import annotations

from tests.e2e.claude_lab import Claude, aether, model, real, says
from tests.e2e.daemon_lab import Daemon

TOOLS = ["memory.recall", "reflection.add", "tool.call"]
SHOWN = {f"mcp__aether__aether_{name.replace('.', '_')}" for name in TOOLS}


@real
def test_a_real_claude_code_keeps_to_its_template_through_a_kill_of_the_daemon(own: Daemon) -> None:
    own.call("template.fork", template="code-reviewer", name="cellar-reviewer", tools=TOOLS)
    forbidden = aether("tool_call", name="memory.remember", input={"content": "the attic is mine"})
    lesson = aether("reflection_add", rating=4, lessons=["look behind the barrels first"])
    second = [says("I go on.", forbidden), says("Twice refused.")]
    with model(says("I try.", forbidden), says("I learn.", lesson), says("Reviewed."), *second) as api:
        claude = Claude(own, api, "review the cellar", template="cellar-reviewer")
        assert claude.wait()["text"] == "Reviewed."
        first = api.requests[0]
        assert "opus" in first.body["model"]
        assert {name for name in first.tools if name.startswith("mcp__aether__")} == SHOWN
        assert "You read a change so that its author need not learn of a fault from a user." in first.system
        own.kill()
        own.start()
        claude.send("and again")
        assert claude.wait()["text"] == "Twice refused."
        story = own.call("process.timeline", pid=claude.pid, limit=500)["events"]
        refusals = [one for one in story if one["type"] == "agent.tool_result" and one["data"]["is_error"]]
        assert len(refusals) == 2
        assert all("not among the tools this run was given" in event["data"]["text"] for event in refusals)
    assert own.call("memory.recall", query="attic")["memories"] == []
    (learnt,) = own.call("reflection.list", pid=claude.pid)["reflections"]
    assert own.call("memory.recall", query="barrels")["memories"][0]["id"] == learnt["memory"]
    own.call("process.kill", pid=claude.pid)
    own.call("feedback.submit", pid=claude.pid, verdict="down", comment="you missed the stairs")
    with model(says("I look at the stairs.")) as api:
        again = Claude(own, api, "once more", agent=claude.name, name=None, session="new")
        again.wait()
        told = api.requests[0]
        assert "you missed the stairs" in told.system
        assert {name for name in told.tools if name.startswith("mcp__aether__")} == SHOWN
    profile = own.call("profile.get", agent=claude.name)
    assert (profile["template"], profile["runs"], profile["thumbs_down"]) == ("cellar-reviewer", 2, 1)
    assert {"mcp__aether__aether_tool_call", "mcp__aether__aether_reflection_add"} <= {
        one["tool"] for one in profile["tools"]
    }
