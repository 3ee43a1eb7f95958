"""The generated TypeScript is exact, deterministic, and accepted by the compiler."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from aetherd.core.model import Model, Page
from aetherd.events import Event
from aetherd.operations.catalog import catalog
from aetherd.operations.operation import Call, Effect, Rule, operation, operations_of
from aetherd.operations.typescript import typescript

UI = Path(__file__).parents[2] / "ui"


class Wish(Model):
    tier: Literal["docker", "host"] | None = Field(default=None, description="where")
    env: dict[str, str] = Field(default_factory=dict)


class Plant(Model):
    goal: str = Field(description="ends with */ to be nasty")
    wish: Wish = Field(default_factory=Wish)
    pair: tuple[int, str] = (1, "a")


class Flower(Model):
    pid: int
    colour: str | None = None
    tags: list[Literal["a", "b"]] = []
    children: list[Flower] = []


class Bed(Model):
    flowers: list[Flower]
    wish: Wish
    cursor: str | None = None


class Nothing(Model):
    pass


class FlowerOpened(Event):
    """A flower opened.

    More about it.
    """

    type: Literal["garden.flower_opened"] = "garden.flower_opened"
    colour: str | None = None


class GardenWatered(Event):
    type: Literal["garden.watered"] = "garden.watered"


class Garden:
    @operation("garden.plant", access=Rule.ANYONE)
    async def plant(self, input: Plant, call: Call) -> Flower:
        """Plant a flower."""
        raise NotImplementedError

    @operation("garden.list", effect=Effect.READ, access=Rule.ANYONE)
    async def list_flowers(self, input: Page, call: Call) -> Bed:
        """List the flowers."""
        raise NotImplementedError

    @operation("garden.water", access=Rule.ANYONE)
    async def water(self, input: Nothing, call: Call) -> Nothing:
        """Water everything."""
        raise NotImplementedError


def sample() -> dict[str, Any]:
    return catalog("1", operations_of(Garden), (FlowerOpened, GardenWatered))


def types() -> str:
    return typescript(sample())["types.ts"]


def body(text: str, name: str) -> str:
    start = text.index(f"export interface {name} ")
    return text[start : text.index("\n}", start)]


def test_a_default_makes_an_input_field_optional() -> None:
    plant = body(types(), "GardenPlantInput")
    assert "  goal: string;" in plant
    assert "  pair?: [number, string];" in plant


def test_a_default_is_always_there_in_an_output() -> None:
    flower = body(types(), "Flower")
    assert "  colour: string | null;" in flower
    assert '  tags: ("a" | "b")[];' in flower
    assert "  children: Flower[];" in flower


def test_one_class_that_differs_as_input_and_output_has_two_names() -> None:
    text = types()
    assert '  tier?: "docker" | "host" | null;' in body(text, "GardenWishInput")
    assert '  tier: "docker" | "host" | null;' in body(text, "GardenWish")
    assert "  wish?: GardenWishInput;" in body(text, "GardenPlantInput")
    assert "  wish: GardenWish;" in body(text, "GardenListOutput")


def test_an_output_that_is_a_definition_elsewhere_has_its_name() -> None:
    assert '"garden.plant": { input: GardenPlantInput; output: Flower; effect: "write";' in types()


def test_a_comment_cannot_be_ended_by_a_description() -> None:
    assert "/** ends with *\\/ to be nasty */" in types()


def test_events_are_one_union_that_narrows_by_type() -> None:
    text = types()
    assert '  "garden.flower_opened": GardenFlowerOpenedData;' in text
    assert "colour: string | null;" in body(text, "GardenFlowerOpenedData")
    assert "pid" not in body(text, "GardenFlowerOpenedData")
    assert "export type GardenWateredData = Record<string, never>;" in text
    assert "export type AnyEvent = { [T in EventType]: EventOf<T> }[EventType];" in text


def test_error_codes_and_scopes_are_unions() -> None:
    text = types()
    assert '"not_found"' in text[text.index("export type ErrorCode") :]
    assert 'export type Scope = "garden:read" | "garden:write";' in text


def test_every_operation_is_a_method_of_the_client() -> None:
    client = typescript(sample())["client.ts"]
    for name in ("plant", "list", "water"):
        assert f'    {name}: method("garden.{name}"),' in client


def test_two_rooms_may_use_one_class_name_for_different_shapes() -> None:
    document = sample()
    other = copy.deepcopy(next(op for op in document["operations"] if op["name"] == "garden.list"))
    other |= {"name": "shed.list", "room": "shed"}
    other["output"]["$defs"]["Flower"]["properties"] = {"rust": {"type": "boolean"}}
    other["output"]["$defs"]["Flower"]["required"] = ["rust"]
    document["operations"].append(other)
    text = typescript(document)["types.ts"]
    assert "rust: boolean;" in body(text, "ShedFlower")
    assert "pid: number;" in body(text, "GardenFlower")
    assert "interface Flower " not in text


def test_the_same_catalogue_gives_the_same_text() -> None:
    document = sample()
    assert typescript(document) == typescript(json.loads(json.dumps(document)))


USE = """
import { AetherError, call, client, stream } from "./client";
import type { AnyEvent } from "./types";

export async function use(): Promise<number> {
  const flower = await client.garden.plant({ goal: "x" }, { signal: new AbortController().signal });
  const bed = await call("garden.list");
  for await (const each of stream("garden.water")) void each;
  // @ts-expect-error a required field is missing
  await client.garden.plant({});
  // @ts-expect-error no such operation
  await call("garden.burn", {});
  // @ts-expect-error a tier that does not exist
  await client.garden.plant({ goal: "x", wish: { tier: "moon" } });
  return flower.pid + bed.flowers.length;
}

export function colour(event: AnyEvent): string | null {
  return event.type === "garden.flower_opened" ? event.data.colour : new AetherError("internal", "").code;
}
"""


@pytest.mark.skipif(
    not (UI / "node_modules/typescript/bin/tsc").exists() or shutil.which("node") is None,
    reason="needs node and ui/node_modules (`npm ci` in ui/)",
)
def test_the_compiler_accepts_it_and_rejects_wrong_use(tmp_path: Path) -> None:
    for name, text in typescript(sample()).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "use.ts").write_text(USE)
    options = "--noEmit --strict --noUncheckedIndexedAccess --target ES2022 --module ESNext"
    more = "--moduleResolution bundler --lib ES2023,DOM,DOM.Iterable,DOM.AsyncIterable"
    done = subprocess.run(
        ["node", str(UI / "node_modules/typescript/bin/tsc"), *options.split(), *more.split(), "use.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
