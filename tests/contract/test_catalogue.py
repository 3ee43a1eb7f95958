"""Rules that every operation, event, error and setting keeps, read off the source; they hold for a new room at once."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel

from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, error_classes
from aetherd.daemon.catalog import current, generated
from aetherd.daemon.kernel import events_of, room_of
from aetherd.daemon.rooms import ROOMS
from aetherd.events import Event
from aetherd.operations.operation import Effect, Operation, Rule, Subject, operations_of
from aetherd.web.openapi import openapi
from aetherd_mcp.names import LONGEST, operation_name, tool_name

OPERATIONS = {op.name: op for service in ROOMS for op in operations_of(service)}
EVENTS: dict[str, Any] = {event.model_fields["type"].default: event for event in cast(Any, events_of(ROOMS))}
CATALOG = current()
ENTRIES = {entry["name"]: entry for entry in CATALOG["operations"]}
TESTS = Path(__file__).parents[1]
NO_VERBS = {"a", "an", "the", "this", "these", "it", "all", "returns", "gets", "operation", "process", "agent"}
# What a runtime said and did; the words are its own.
TOLD = {f"agent.{word}" for word in ("text", "thought", "tool_call", "tool_result", "trouble", "usage")}
PARTICIPLES = re.compile(r"(?:[a-z_]+_)?(?:[a-z]+ed|sent|told|forgotten|begun|lost|left|run|set|read|made|gone)")

every_operation = pytest.mark.parametrize("op", OPERATIONS.values(), ids=OPERATIONS)


@every_operation
def test_the_doc_says_what_it_does_in_one_sentence_that_begins_with_a_verb(op: Operation) -> None:
    first = op.summary.split()[0]
    assert first[0].isupper(), op.summary
    assert first.lower() not in NO_VERBS, op.summary
    assert not re.fullmatch(r"[A-Z][a-z]+(ing|es|ts)", first), f"{op.summary!r}: in the imperative"
    assert op.summary.endswith("."), op.summary


@every_operation
def test_the_scope_is_of_its_own_room(op: Operation) -> None:
    room, _, verb = op.scope.partition(":")
    assert room == op.room
    assert verb in ("read", "write", "admin")
    assert (verb == "read") == (op.effect is Effect.READ) or op.delegates


@every_operation
def test_input_and_output_are_objects(op: Operation) -> None:
    for model in (op.input, op.output):
        assert issubclass(model, BaseModel)
        assert model.model_json_schema()["type"] == "object"
    assert op.input.model_config["extra"] == "forbid"


@every_operation
def test_every_field_it_takes_is_described(op: Operation) -> None:
    assert undescribed(ENTRIES[op.name]["input"]) == []


@every_operation
def test_its_schemas_are_json_schemas(op: Operation) -> None:
    for side in ("input", "output"):
        Draft202012Validator.check_schema(ENTRIES[op.name][side])


@every_operation
def test_its_name_fits_and_maps_back(op: Operation) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", op.name)
    assert len(tool_name(op.name)) <= LONGEST
    assert operation_name(tool_name(op.name)) == op.name


@every_operation
def test_it_says_who_may(op: Operation) -> None:
    assert isinstance(op.access, Subject | Rule)
    if isinstance(op.access, Subject):
        assert op.access.field in op.input.model_fields


@every_operation
def test_its_positional_arguments_are_fields(op: Operation) -> None:
    assert set(op.positional) <= set(op.input.model_fields)


def test_tool_names_are_unique() -> None:
    assert len({tool_name(name) for name in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("service", ROOMS, ids=room_of)
def test_a_room_is_named_by_its_package_and_its_operations_by_the_room(service: type) -> None:
    assert re.fullmatch(r"[a-z]+", room_of(service))
    assert {op.room for op in operations_of(service)} == {room_of(service)}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_an_event_is_a_room_and_a_past_participle(event: type[Event]) -> None:
    kind = event.model_fields["type"].default
    room, _, verb = kind.partition(".")
    assert room in {room_of(service) for service in ROOMS}
    assert kind in TOLD or PARTICIPLES.fullmatch(verb), kind


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_an_event_says_what_happened(event: type[Event]) -> None:
    doc = inspect.getdoc(event) or ""
    assert doc != inspect.getdoc(Event)
    assert doc.partition("\n")[0].endswith("."), doc


def test_every_event_of_a_room_is_in_its_list() -> None:
    for service in ROOMS:
        importlib.import_module(service.__module__)
    written = {cls for cls in subclasses(Event) if cls.__module__.startswith("aetherd.kernel.")}
    concrete = {cls for cls in written if "type" in vars(cls).get("__annotations__", {})}
    assert concrete == set(EVENTS.values())
    assert len(EVENTS) == len(events_of(ROOMS))


def test_error_codes_are_unique_and_documented() -> None:
    classes = list(error_classes())
    assert len({cls.code for cls in classes}) == len(classes)
    assert all(cls.__doc__ for cls in classes)
    codes = {cls.code for cls in classes}
    assert {cls.code for cls in subclasses(AetherError)} <= codes, "a room may add data, never a code"


def test_every_setting_is_documented() -> None:
    assert [name for name, setting in Settings.model_fields.items() if not setting.description] == []


def test_every_room_has_tests() -> None:
    missing = [room_of(s) for s in ROOMS if not list((TESTS / "kernel" / room_of(s)).glob("test_*.py"))]
    assert missing == []


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_a_generated_file_is_fresh(path: Path) -> None:
    assert path.exists(), "run `make gen`"
    assert path.read_text() == generated()[path], "run `make gen`"


# --- OpenAPI ---

DOCUMENT = openapi(CATALOG)


@every_operation
def test_openapi_has_it(op: Operation) -> None:
    methods = DOCUMENT["paths"][f"/v1/{op.name}"]
    assert set(methods) == ({"get", "post"} if op.effect is Effect.READ else {"post"})
    body = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator.check_schema(body)
    assert set(body.get("properties", {})) == set(ENTRIES[op.name]["input"].get("properties", {}))
    if "get" in methods:
        assert {parameter["name"] for parameter in methods["get"]["parameters"]} == set(body.get("properties", {}))


def test_openapi_refers_only_to_what_it_holds_and_repeats_no_id() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    dangling = [ref for ref in references(DOCUMENT) if ref.rpartition("/")[2] not in schemas]
    assert dangling == []
    ids = [method["operationId"] for path in DOCUMENT["paths"].values() for method in path.values()]
    assert len(set(ids)) == len(ids)


# --- helpers ---


def undescribed(schema: dict[str, Any], where: str = "") -> list[str]:
    """Return the fields without a description, also those of nested shapes."""
    found = []
    for name, field in schema.get("properties", {}).items():
        if not field.get("description"):
            found.append(where + name)
    for name, definition in schema.get("$defs", {}).items():
        found += undescribed(definition, f"{name}.")
    return found


def references(node: Any) -> list[str]:
    """Return every $ref."""
    if isinstance(node, dict):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [ref for value in node.values() for ref in references(value)]
    return [ref for value in node for ref in references(value)] if isinstance(node, list) else []


def subclasses(cls: type) -> set[Any]:
    """Return all that derive from a class."""
    found: set[Any] = set()
    for child in cast(Any, cls).__subclasses__():
        found |= {child, *subclasses(child)}
    return found
