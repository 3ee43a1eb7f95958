"""Every operation on every face: the same answer, the same error, the same record of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from click.testing import CliRunner
from mcp import Client

from aetherd.ctl import commands
from aetherd.ctl.client import EXIT
from aetherd.ctl.main import cli
from aetherd.daemon.rooms import ROOMS
from aetherd.operations.operation import Effect, Operation, operations_of
from aetherd_mcp.names import tool_name
from tests.contract.world import FRESH, World, changes
from tests.faces import error_of

pytestmark = pytest.mark.anyio
OPERATIONS = {op.name: op for service in ROOMS for op in operations_of(service)}
READS = [name for name, op in OPERATIONS.items() if op.effect is Effect.READ]
# Readings of a room that differ from one moment to the next: of them only the type is compared.
VOLATILE = {
    "audit": {"ms"},
    "browser": {"base64"},
    "desktop": {"base64", "waited_s"},
    "memory": {"score"},
    "quota": {"cpu_s", "disk_bytes", "disk_files", "disk_free_bytes", "memory_bytes", "memory_peak_bytes"},
    "sandbox": {"cpu_s", "memory_bytes", "memory_peak"},
    "system": {"uptime_s", "cpu_s", "memory_mb", "load", "newest_event", "free_mb", "detail"},
}


@dataclass
class Speaker:
    """Who speaks to a house on all its faces with one token."""

    world: World
    token: str
    mcp: Client
    http: httpx2.AsyncClient

    async def on_mcp(self, name: str, raw: dict[str, Any]) -> Any:
        """Call a tool; return its output, or its error."""
        result = await self.mcp.session.call_tool(tool_name(name), raw)
        if result.is_error:
            return {"error": error_of(result)}
        if result.structured_content is not None:
            return result.structured_content
        text, *pictures = result.content  # what holds a picture is no structure
        shown = [{"media_type": picture.mime_type, "base64": picture.data} for picture in pictures]
        return json.loads(text.text) | ({"picture": shown[0]} if shown else {})

    async def on_http(self, name: str, raw: dict[str, Any]) -> Any:
        """Post to the route of an operation."""
        return (await self.http.post(f"/v1/{name}", json=raw)).json()

    async def on_cli(self, name: str, raw: dict[str, Any]) -> tuple[int, str, str]:
        """Run aetherctl; return exit code, output and what it complains of."""
        room, _, verb = name.partition(".")
        line = [room, verb.replace("_", "-"), "--input", json.dumps(raw), "--json"]
        env = {"AETHER_URL": f"http://127.0.0.1:{self.world.faces.port}", "AETHER_TOKEN": self.token}
        result = await anyio.to_thread.run_sync(lambda: CliRunner(env=env).invoke(cli, line))
        return result.exit_code, result.stdout, result.stderr


@asynccontextmanager
async def speaking(world: World, token: str) -> AsyncIterator[Speaker]:
    """Open all faces with one token."""
    async with world.faces.client("socket", "2026-07-28", token) as mcp, world.faces.http(token) as http:
        yield Speaker(world, token, mcp, http)


@pytest.fixture(autouse=True, scope="module")
def _catalogue_of_this_source(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    shipped = tmp_path_factory.mktemp("shipped") / "catalog.json"
    shipped.write_text(json.dumps(world.faces.house.catalog))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "SHIPPED", shipped)
        yield


def steady(node: Any, room: str) -> Any:
    """Return an answer with the type in place of what changes by itself."""
    if isinstance(node, dict):
        changing = VOLATILE.get(room, set())
        return {key: type(value) if key in changing else steady(value, room) for key, value in node.items()}
    return [steady(value, room) for value in node] if isinstance(node, list) else node


@pytest.mark.parametrize("name", READS)
async def test_a_read_answers_alike_on_every_face_and_leaves_no_record(world: World, name: str) -> None:
    raw, before = world.input(OPERATIONS[name]), world.mark
    async with speaking(world, world.faces.owner) as speaker:
        answers = {"mcp": await speaker.on_mcp(name, raw), "http": await speaker.on_http(name, raw)}
        flat = {key: json.dumps(value) if isinstance(value, list | dict) else value for key, value in raw.items()}
        answers["get"] = (await speaker.http.get(f"/v1/{name}", params=flat)).json()
        code, output, complaint = await speaker.on_cli(name, raw)
    assert (code, complaint) == (0, "")
    answers["cli"] = json.loads(output)
    for face, answer in answers.items():
        assert "error" not in answer or "error" in OPERATIONS[name].output.model_fields, (face, answer)
        room = OPERATIONS[name].room
        assert steady(answer, room) == steady(answers["http"], room), face
    assert [row["operation"] for row in world.audit(before)] == []


@pytest.mark.parametrize("name", OPERATIONS)
async def test_wrong_input_is_the_same_error_on_every_face_and_one_record_each(world: World, name: str) -> None:
    raw = world.input(OPERATIONS[name]) | {"no_such_field": 1}
    async with speaking(world, world.faces.owner) as speaker:
        await refused(speaker, OPERATIONS[name], raw, "invalid")


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_missing_scope_is_the_same_error_on_every_face_and_one_record_each(world: World, name: str) -> None:
    token = await world.faces.token("nothing:read")
    async with speaking(world, token) as speaker:
        await refused(speaker, OPERATIONS[name], world.input(OPERATIONS[name]), "forbidden")


async def test_an_unknown_operation_is_the_same_error_and_one_record_each(world: World) -> None:
    async with speaking(world, world.faces.owner) as speaker:
        before = world.mark
        assert (await speaker.on_mcp("process.juggle", {}))["error"]["code"] == "not_found"
        assert (await speaker.on_http("process.juggle", {}))["error"]["code"] == "not_found"
        rows = [(row["operation"], row["face"], row["outcome"], row["code"]) for row in world.audit(before)]
        assert rows == [("process.juggle", face, "refused", "not_found") for face in ("mcp", "http")]
        assert (await speaker.on_cli("process.juggle", {}))[0] == EXIT["invalid"]  # click knows no such command


@pytest.mark.parametrize(
    "kind", ["agent.get", "approval.get", "memory.get", "process.get", "task.get", "terminal.read", "token.revoke"]
)
async def test_what_does_not_exist_is_the_same_error_on_every_face(world: World, kind: str) -> None:
    op = OPERATIONS[kind]
    field = next(iter(op.input.model_json_schema()["required"]))
    async with speaking(world, world.faces.owner) as speaker:
        await refused(speaker, op, {field: 999_999 if field == "pid" else "nothing_there"}, "not_found")


async def refused(speaker: Speaker, op: Operation, raw: dict[str, Any], code: str) -> None:
    """Check that a call is refused alike on every face, and recorded once on each, if it shall be."""
    before = speaker.world.mark
    on_mcp, on_http = await speaker.on_mcp(op.name, raw), await speaker.on_http(op.name, raw)
    exit_code, _, complaint = await speaker.on_cli(op.name, raw)
    assert set(on_http) == {"error"}
    assert on_http["error"]["code"] == code
    assert on_mcp == on_http
    assert exit_code == EXIT[code]
    assert complaint.splitlines()[0] == f"aetherctl: {on_http['error']['message']}"
    rows = [(row["operation"], row["face"], row["outcome"], row["code"]) for row in speaker.world.audit(before)]
    assert rows == [(op.name, face, "refused", code) for face in ("mcp", "http", "http")]


def test_every_operation_that_changes_something_cheaply_is_in_the_table() -> None:
    """A new one joins the table of fresh inputs, or says here why its success is not tried on every face."""
    costly = {
        "browser": "works a Chromium; tests/kernel/browser does",
        "control": "needs a person's connection that holds the lease",
        "desktop": "works an X server; tests/kernel/desktop does",
        "process": "starts and signals programs; tests/kernel/process does",
        "runtime": "fetches programs; tests/kernel/runtime does, from a registry of its own",
        "sandbox": "works sandboxes and engines; tests/kernel/sandbox does",
        "terminal": "starts shells; tests/kernel/terminal does",
        "system": "ends the daemon",
    }
    left = {name for name, op in OPERATIONS.items() if changes(op) and name not in FRESH}
    assert {name for name in left if name.partition(".")[0] not in costly} == set()


@pytest.mark.parametrize("name", FRESH)
async def test_a_change_succeeds_on_every_face_and_leaves_one_record_each(world: World, name: str) -> None:
    async with speaking(world, world.faces.owner) as speaker:
        answers: dict[str, Any] = {}
        for face in ("mcp", "http", "cli"):
            raw = await FRESH[name](world)
            before = world.mark
            if face == "cli":
                code, output, complaint = await speaker.on_cli(name, raw)
                assert (code, complaint) == (0, "")
                answers[face] = json.loads(output)
            else:
                answers[face] = await (speaker.on_mcp if face == "mcp" else speaker.on_http)(name, raw)
            assert "error" not in answers[face] or name.startswith("process."), answers[face]
            rows = [(row["operation"], row["outcome"], row["face"]) for row in world.audit(before)]
            assert rows == [(name, "ok", "mcp" if face == "mcp" else "http")], face
    assert {frozenset(answer) for answer in answers.values()} == {frozenset(answers["http"])}
