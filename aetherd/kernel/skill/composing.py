"""A skill made of others: their files beside its own text, each in a directory of its own."""

from __future__ import annotations

from collections.abc import Sequence

from aetherd.core.errors import Invalid
from aetherd.kernel.skill import document
from aetherd.kernel.skill.models import Part, SkillCompose
from aetherd.kernel.skill.tables import SkillRow, VersionRow
from aetherd.kernel.skill.tree import MAIN, Growing, Tree


def composed(
    input: SkillCompose, found: Sequence[tuple[SkillRow, VersionRow, Tree]], *, tools_too: bool
) -> tuple[Tree, Sequence[Part]]:
    """Return the files of the whole and what it was made of; raises `Invalid` past the bounds of a skill.

    With `tools_too` the whole lets a model use without asking what any part does.
    """
    files, tools = Growing(), dict[str, None]()
    parts: list[Part] = []
    lines: list[str] = []
    for row, version, inner in found:
        if any(part.name == row.name for part in parts):
            raise Invalid(f"two of the parts are named {row.name}", field="parts")
        parts.append(Part(skill=row.id, name=row.name, version=version.number))
        lines.append(
            f"- **{row.name}** (version {version.number}): {version.description} Read parts/{row.name}/{MAIN}."
        )
        if tools_too:
            tools |= dict.fromkeys(document.parse(inner[MAIN].text or "").tools)
        for path, file in inner.items():
            files.add(f"parts/{row.name}/{path}", file.data, file.executable)
    text = input.text.strip() or "Follow these skills one after another."
    body = f"{text}\n\n## What it is made of\n\n" + "\n".join(lines)
    files.add(MAIN, document.compose(input.name, input.description, list(tools), None, body).encode())
    return files.done(), parts
