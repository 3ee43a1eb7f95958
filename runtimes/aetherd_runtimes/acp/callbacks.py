"""What the agent lets its client do for it: files and terminals, in its own place and with its own rights."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aetherd_runtimes.acp.peer import INTERNAL, INVALID, METHOD_NOT_FOUND, NOT_FOUND, Params, Refused
from aetherd_runtimes.bridge.child import Child

FILE_LIMIT = 16 << 20  # bytes of a file that is read or written
OUTPUT_LIMIT = 1 << 20  # bytes of a terminal's output that are kept when the agent names no limit, and at most
TERMINALS = 32  # open at once


@dataclass(slots=True)
class Terminal:
    """A command, and the end of what it printed."""

    child: Child
    limit: int
    output: bytes = b""
    cut: bool = False

    async def listen(self) -> None:
        """Keep the end of what it prints, until it stops."""
        async for data in self.child.output():
            whole = self.output + data
            self.cut = self.cut or len(whole) > self.limit
            self.output = whole[-self.limit :]


class Callbacks:
    """Serves `fs/*` and `terminal/*`."""

    def __init__(self, group: asyncio.TaskGroup, env: Mapping[str, str], cwd: str) -> None:
        self._group, self._env, self._cwd = group, env, cwd
        self._terminals: dict[str, Terminal] = {}
        self._number = 0

    async def serve(self, method: str, params: Params) -> Any:
        """Do what is asked; raises `Refused`."""
        match method:
            case "fs/read_text_file":
                return {"content": await asyncio.to_thread(_read, _path(params), params)}
            case "fs/write_text_file":
                await asyncio.to_thread(_write, _path(params), _text(params, "content"))
                return None
            case "terminal/create":
                return {"terminalId": await self._create(params)}
            case "terminal/output":
                return self._look(self._terminal(params))
            case "terminal/wait_for_exit":
                terminal = self._terminal(params)
                await terminal.child.wait()
                return terminal.child.status
            case "terminal/kill":
                self._terminal(params).child.kill()
                return {}
            case "terminal/release":
                terminal = self._terminal(params)
                del self._terminals[_text(params, "terminalId")]
                terminal.child.kill()
                return {}
        raise Refused(METHOD_NOT_FOUND, f"no method {method}")

    def kill(self) -> None:
        """Kill every command that runs, at once."""
        for terminal in self._terminals.values():
            terminal.child.kill()

    async def _create(self, params: Params) -> str:
        if len(self._terminals) >= TERMINALS:
            raise Refused(INTERNAL, f"{TERMINALS} terminals are open; release one first")
        command, args = _text(params, "command"), params.get("args")
        argv = [command, *map(str, args)] if isinstance(args, list) and args else ["/bin/sh", "-c", command]
        given = [item for item in params.get("env") or () if isinstance(item, dict)]
        env = {**self._env, **{str(item.get("name")): str(item.get("value")) for item in given}}
        cwd = params.get("cwd")
        wanted = params.get("outputByteLimit")
        limit = min(wanted, OUTPUT_LIMIT) if type(wanted) is int and wanted > 0 else OUTPUT_LIMIT
        try:
            child = await Child.start(
                argv, env=env, cwd=cwd if isinstance(cwd, str) else self._cwd, name=command[:100], joined=True
            )
        except (OSError, ValueError) as error:
            raise Refused(INTERNAL, f"{command[:100]} cannot be run: {error}") from error
        self._number += 1
        name = f"term_{self._number}"
        terminal = self._terminals[name] = Terminal(child, limit)
        self._group.create_task(terminal.listen())
        return name

    def _look(self, terminal: Terminal) -> dict[str, Any]:
        output = terminal.output.decode("utf-8", "ignore")
        return {"output": output, "truncated": terminal.cut, "exitStatus": terminal.child.status}

    def _terminal(self, params: Params) -> Terminal:
        name = _text(params, "terminalId")
        if (terminal := self._terminals.get(name)) is None:
            raise Refused(NOT_FOUND, f"no terminal {name[:100]}")
        return terminal


def _read(path: str, params: Params) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Refused(NOT_FOUND, f"ENOENT: no such file: {path}") from error
    except OSError as error:
        raise Refused(INTERNAL, f"{path} cannot be read: {error.strerror}") from error
    with open(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > FILE_LIMIT:
            raise Refused(INVALID, f"{path} is no file of at most {FILE_LIMIT >> 20} MB")
        text = file.read(FILE_LIMIT).decode("utf-8", "replace")
    line, limit = params.get("line"), params.get("limit")
    if type(line) is not int and type(limit) is not int:
        return text
    lines = text.splitlines(keepends=True)
    first = max(line - 1, 0) if type(line) is int else 0
    return "".join(lines[first : first + limit] if type(limit) is int and limit >= 0 else lines[first:])


def _write(path: str, content: str) -> None:
    data = content.encode("utf-8", "surrogatepass")
    if len(data) > FILE_LIMIT:
        raise Refused(INVALID, f"{len(data)} bytes are more than the {FILE_LIMIT >> 20} MB a file may have")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        with open(handle, "wb") as file:
            file.write(data)
    except OSError as error:
        raise Refused(INTERNAL, f"{path} cannot be written: {error.strerror}") from error


def _path(params: Params) -> str:
    path = _text(params, "path")
    if not os.path.isabs(path) or "\0" in path:
        raise Refused(INVALID, "the path must be absolute")
    return path


def _text(params: Params, name: str) -> str:
    if not isinstance(value := params.get(name), str):
        raise Refused(INVALID, f"{name} is missing")
    return value
