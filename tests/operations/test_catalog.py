"""The catalogue: pure, whole, and as closed as the models."""

from __future__ import annotations

import json
import re

from aetherd.core.config import Settings
from aetherd.daemon.kernel import events_of
from aetherd.daemon.rooms import ROOMS
from aetherd.operations.catalog import catalog, tool_name
from aetherd.operations.operation import Rule, operations_of

SELF_EVIDENT = {"name", "role", "description", "text", "signal", "priority", "rows", "cols"}
OPERATIONS = [op for service in ROOMS for op in operations_of(service)]


def document() -> dict:  # type: ignore[type-arg]
    return catalog("0", OPERATIONS, events_of(ROOMS))


def names(check: object) -> list[str]:
    return [op.name for op in OPERATIONS if not check(op)]  # type: ignore[operator]


def test_the_catalogue_is_json_and_the_same_each_time_whatever_the_order() -> None:
    one = json.dumps(document())
    assert one == json.dumps(catalog("0", reversed(OPERATIONS), tuple(reversed(events_of(ROOMS)))))


def test_every_operation_is_named_room_verb_and_its_tool_name_fits_and_maps_back() -> None:
    assert names(lambda op: re.fullmatch(r"[a-z]+\.[a-z][a-z_]*", op.name)) == []
    tools = {tool_name(op.name) for op in OPERATIONS}
    assert len(tools) == len(OPERATIONS)
    assert [tool for tool in tools if len(tool) > 45] == []


def test_every_operation_has_a_doc_that_is_a_sentence() -> None:
    assert names(lambda op: re.match(r"[A-Z][^\n]+[.]$", op.summary)) == []


def test_every_operation_s_scope_is_of_its_own_room() -> None:
    assert names(lambda op: re.fullmatch(rf"{op.room}:(read|write|admin)", op.scope)) == []


def test_every_input_is_closed_and_every_field_of_it_described() -> None:
    bare = []
    for op in OPERATIONS:
        assert op.input.model_config.get("extra") == "forbid", op.name
        bare += [f"{op.name}.{name}" for name, field in op.input.model_fields.items() if not field.description]
    assert [name for name in bare if name.rpartition(".")[2] not in SELF_EVIDENT] == []


def test_every_output_is_an_object() -> None:
    outputs = {entry["name"]: entry["output"].get("type") for entry in document()["operations"]}
    assert {name for name, kind in outputs.items() if kind != "object"} == set()


def test_every_operation_says_who_may() -> None:
    assert names(lambda op: op.access is not None) == []
    assert {op.name for op in OPERATIONS if op.access is Rule.ANYONE and op.effect != "read"} == set()


def test_positional_fields_exist() -> None:
    assert names(lambda op: set(op.positional) <= set(op.input.model_fields)) == []


def test_every_event_is_named_once_after_a_room_and_documented() -> None:
    events = document()["events"]
    assert len({event["type"] for event in events}) == len(events)
    rooms = {op.room for op in OPERATIONS}
    assert [event["type"] for event in events if event["type"].partition(".")[0] not in rooms | {"agent"}] == []
    assert [event["type"] for event in events if not event["doc"]] == []


def test_every_setting_and_error_is_in_it() -> None:
    found = document()
    assert {entry["name"] for entry in found["settings"]} == set(Settings.model_fields)
    assert len({entry["code"] for entry in found["errors"]}) == 9
