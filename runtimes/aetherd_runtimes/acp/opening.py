"""The way into a conversation: initialize, a new one or an old one, its mode and its model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aetherd_runtimes.acp import verdicts
from aetherd_runtimes.acp.peer import METHOD_NOT_FOUND, Peer, Refused
from aetherd_runtimes.acp.settings import Settings
from aetherd_runtimes.acp.updates import SERVER

PROTOCOL = 1
AUTH_REQUIRED = -32000
KEPT = "kept-"
STEP_S = 600.0  # the deadline of the whole start is the settings'

Trouble = Callable[[str], None]


class Unable(Exception):
    """Raised when there is no conversation to be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation that can be held."""

    session: str
    model: str | None
    mode: str | None
    version: str
    steering: bool  # a text can be given to a running turn
    replayed: bool  # the old conversation is told again


async def open_conversation(peer: Peer, settings: Settings, trouble: Trouble) -> Opened:
    """Open the conversation the settings name, or a new one; raises `Unable` and `Gone`."""
    try:
        agent = _object(await peer.ask("initialize", _introduction(settings), STEP_S))
        if agent.get("protocolVersion") != PROTOCOL:
            raise Unable(
                f"{settings.name} speaks version {agent.get('protocolVersion')} of ACP, and aetherd {PROTOCOL}"
            )
        try:
            session, state, replayed = await _session(peer, settings, agent)
        except Refused as error:
            if error.code != AUTH_REQUIRED or settings.auth is None:
                raise
            await peer.ask("authenticate", {"methodId": settings.auth}, STEP_S)
            session, state, replayed = await _session(peer, settings, agent)
        mode = await _choose(peer, session, state, "mode", settings.modes, trouble)
        models = [settings.model] if settings.model else []
        model = await _choose(peer, session, state, "model", models, trouble)
    except Refused as error:
        raise Unable(f"{settings.name} does not begin: {verdicts.readable(error)}") from error
    info = _object(agent.get("agentInfo"))
    steering = _object(_object(agent.get("_meta")).get("steering")).get("supported") is True
    return Opened(session, model, mode, str(info.get("version") or settings.version)[:100], steering, replayed)


def put_aside(settings: Settings) -> None:
    """Give the file of the conversation to go on with another name, before the agent starts.

    Gemini CLI begins a file named by minute and id when it loads a conversation, before it looks for the old one: in
    the same minute it would write over it.
    """
    if not settings.conversation or settings.session is None:
        return
    short = settings.session[:8]
    for file in Path(os.environ["HOME"]).glob(settings.conversation.replace("{short}", short)):
        if KEPT not in file.name:
            file.rename(file.with_name(f"{file.name.removesuffix(f'{short}{file.suffix}')}{KEPT}{short}{file.suffix}"))


def _introduction(settings: Settings) -> dict[str, Any]:
    files = {"readTextFile": settings.files, "writeTextFile": settings.files}
    return {
        "protocolVersion": PROTOCOL,
        "clientCapabilities": {"fs": files, "terminal": True},
        "clientInfo": {"name": "aetherd", "version": settings.version},
    }


async def _session(peer: Peer, settings: Settings, agent: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], bool]:
    """Return the conversation's id, what the agent says of it, and whether it is told again."""
    can = _object(agent.get("agentCapabilities"))
    params = {"cwd": os.getcwd(), "mcpServers": [_server(settings)]}
    if settings.session is None:
        state = _object(await peer.ask("session/new", params, STEP_S))
        if not isinstance(session := state.get("sessionId"), str) or not session:
            raise Unable(f"{settings.name} opened a conversation without an id")
        return session, state, False
    params["sessionId"] = settings.session
    if isinstance(_object(can.get("sessionCapabilities")).get("resume"), dict):  # without telling all of it again
        try:
            return settings.session, _object(await peer.ask("session/resume", params, STEP_S)), False
        except Refused as error:
            if error.code != METHOD_NOT_FOUND:
                raise
    if can.get("loadSession") is not True:
        raise Unable(f"{settings.name} cannot go on with a conversation; spawn with session `new`")
    return settings.session, _object(await peer.ask("session/load", params, STEP_S)), True


def _server(settings: Settings) -> dict[str, Any]:
    """Our MCP server; what is secret comes from our environment."""
    names = settings.mcp.get("env", ())
    env = [{"name": name, "value": os.environ[name]} for name in names if name in os.environ]
    return {"name": SERVER, "command": settings.mcp["command"], "args": settings.mcp["args"], "env": env}


async def _choose(
    peer: Peer, session: str, state: Mapping[str, Any], what: str, wishes: Sequence[str], trouble: Trouble
) -> str | None:
    """Set the mode or the model when it is offered; return the one that holds, None when the agent does not say."""
    option, current, offered = _offer(state, what)
    wanted = next((wish for wish in wishes if wish in offered), None)
    if wanted is None and wishes:
        known = ", ".join(offered[:20]) or "none"
        trouble(f"{what} {wishes[0]!r} is not offered, so it stays {current or 'as it is'}; there are: {known}")
    if wanted is None or wanted == current:
        return current
    if option is not None:
        method, params = "session/set_config_option", {"configId": option, "value": wanted}
    else:
        method, params = f"session/set_{what}", {f"{what}Id": wanted}
    await peer.ask(method, {"sessionId": session, **params}, STEP_S)
    return wanted


def _offer(state: Mapping[str, Any], what: str) -> tuple[str | None, str | None, list[str]]:
    """Return the config option (None: the older form), what holds, and what can be chosen."""
    old = _object(state.get(f"{what}s"))
    for option in _objects(state.get("configOptions")):
        if option.get("category") == what and option.get("type") == "select" and isinstance(option.get("id"), str):
            return option["id"], _text(option.get("currentValue")), list(_values(option.get("options")))
    name = f"{what}Id" if what == "model" else "id"
    offered = [item[name] for item in _objects(old.get(f"available{what.title()}s")) if isinstance(item.get(name), str)]
    return None, _text(old.get(f"current{what.title()}Id")), offered


def _values(options: Any) -> Iterator[str]:
    """Yield the values of a select, also of one in groups."""
    for option in _objects(options):
        if isinstance(value := option.get("value"), str):
            yield value
        yield from _values(option.get("options"))


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
