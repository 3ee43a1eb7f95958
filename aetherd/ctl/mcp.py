"""`mcp config`: how an outside MCP client reaches this daemon."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from aetherd.ctl import render
from aetherd.ctl.client import Client, Failure, home
from aetherd.ctl.commands import client_of
from aetherd.ctl.lifecycle import last_port, readiness


@click.group("mcp")
def group() -> None:
    """Connect outside MCP clients."""


@group.command()
@click.option("--http", "over_http", is_flag=True, help="the HTTP form; the client's environment needs AETHER_TOKEN")
@click.option("--write", is_flag=True, help="add it to .mcp.json of this directory")
@click.pass_context
def config(ctx: click.Context, over_http: bool, write: bool) -> None:
    """Print the configuration block of an outside MCP client, such as Claude Code.

    The stdio form goes through the relay, which survives restarts of the daemon. The HTTP form is for clients
    without a local process.
    """
    client = client_of(ctx)
    entry = http_form(client) if over_http else stdio_form()
    if write:
        path = Path(".mcp.json")
        merge(path, entry)
        render.out(f"wrote the server `aether` to {path.absolute()}")
        return
    render.out(block(entry))
    if not over_http:
        click.echo("\nover HTTP instead (aetherctl mcp config --http), with AETHER_TOKEN set:", err=True)
        click.echo(block(http_form(client)), err=True)


def block(entry: dict[str, Any]) -> str:
    """Return the block a client's configuration file holds."""
    return json.dumps({"mcpServers": {"aether": entry}}, indent=2)


def stdio_form() -> dict[str, Any]:
    """Return the relay's command; the home only where it is not the usual one."""
    beside = Path(sys.executable).parent / "aether-mcp"
    checkout = Path(__file__).parents[2] / "bin" / "aether-mcp"
    found = next((str(path) for path in (beside, checkout) if path.exists()), None) or shutil.which("aether-mcp")
    if found is None:
        raise Failure("the relay aether-mcp is not installed", "unavailable", "pip install aetherd")
    usual = Path("~/.aether").expanduser().absolute()
    env = {} if home() == usual else {"AETHER_HOME": str(home())}
    return {"type": "stdio", "command": str(Path(found).absolute()), "args": [], "env": env}


def http_form(client: Client) -> dict[str, Any]:
    """Return the address and the header; the token itself stays in the client's environment."""
    return {
        "type": "http",
        "url": f"{address(client)}/mcp",
        "headers": {"Authorization": "Bearer ${AETHER_TOKEN}"},
    }


def address(client: Client) -> str:
    """Return where the daemon is, or where it would be."""
    if client.url is not None:
        return client.url
    if (ready := readiness(client)) is not None:
        return str(ready["address"])
    written: dict[str, Any] = {}
    try:
        written = tomllib.loads((home() / "aetherd.toml").read_text("utf-8"))
    except (OSError, ValueError):
        written = {}
    host = os.environ.get("AETHER_HOST") or written.get("host") or "127.0.0.1"
    return f"http://{host}:{os.environ.get('AETHER_PORT') or written.get('port') or last_port() or 3001}"


def merge(path: Path, entry: dict[str, Any]) -> None:
    """Add the server to a configuration file; whatever else it holds stays, and it is never half written."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        document = {}
    except (OSError, ValueError) as exc:
        raise Failure(f"cannot read {path}: {exc}; it was left as it is", "invalid") from exc
    servers = document.setdefault("mcpServers", {}) if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise Failure(f"{path} is not a configuration of MCP servers; it was left as it is", "invalid")
    servers["aether"] = entry
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        raise Failure(f"cannot write {path}: {exc.strerror}") from exc
