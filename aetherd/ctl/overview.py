"""`status`, `doctor` and `console`: what a person asks first."""

from __future__ import annotations

import json
from typing import Any

import click

from aetherd.ctl import render
from aetherd.ctl.client import Client, Failure
from aetherd.ctl.commands import client_of

NEED = {
    "waiting_approval": 0,
    "waiting_input": 1,
    "failed": 2,
    "limited": 2,
    "controlled": 3,
    "completed": 5,
    "idle": 6,
}
MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "missing": ("-", None), "failed": ("✗", "red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print the answers as JSON")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show the daemon, its agents (those that need you first) and what is wrong."""
    client = client_of(ctx)
    found = json.loads(client.invoke("system.status", {}))
    processes = optional(client, "process.list", {"state": "live", "limit": 200}).get("processes", [])
    approvals = optional(client, "approval.list", {"state": "pending", "limit": 200}).get("approvals", [])
    if as_json:
        render.out(json.dumps({"status": found, "processes": processes, "approvals": approvals}))
        return
    head = [f"aetherd {found.get('version', '')}".strip()]
    head += [f"{name} {render.plain(found[name])}" for name in ("address", "home") if found.get(name)]
    if isinstance(found.get("uptime_s"), int | float):
        head.append(f"up {duration(found['uptime_s'])}")
    render.out("  ".join(head))
    render.out("")
    if processes:
        render.table([row(process) for process in sorted(processes, key=need)])
    else:
        render.out("no agents run; start one: aetherctl process spawn --help")
    if approvals:
        render.out("")
        render.out(render.styled(f"{len(approvals)} waiting for you: aetherctl approval list", fg="yellow"))
        for approval in approvals[:5]:
            render.out(f"  {render.plain(approval.get('id'))}  {render.plain(approval.get('title'))}")
    problems = warnings(found)
    if problems:
        render.out("")
        for problem in problems:
            render.out(render.styled(f"! {problem}", fg="yellow"))


def optional(client: Client, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """Run an operation that this token or this daemon may not have."""
    try:
        found: dict[str, Any] = json.loads(client.invoke(operation, body))
        return found
    except Failure as exc:
        if exc.code in ("not_found", "forbidden"):
            return {}
        raise


def need(process: dict[str, Any]) -> tuple[int, int]:
    """Sort by how much a person is needed."""
    if process.get("approvals"):
        return 0, int(process.get("pid", 0))
    if process.get("state") in ("lost", "unknown"):
        return 2, int(process.get("pid", 0))
    return NEED.get(str(process.get("phase")), 4), int(process.get("pid", 0))


def row(process: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of one process."""
    return {
        "pid": process.get("pid"),
        "name": process.get("name"),
        "state": process.get("state"),
        "phase": process.get("phase"),
        "runtime": process.get("runtime"),
        "approvals": process.get("approvals") or None,
        "cost_usd": process.get("cost_usd"),
        "reason": process.get("reason"),
    }


def warnings(found: dict[str, Any]) -> list[str]:
    """Return what the daemon warns of, and every room that is not well and not told of yet."""
    told = [render.plain(text) for text in found.get("warnings") or ()]
    rooms = (found.get("health") or {}).items()
    unwell = {name: render.plain(room.get("detail") or "not well") for name, room in rooms if not room.get("ok", True)}
    return told + [f"{name}: {detail}" for name, detail in unwell.items() if detail not in told]


def duration(seconds: float) -> str:
    """Return a time span in two units."""
    minutes, hours, days = int(seconds) // 60, int(seconds) // 3600, int(seconds) // 86_400
    if days:
        return f"{days}d {hours % 24}h"
    return f"{hours}h {minutes % 60}m" if hours else f"{minutes}m {int(seconds) % 60}s"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print the answer as JSON")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this machine: what works, what is missing, how to get it.

    Exits with 1 when a check failed, which is shown in red; with 0 when some only warn or something is missing.
    """
    answer = client_of(ctx).invoke("system.doctor", {})
    found = {title: checks for title, checks in json.loads(answer).items() if isinstance(checks, list) and checks}
    if as_json:
        render.out(answer.decode())
    else:
        show(found)
    if any(verdict(check) == "failed" for checks in found.values() for check in checks):
        ctx.exit(1)


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print what the doctor found, and what to do about it."""
    for title, checks in found.items():
        render.out(render.styled(title, bold=True))
        for check in checks:
            mark, colour = MARKS[verdict(check)]
            detail = check.get("detail") or check.get("version") or check.get("summary")
            label = render.plain(check.get("title") or check.get("name"))
            render.out(f"  {render.styled(mark, fg=colour)} {label}" + (f": {render.plain(detail)}" if detail else ""))
            if hint := check.get("fix") or check.get("missing"):
                render.out(f"      {render.plain(hint)}")


def verdict(check: dict[str, Any]) -> str:
    """Return ok, warning, missing or failed."""
    if "available" in check:
        return "ok" if check["available"] else "missing"
    state = str(check.get("state"))
    return state if state in MARKS else "warning"


@click.command()
@click.option("--open", "open_", is_flag=True, help="open it in the default browser")
@click.pass_context
def console(ctx: click.Context, open_: bool) -> None:
    """Print a link that opens the console: it works once, for 10 minutes."""
    url = str(json.loads(client_of(ctx).request("POST", "/v1/login", {}))["url"])
    render.out(url)
    if open_:
        click.launch(url)
