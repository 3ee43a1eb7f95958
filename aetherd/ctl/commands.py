"""The catalogue as commands: a group per room, a command per operation, its schema as options."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

from aetherd.ctl import pictures, render
from aetherd.ctl.client import Client, Failure

SHIPPED = Path(__file__).parents[1] / "catalog.json"
TAKEN = {"json", "input", "help"}

Schema = dict[str, Any]


def catalog(client: Client | None = None) -> dict[str, Any]:
    """Return the shipped catalogue, or with a client the running daemon's."""
    if client is not None:
        found: dict[str, Any] = json.loads(client.request("GET", "/v1/catalog"))
        return found
    try:
        found = json.loads(SHIPPED.read_bytes())
    except FileNotFoundError:
        raise Failure("this installation has no catalogue", "unavailable", "ask the daemon: aetherctl --live") from None
    return found


class Json(click.ParamType[Any]):
    """A value written as JSON; a plain word stands for itself where a text is allowed."""

    name = "json"

    def __init__(self, kinds: set[str]) -> None:
        self._kinds = kinds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            if "string" in self._kinds or not self._kinds & {"object", "array"}:
                return value
            self.fail(f"{value!r} is not JSON", param, ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """KEY=VALUE."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split it."""
        key, found, rest = str(value).partition("=")
        if not found or not key:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key, rest


class Field:
    """One parameter of a command: where its value belongs in the input."""

    def __init__(self, path: tuple[str, ...], schema: Schema, root: Schema) -> None:
        self.path = path
        self.schema = schema
        self.choices = variants(schema, root)
        self.kinds = {kind for part in self.choices if (kind := part.get("type"))}
        self._root = root

    @property
    def key(self) -> str:
        """Its name inside click."""
        return "field__" + "__".join(self.path)

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        name = ".".join(self.path).replace("_", "-")
        return f"--with-{name}" if name in TAKEN else f"--{name}"

    @property
    def help(self) -> str:
        """What it is for."""
        text = str(self.schema.get("description", ""))
        if (default := self.schema.get("default")) not in (None, "", [], {}, False):
            text += f" [default: {default}]"
        return text.strip()

    def _part(self, kind: str) -> Schema:
        return next((part for part in self.choices if part.get("type") == kind), {})

    @property
    def many(self) -> bool:
        """Whether it is an array."""
        return "array" in self.kinds

    @property
    def pairs(self) -> bool:
        """Whether it is a table of texts, such as an environment."""
        part = self._part("object")
        return isinstance(part.get("additionalProperties"), dict) and not part.get("properties")

    def value_type(self) -> click.ParamType[Any]:
        """Return how a word becomes a value."""
        if self.many:
            return Field(self.path, self._part("array").get("items", {}), self._root).value_type()
        if self.pairs:
            return Pair()
        kinds = self.kinds - {"null"}
        options = [str(value) for part in self.choices for value in part.get("enum", ())]
        free = any(part.get("type") == "string" and "enum" not in part for part in self.choices)
        if options and kinds <= {"string"} and not free:
            return click.Choice(options)
        if kinds == {"integer"}:
            return click.INT
        if kinds in ({"number"}, {"number", "integer"}):
            return click.FLOAT
        if kinds == {"boolean"}:
            return click.BOOL
        if kinds == {"string"}:
            return click.STRING
        return Json(kinds)

    def option(self) -> click.Option:
        """Return it as an option."""
        if self.kinds - {"null"} == {"boolean"}:
            flag = self.flag
            return click.Option([f"{flag}/--no-{flag[2:]}", self.key], default=None, help=self.help, show_default=False)
        return click.Option(
            [self.flag, self.key],
            type=self.value_type(),
            multiple=self.many or self.pairs,
            default=None,
            help=self.help,
            metavar="KEY=VALUE" if self.pairs else None,
        )

    def argument(self, required: bool) -> click.Argument:
        """Return it as a positional argument."""
        return click.Argument(
            [self.key],
            type=self.value_type(),
            required=required,
            nargs=-1 if self.many else 1,
            metavar="_".join(self.path).upper() + ("..." if self.many else ""),
        )

    def put(self, given: Any, into: dict[str, Any]) -> None:
        """Put what was given where it belongs; nothing given changes nothing."""
        if given is None or given == ():
            return
        if self.pairs:
            given = dict(given)
        elif self.many:
            given = list(given)
        for name in self.path[:-1]:
            into = into.setdefault(name, {})
        into[self.path[-1]] = given


def variants(schema: Schema, root: Schema) -> list[Schema]:
    """Return the alternatives a schema allows, with references resolved."""
    if "$ref" in schema:
        return variants(root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {}), root)
    found = [leaf for part in (*schema.get("anyOf", ()), *schema.get("allOf", ())) for leaf in variants(part, root)]
    return found or [schema]


def fields_of(schema: Schema, root: Schema, path: tuple[str, ...] = ()) -> list[Field]:
    """Return the fields of an input; a simple nested object becomes dotted ones."""
    found: list[Field] = []
    for name, part in schema.get("properties", {}).items():
        field = Field((*path, name), part, root)
        inner = [choice for choice in field.choices if choice.get("type") == "object" and choice.get("properties")]
        if len(inner) == 1 and not path and field.kinds <= {"object", "null"}:
            found += fields_of(inner[0], root, (*path, name))
        else:
            found.append(field)
    return found


def command_for(entry: dict[str, Any], client: Callable[[], Client]) -> click.Command:
    """Return the command of one operation."""
    schema = entry["input"]
    fields = fields_of(schema, schema)
    places = {name: number for number, name in enumerate(entry.get("positional", ()))}
    parameters: list[click.Parameter] = []
    for field in sorted(fields, key=lambda field: places.get(field.path[0], len(places))):
        if field.path[0] in places and len(field.path) == 1:
            parameters.append(field.argument(required=False))
        else:
            parameters.append(field.option())
    parameters += [
        click.Option(["--input", "whole"], help="the whole input: JSON, @FILE, or - for standard input"),
        click.Option(["--json", "as_json"], is_flag=True, help="print the answer exactly as it is"),
    ]

    if pictures.fields(entry):
        parameters.append(
            click.Option(["--output", "output"], type=click.Path(), help="write the picture to this file")
        )

    if "argv" in schema.get("properties", {}) and "argv" not in places:
        parameters.append(click.Argument(["rest"], nargs=-1, metavar="[-- COMMAND...]"))

    def run(
        whole: str | None, as_json: bool, rest: tuple[str, ...] = (), output: str | None = None, **given: Any
    ) -> None:
        body = read_input(whole, sys.stdin)
        if rest:
            body["argv"] = list(rest)
        for field in fields:
            field.put(given.get(field.key), body)
        if missing := [name for name in schema.get("required", ()) if name not in body]:
            word = missing[0].upper() if missing[0] in places else f"--{missing[0].replace('_', '-')}"
            raise click.UsageError(f"{word} is missing")
        perform(client(), entry, body, as_json, output)

    return click.Command(
        entry["name"].partition(".")[2].replace("_", "-"),
        params=parameters,
        callback=run,
        help=entry["doc"] + _positional_help(fields, places),
        short_help=entry["summary"].rstrip("."),
    )


def _positional_help(fields: list[Field], places: dict[str, int]) -> str:
    named = [field for field in fields if field.path[0] in places and field.help]
    if not named:
        return ""
    return "\n\n\b\n" + "\n".join(f"{field.path[0].upper()}: {field.help}" for field in named)


def read_input(text: str | None, stdin: TextIO) -> dict[str, Any]:
    """Read `--input`."""
    if text is None:
        return {}
    if text == "-":
        text = stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeError) as exc:
            raise click.UsageError(f"--input: cannot read {text[1:]}: {exc}") from exc
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise click.UsageError(f"--input: not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise click.UsageError("--input: not a JSON object")
    return value


def follows(entry: dict[str, Any], body: dict[str, Any], as_json: bool) -> bool:
    """Tell whether items are shown as they come; a wait that ends by itself is one answer for a script."""
    names = entry["input"].get("properties", {})
    if not entry["streams"]:
        return False
    if "follow" in names:
        return bool(body.get("follow"))
    return not (as_json and "timeout_s" in names)


def perform(
    client: Client, entry: dict[str, Any], body: dict[str, Any], as_json: bool, output: str | None = None
) -> None:
    """Run the operation and show what it answers."""
    name, shots = entry["name"], pictures.fields(entry)
    answers = client.stream(name, body) if follows(entry, body, as_json) else [client.invoke(name, body)]
    try:
        for answer in answers:
            shown = pictures.kept(shots, json.loads(answer), output) if shots else None
            if as_json:
                render.out(answer.decode())
            else:
                SHOWN.get(name, render.show)(shown or json.loads(answer))
    finally:
        render.settle()


def _output(part: dict[str, Any]) -> None:
    render.raw(str(part.get("text", "")))


def _screen(screen: dict[str, Any]) -> None:
    for line in screen.get("lines", ()):
        render.out(render.safe(str(line)))


def _progress(told: dict[str, Any]) -> None:
    render.progress(f"{told['runtime']} {told['version']}", str(told["step"]), str(told["detail"]), told["elapsed_s"])


SHOWN: dict[str, Callable[[dict[str, Any]], None]] = {
    "process.output": _output,
    "runtime.install": _progress,
    "terminal.read": _screen,
}


class Room(click.Group):
    """One room; its commands are built when they are looked at."""

    def __init__(self, name: str, entries: list[dict[str, Any]], own: click.Group | None) -> None:
        super().__init__(name, help=f"Operations of the room {name}.", commands=own.commands if own else None)
        self._entries = {entry["name"].partition(".")[2].replace("_", "-"): entry for entry in entries}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name its verbs."""
        return sorted({*self.commands, *self._entries})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Build one verb, written with dashes or as on the wire."""
        if name in self.commands:
            return self.commands[name]
        entry = self._entries.get(name.replace("_", "-"))
        return None if entry is None else command_for(entry, lambda: client_of(ctx))


class Rooms(click.Group):
    """The root: hand-written commands, and the rooms of the catalogue, each built when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name everything there is; without a catalogue that is what is written by hand."""
        try:
            return sorted({*self.commands, *rooms(ctx)})
        except Failure:
            return sorted(self.commands)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Build one room's group; a hand-written group of the same name keeps its own commands in it."""
        own = self.commands.get(name)
        if own is not None and not isinstance(own, click.Group):
            return own
        try:
            entries = rooms(ctx).get(name)
        except Failure:
            if own is None and not ctx.resilient_parsing:
                raise
            entries = None
        if entries is None:
            return own
        return Room(name, entries, own)

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run, and turn whatever ends a command into one line on standard error and an exit code."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except Failure as exc:
            sys.exit(complain(render.safe(exc.message), exc.hint, exc.exit_code))
        except click.ClickException as exc:
            context = getattr(exc, "ctx", None)
            hint = f"see {context.command_path} --help" if context is not None else None
            sys.exit(complain(exc.format_message().rstrip("."), hint, 2))
        except (click.Abort, KeyboardInterrupt):
            sys.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read has enough; the exit flush must not fail
            sys.exit(0)
        sys.exit(code if isinstance(code, int) else 0)


def complain(message: str, hint: str | None, code: int) -> int:
    """Say what is wrong on standard error."""
    click.echo(f"aetherctl: {message}", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
    return code


def rooms(ctx: click.Context) -> dict[str, list[dict[str, Any]]]:
    """Return the operations by room, read once per run."""
    root = ctx.find_root()
    if "rooms" not in root.meta:
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in catalog(client_of(ctx) if root.params.get("live") else None)["operations"]:
            found.setdefault(entry["room"], []).append(entry)
        root.meta["rooms"] = found
    known: dict[str, list[dict[str, Any]]] = root.meta["rooms"]
    return known


def client_of(ctx: click.Context) -> Client:
    """Return the client of this run."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = Client()
    found: Client = root.obj
    return found
