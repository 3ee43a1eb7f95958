"""Every operation as a command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ctl_lab import Terminal, run, terminal

from aetherd.ctl import commands
from aetherd.daemon.catalog import current

pytestmark = pytest.mark.anyio

__all__ = ["terminal"]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The catalogue of the rooms, as a release ships it."""
    document = current()
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(document))
    monkeypatch.setattr(commands, "SHIPPED", path)
    return document


def test_every_operation_is_a_command_with_its_documentation_as_help(shipped: dict[str, Any]) -> None:
    rooms = run("--help")
    assert rooms.exit_code == 0
    for entry in shipped["operations"]:
        room, _, verb = entry["name"].partition(".")
        assert f"\n  {room} " in rooms.stdout
        result = run(room, verb.replace("_", "-"), "--help")
        assert result.exit_code == 0, result.output
        assert " ".join(entry["summary"].split()[:3]) in result.stdout
        for name in entry["positional"]:
            assert name.upper() in result.stdout


def test_help_is_quick() -> None:
    code = (
        "import sys; sys.argv = ['aetherctl', '--help']; import aetherd.ctl.main as m\n"
        "try: m.main()\nfinally: print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(found.stdout.splitlines()[-1].split())
    assert not loaded & {"pydantic", "starlette", "uvicorn", "sqlalchemy", "mcp", "websockets", "anyio", "asyncio"}


async def test_arguments_and_options_become_the_input(terminal: Terminal) -> None:
    answer = await terminal.json(
        "lab", "echo", "--text", "-x", "--numbers", "1", "--numbers", "2", "--flag", "--ratio", "2"
    )
    assert answer == {"text": "-x", "numbers": [1, 2], "ratio": 2.0, "flag": True, "table": None}
    assert (await terminal.json("lab", "echo", "--no-flag", "--table", '{"a": [1]}'))["table"] == {"a": [1]}
    made = await terminal.json("token", "create", "a name", "--scopes", "*:read", "--expires-in-s", "60")
    assert (made["name"], made["scopes"]) == ("a name", ["*:read"])


async def test_a_whole_input_comes_from_json_a_file_or_standard_input(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"text": "from a file", "numbers": [1]}')
    assert (await terminal.json("lab", "echo", "--input", '{"text": "direct"}'))["text"] == "direct"
    assert (await terminal.json("lab", "echo", "--input", f"@{file}"))["text"] == "from a file"
    assert (await terminal.json("lab", "echo", "--input", "-", input='{"text": "piped"}'))["text"] == "piped"
    answer = await terminal.json("lab", "echo", "--input", f"@{file}", "--text", "wins")
    assert (answer["text"], answer["numbers"]) == ("wins", [1])
    for wrong in ("nonsense", "[1]", "@/nowhere", "[" * 100_000):
        assert (await terminal.run("lab", "echo", "--input", wrong)).exit_code == 2


def test_environments_nested_objects_and_choices_become_options() -> None:
    schema = {
        "type": "object",
        "required": ["runtime"],
        "properties": {
            "runtime": {"type": "string"},
            "env": {"type": "object", "additionalProperties": {"type": "string", "format": "password"}},
            "sandbox": {"$ref": "#/$defs/Wish"},
            "argv": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
            "toolset": {"type": "string", "enum": ["worker", "lead"]},
            "json": {"type": "string"},
        },
        "$defs": {
            "Wish": {
                "type": "object",
                "properties": {
                    "tier": {"anyOf": [{"enum": ["docker", "host"], "type": "string"}, {"type": "null"}]},
                    "gpu": {"anyOf": [{"type": "boolean"}, {"type": "integer"}]},
                },
            }
        },
    }
    sent: dict[str, Any] = {}

    class Fake:
        def invoke(self, name: str, body: dict[str, Any]) -> bytes:
            sent.update(body)
            return b"{}"

    entry = {
        "name": "process.spawn",
        "doc": "Spawn it.",
        "summary": "Spawn it.",
        "input": schema,
        "output": {},
        "positional": ["runtime"],
        "streams": False,
    }
    command = commands.command_for(entry, lambda: Fake())  # type: ignore[arg-type, return-value]
    line = "command --env A=1 --env B=x=y --sandbox.tier host --sandbox.gpu 2 --argv sh --argv -c"
    line += " --toolset lead --with-json j"
    command.main(line.split(), standalone_mode=False)
    assert sent == {
        "runtime": "command",
        "env": {"A": "1", "B": "x=y"},
        "sandbox": {"tier": "host", "gpu": 2},
        "argv": ["sh", "-c"],
        "toolset": "lead",
        "json": "j",
    }
    command.main(["command", "--", "sh", "-c", "ls --help"], standalone_mode=False)
    assert sent["argv"] == ["sh", "-c", "ls --help"]


async def test_wrong_input_is_told_in_one_line_with_exit_code_2(terminal: Terminal) -> None:
    for arguments in (
        ("lab", "echo", "--numbers", "x"),
        ("lab", "echo", "--nonsense"),
        ("lab", "nothing"),
        ("nothing",),
        ("token", "create"),
        ("token", "create", ""),
        ("token", "create", "x", "--toolset", "wrong"),
    ):
        result = await terminal.run(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert result.stderr.startswith("aetherctl: ")


async def test_errors_have_their_exit_codes(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await terminal.run("token", "revoke", "token_none")).exit_code == 3
    assert (await terminal.run("lab", "break")).exit_code == 1
    result = await terminal.run("lab", "crash")
    assert result.exit_code == 1
    assert "call_" in result.stderr
    _, secret = await terminal.served.token_for("token:read")
    monkeypatch.setenv("AETHER_TOKEN", secret)
    assert (await terminal.run("lab", "echo")).exit_code == 4
    monkeypatch.setenv("AETHER_TOKEN", "wrong")
    result = await terminal.run("lab", "echo")
    assert result.exit_code == 4
    assert "AETHER_TOKEN" in result.stderr


async def test_a_daemon_elsewhere_is_reached_by_its_address(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHER_HOME", "/nowhere")
    monkeypatch.setenv("AETHER_URL", f"http://127.0.0.1:{terminal.served.port}/")
    assert (await terminal.run("lab", "echo")).exit_code == 4
    monkeypatch.setenv("AETHER_TOKEN", terminal.served.token)
    assert (await terminal.json("lab", "echo"))["text"] == "nothing"
    monkeypatch.setenv("AETHER_URL", "http://127.0.0.1:1")
    assert (await terminal.run("lab", "echo")).exit_code == 5
    monkeypatch.setenv("AETHER_URL", "ftp://127.0.0.1")
    assert (await terminal.run("lab", "echo")).exit_code == 2


async def test_live_takes_the_commands_from_the_daemon(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SHIPPED", tmp_path / "absent.json")
    assert (await terminal.run("lab", "echo")).exit_code == 5
    assert '"text":"live"' in await terminal.ok("--live", "lab", "echo", "--text", "live", "--json")


async def test_streams_print_items_as_they_come(terminal: Terminal) -> None:
    assert await terminal.json("lab", "count", "--to", "3") == {"number": 3}
    terminal.served.lab.begun.set()
    result = await terminal.run("lab", "break", "--follow", "--json")
    assert json.loads(result.stdout.splitlines()[0]) == {"number": 1}
    assert (result.exit_code, "it broke" in result.stderr) == (1, True)


async def test_lists_are_tables_and_the_rest_is_fields(terminal: Terminal) -> None:
    await terminal.served.token_for("*:read")
    lines = (await terminal.ok("token", "list")).splitlines()
    assert lines[0].split()[:2] == ["ID", "NAME"]
    assert len(lines) == 3
    assert all(len(line) <= 120 for line in lines)
    assert "text     nothing" in await terminal.ok("lab", "echo")


async def test_what_others_wrote_cannot_drive_the_terminal(terminal: Terminal) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2Jname\x9b31m"
    shown = await terminal.ok("lab", "echo", "--text", evil)
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert (await terminal.json("lab", "echo", "--text", evil))["text"] == evil
