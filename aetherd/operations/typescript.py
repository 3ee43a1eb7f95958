"""The TypeScript face: the catalogue as exact types and one small client. Text out, nothing else.

Both files are functions of the catalogue alone, so they are committed and a test says when they are stale.
Input types come from validation schemas (a default makes a field optional), output types from
serialization schemas (a default is always there).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

Schema = dict[str, Any]

HEADER = "// Generated from the catalogue; do not edit. `make gen` writes it anew.\n"
_IDENTIFIER = re.compile(r"^[A-Za-z_$][\w$]*$")
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def typescript(catalog: dict[str, Any]) -> dict[str, str]:
    """Return the text of every generated file by its name."""
    return {"types.ts": "\n".join(_types(catalog)), "client.ts": _client(catalog)}


class Declarations:
    """Named schemas of all operations and events; one name per shape, one shape per name.

    Two rooms may use one class name for different shapes, and one class may differ as input and as output:
    then every bearer of the name is prefixed with its room, and inputs that still clash end in `Input`.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[tuple[str, str], None]] = {}  # name -> (room, shape) in order
        self._inputs: set[tuple[str, str, str]] = set()
        self._schemas: dict[tuple[str, str], Schema] = {}  # (name, shape) -> schema

    def add(self, room: str, name: str, schema: Schema, *, input: bool = False) -> None:
        """Collect a schema and everything it refers to."""
        defs = schema.get("$defs", {})
        for each, definition in ((name, _resolved(schema)), *defs.items()):
            shape = _shape(each, definition, defs)
            self._found.setdefault(each, {})[(room, shape)] = None
            self._schemas[(each, shape)] = {**definition, "$defs": defs}
            if input:
                self._inputs.add((room, each, shape))

    def name(self, room: str, name: str, shape: str) -> str:
        """Return the TypeScript name of one shape."""
        bearers = self._found[name]
        if len({each for _, each in bearers}) == 1:
            return name
        prefixed = name if name.startswith(_pascal(room)) else _pascal(room) + name
        mine = [each for where, each in bearers if where == room]
        if len(mine) > 1 and (room, name, shape) in self._inputs:
            return prefixed + "Input"
        return prefixed

    def reference(self, room: str, name: str, schema: Schema) -> str:
        """Return the TypeScript name of a schema, or of one of its definitions."""
        defs = schema.get("$defs", {})
        return self.name(room, name, _shape(name, defs.get(name, _resolved(schema)), defs))

    def __iter__(self) -> Iterator[tuple[str, str, Schema]]:
        """Yield (TypeScript name, room, schema) once per name, sorted."""
        named: dict[str, tuple[str, Schema]] = {}
        for name, bearers in self._found.items():
            for room, shape in bearers:
                named.setdefault(self.name(room, name, shape), (room, self._schemas[(name, shape)]))
        for each, (room, schema) in sorted(named.items()):
            yield each, room, schema


class Names:
    """Names for the inputs and outputs of operations, which have none in the catalogue.

    A shape that is a definition somewhere has that name (`Process`); else the first operation that has it
    gives it (`ControlAcquireOutput`), and later ones share it.
    """

    def __init__(self, catalog: dict[str, Any]) -> None:
        self._names: dict[tuple[str, str], str] = {}
        sides = [(op, side) for op in catalog["operations"] for side in ("input", "output")]
        for op, side in sides:
            for name, definition in op[side].get("$defs", {}).items():
                self._names.setdefault((op["room"], _body(definition)), name)
        for op, side in sides:
            made = op[side].get("title") or f"{_pascal(op['name'])}{side.title()}"
            self._names.setdefault((op["room"], _body(op[side])), made)

    def of(self, op: dict[str, Any], side: str) -> str:
        """Return the name of an operation's input or output."""
        return self._names[(op["room"], _body(op[side]))]


def _body(schema: Schema) -> str:
    kept = {k: v for k, v in _resolved(schema).items() if k not in ("$defs", "title")}
    return json.dumps(kept, sort_keys=True)


def _resolved(schema: Schema) -> Schema:
    """Return what a recursive model's schema, which is only a reference, refers to."""
    if "$ref" in schema and "$defs" in schema:
        definition: Schema = schema["$defs"][schema["$ref"].rpartition("/")[2]]
        return {**definition, "$defs": schema["$defs"]}
    return schema


def _shape(name: str, schema: Schema, defs: dict[str, Schema]) -> str:
    """Return what makes a schema equal to another: itself and all it reaches."""
    reached: dict[str, Schema] = {name: {k: v for k, v in schema.items() if k not in ("$defs", "title")}}
    open_ends = [schema]
    while open_ends:
        for each in _references(open_ends.pop()):
            if each not in reached:
                reached[each] = defs[each]
                open_ends.append(defs[each])
    return json.dumps(reached, sort_keys=True)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(ref := node.get("$ref"), str):
            yield ref.rpartition("/")[2]
        for key, value in node.items():
            if key != "$defs":
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


class Writer:
    """Turns one schema into a TypeScript type."""

    def __init__(self, declarations: Declarations, room: str, root: Schema) -> None:
        self._declarations, self._room, self._root = declarations, room, root

    def type(self, schema: Any) -> str:
        """Write a type expression."""
        if not isinstance(schema, dict) or not schema:
            return "unknown"
        if ref := schema.get("$ref"):
            return self._declarations.reference(self._room, ref.rpartition("/")[2], self._root)
        if "const" in schema:
            return json.dumps(schema["const"])
        if "enum" in schema:
            return _union(json.dumps(value) for value in schema["enum"])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return _union(self.type(each) for each in schema[key])
        if "allOf" in schema:
            return " & ".join(self.type(each) for each in schema["allOf"])
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union(self.type({**schema, "type": each}) for each in kind)
        if kind == "array":
            if "prefixItems" in schema:
                return f"[{', '.join(self.type(each) for each in schema['prefixItems'])}]"
            item = self.type(schema.get("items"))
            return f"({item})[]" if " | " in item or " & " in item else f"{item}[]"
        if kind == "object" or "properties" in schema:
            return self.object(schema) if schema.get("properties") else self._record(schema)
        return _SCALARS.get(kind or "", "unknown")

    def object(self, schema: Schema, skip: frozenset[str] = frozenset()) -> str:
        """Write the members of an object, each under its description."""
        required, lines = set(schema.get("required", ())), ["{"]
        for key, value in schema.get("properties", {}).items():
            if key in skip:
                continue
            lines += [f"  {line}" for line in _comment(value.get("description"))]
            name = key if _IDENTIFIER.match(key) else json.dumps(key)
            lines.append(f"  {name}{'' if key in required else '?'}: {_indented(self.type(value))};")
        return "\n".join([*lines, "}"])

    def _record(self, schema: Schema) -> str:
        values = schema.get("additionalProperties", True)
        if values is False:
            return "Record<string, never>"
        return f"Record<string, {self.type(values)}>"


def _types(catalog: dict[str, Any]) -> Iterator[str]:
    operations, events = catalog["operations"], catalog["events"]
    declarations, names = Declarations(), Names(catalog)
    for op in operations:
        declarations.add(op["room"], names.of(op, "input"), op["input"], input=True)
        declarations.add(op["room"], names.of(op, "output"), op["output"])
    for event in events:
        declarations.add(_room(event["type"]), _data_name(event["type"]), event["schema"])

    yield HEADER
    for name, room, schema in declarations:
        yield from _comment(schema.get("description"))
        writer = Writer(declarations, room, schema)
        skip = frozenset(("type", "pid", "agent")) if _is_data(name, events) else frozenset()
        if schema.get("type") == "object" and set(schema.get("properties", {})) - skip:
            yield f"export interface {name} {writer.object(schema, skip)}\n"
        else:
            bare = {**schema, "properties": {}} if skip else schema
            yield f"export type {name} = {writer.type(bare)};\n"

    yield "/** Every operation: what it takes and what it gives. */"
    yield "export interface Operations {"
    for op in operations:
        yield from (f"  {line}" for line in _comment(op["summary"]))
        takes = declarations.reference(op["room"], names.of(op, "input"), op["input"])
        gives = declarations.reference(op["room"], names.of(op, "output"), op["output"])
        effect, streams = json.dumps(op["effect"]), json.dumps(bool(op["streams"]))
        yield (
            f"  {json.dumps(op['name'])}: {{ input: {takes}; output: {gives}; effect: {effect}; streams: {streams} }};"
        )
    yield "}\n"
    yield "export type OperationName = keyof Operations;\n"

    yield "/** The data of every event by its type. */"
    yield "export interface EventData {"
    for event in events:
        yield from (f"  {line}" for line in _comment(event["doc"].partition("\n")[0]))
        yield f"  {json.dumps(event['type'])}: {_data_name(event['type'])};"
    yield "}\n"
    yield "export type EventType = keyof EventData;\n"
    yield "/** An event of one type, as it is on the wire. */"
    yield "export interface EventOf<T extends EventType> {"
    yield "  /** place in the log; a stream resumes after it */"
    yield "  id: number;\n  type: T;\n  at: string;\n  actor: string;"
    yield "  call: string | null;\n  pid: number | null;\n  agent: string | null;"
    yield "  data: EventData[T];\n}\n"
    yield "/** Any event; `type` tells which. */"
    yield "export type AnyEvent = { [T in EventType]: EventOf<T> }[EventType];\n"

    codes = _union(json.dumps(error["code"]) for error in catalog["errors"])
    yield f"/** What a call can fail with. */\nexport type ErrorCode = {codes};\n"
    scopes = _union(json.dumps(s if isinstance(s, str) else s["scope"]) for s in catalog["scopes"])
    yield f"/** What a token can be allowed. */\nexport type Scope = {scopes};\n"


def _client(catalog: dict[str, Any]) -> str:
    rooms: dict[str, list[Any]] = {}
    for op in catalog["operations"]:
        rooms.setdefault(op["room"], []).append(op)
    lines = ["/** Every operation as a method of its room. */", "export const client = {"]
    for room, operations in rooms.items():
        lines.append(f"  {room}: {{")
        for op in operations:
            lines += [f"    {line}" for line in _comment(op["summary"])]
            lines.append(f"    {op['name'].partition('.')[2]}: method({json.dumps(op['name'])}),")
        lines.append("  },")
    return HEADER + _CLIENT + "\n" + "\n".join([*lines, "};"]) + "\n"


def _union(members: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(members)) or "never"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _comment(text: str | None) -> list[str]:
    if not text:
        return []
    lines = text.strip().replace("*/", "*\\/").splitlines()
    return [f"/** {lines[0]} */"] if len(lines) == 1 else ["/**", *(f" * {x}".rstrip() for x in lines), " */"]


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[._-]", name))


def _room(type: str) -> str:
    return type.partition(".")[0]


def _data_name(type: str) -> str:
    return f"{_pascal(type)}Data"


def _is_data(name: str, events: list[Any]) -> bool:
    return any(name == _data_name(event["type"]) for event in events)


_CLIENT = """
import type { ErrorCode, OperationName, Operations } from "./types";

type Input<N extends OperationName> = Operations[N]["input"];
type Output<N extends OperationName> = Operations[N]["output"];
type Arguments<N extends OperationName> =
  Record<string, never> extends Input<N>
    ? [input?: Input<N>, options?: CallOptions]
    : [input: Input<N>, options?: CallOptions];

export interface CallOptions {
  signal?: AbortSignal;
}

/** Where calls go, and what to do when the session is over. */
export const connection = {
  base: "/v1/",
  headers: {} as Record<string, string>,
  onUnauthenticated: (): void => {},
};

interface Failure {
  code: ErrorCode;
  message: string;
  data?: Record<string, unknown>;
}

/** A refused or failed call; `unreachable` means that no answer came. */
export class AetherError extends Error {
  override name = "AetherError";
  constructor(
    readonly code: ErrorCode | "unreachable",
    message: string,
    readonly data: Record<string, unknown> = {},
    readonly status = 0,
  ) {
    super(message);
  }
}

async function post(name: string, input: unknown, accept: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(connection.base + name, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: accept, ...connection.headers },
      body: JSON.stringify(input ?? {}),
      credentials: "same-origin",
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new AetherError("unreachable", "the daemon does not answer");
  }
  if (response.ok) return response;
  if (response.status === 401) connection.onUnauthenticated();
  const error = ((await response.json().catch(() => null)) as { error?: Failure } | null)?.error;
  throw new AetherError(
    error?.code ?? "internal",
    error?.message ?? `HTTP ${response.status}`,
    error?.data ?? {},
    response.status,
  );
}

/** Run one operation. */
export async function call<N extends OperationName>(
  name: N,
  ...[input, options]: Arguments<N>
): Promise<Output<N>> {
  const response = await post(name, input, "application/json", options?.signal);
  return (await response.json()) as Output<N>;
}

/** Follow a streaming operation until it ends. */
export async function* stream<N extends OperationName>(
  name: N,
  ...[input, options]: Arguments<N>
): AsyncGenerator<Output<N>, void, undefined> {
  const response = await post(name, input, "text/event-stream", options?.signal);
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\\r\\n", "\\n")).split("\\n\\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = block.split("\\n");
      const data = fields.filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
      if (!data.length) continue;
      const body = JSON.parse(data.join("\\n")) as Output<N> & { error?: Failure };
      if (fields.includes("event: error") && body.error)
        throw new AetherError(body.error.code, body.error.message, body.error.data);
      yield body;
    }
  }
}

function method<N extends OperationName>(name: N) {
  return (...args: Arguments<N>): Promise<Output<N>> => call(name, ...args);
}
"""
