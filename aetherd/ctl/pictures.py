"""Pictures in answers: written to a file, never to the terminal."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click


def fields(entry: dict[str, Any]) -> list[str]:
    """Return the fields of an operation's output that are pictures."""
    schema = entry["output"]
    if "Picture" not in schema.get("$defs", {}):
        return []
    return [name for name, part in schema["properties"].items() if "#/$defs/Picture" in str(part)]


def kept(names: list[str], value: dict[str, Any], output: str | None) -> dict[str, Any]:
    """Write the picture where it is wanted; return what is left to show."""
    shown = dict(value)
    for name in names:
        if not isinstance(picture := shown.get(name), dict):
            continue
        data = base64.b64decode(picture["base64"])
        shown[name] = f"{picture['media_type']}, {len(data)} bytes; --output FILE writes it"
        if output is not None:
            try:
                Path(output).write_bytes(data)
            except OSError as exc:
                raise click.UsageError(f"--output: cannot write {output}: {exc}") from exc
            shown[name] = f"{picture['media_type']}, {len(data)} bytes, in {output}"
    return shown
