"""`first-agent`: what `make run` shows after the daemon is up."""

from __future__ import annotations

import json
from typing import Any

import click

from aetherd.ctl import render
from aetherd.ctl.client import Client, Failure
from aetherd.ctl.commands import client_of

GOAL = "Show that aetherd works on this machine: use your tools, write a report, remember that you did."


@click.command("first-agent")
@click.pass_context
def first_agent(ctx: click.Context) -> None:
    """Run a builtin agent to its result, then print where the console is. It needs no model key: it is a demo."""
    client = client_of(ctx)
    wish = {"runtime": "builtin", "model": "demo", "goal": GOAL, **_without_walls(client)}
    process = json.loads(client.invoke("process.spawn", wish))
    render.out(f"\nThe first agent: {process['name']}, process {process['pid']}, runtime builtin (demo, no model)")
    _follow(client, process["pid"])
    result = json.loads(client.invoke("process.result", {"pid": process["pid"]}))
    done = result["outcome"] == "completed"
    render.out(render.styled(f"\n{result['outcome']}", fg="green" if done else "red"))
    for line in str(result["error"] or result["text"]).splitlines():
        render.out(render.plain(line))
    link = json.loads(client.request("POST", "/v1/login", {}))["url"]
    render.out(f"\nConsole        {link}   (works once, for ten minutes; `aetherctl console` prints another)")
    render.out(
        "Claude Code    .venv/bin/aetherctl process spawn --runtime claude-code --goal '…' --env ANTHROPIC_API_KEY=…"
    )
    render.out("Stop           .venv/bin/aetherctl down   (agents go on; `down --agents` ends them too)\n")
    if not done:
        raise Failure(f"the first agent ended {result['outcome']}", "internal")


def _without_walls(client: Client) -> dict[str, Any]:
    """Return what asks for tier host where no sandbox works, and say so: nobody else asks for it by itself."""
    [tier] = [one for one in json.loads(client.invoke("sandbox.list", {}))["tiers"] if one["default"]]
    if tier["works"]:
        return {}
    render.out(f"No sandbox works on this machine (tier {tier['name']}: {render.plain(tier['reason'])}).")
    render.out("So this one agent, whose script we know, runs in tier host, which has no walls; others will not.")
    return {"sandbox": {"tier": "host"}}


def _follow(client: Client, pid: int) -> None:
    """Print what the agent does until its turn has ended."""
    for kind, data, _ in client.events(f"pid={pid}&since=0", None):
        if kind in ("resync", "message"):
            continue
        event = json.loads(data)
        if line := _line(kind, event["data"]):
            render.out(f"  {event['at'][11:19]}  {line}")
        if kind in ("agent.turn_ended", "process.exited"):
            return


def _line(kind: str, data: dict[str, Any]) -> str | None:
    match kind:
        case "agent.thought":
            return f"thinks   {_short(data['text'])}"
        case "agent.text":
            return f"says     {_short(data['text'])}"
        case "agent.tool_call":
            return f"calls    {data['tool']} {_short(json.dumps(data['input']))}"
        case "agent.tool_result" if data["is_error"]:
            return f"failed   {_short(data['text'])}"
    return None


def _short(text: str) -> str:
    first = render.plain(text).replace("\n", " ")
    return first if len(first) <= 100 else first[:99] + "…"
