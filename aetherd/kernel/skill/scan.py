"""How risky a skill is: what its files say, and what it asks for. A hint for a person, no proof of harmlessness."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from aetherd.kernel.skill.document import AT_ONCE, HARMLESS, Document
from aetherd.kernel.skill.fill import PLACE
from aetherd.kernel.skill.models import Reason
from aetherd.kernel.skill.recipe import Http, Recipe, Shell
from aetherd.kernel.skill.signs import SIGNS, Level
from aetherd.kernel.skill.tree import MAIN, STEPS, Tree

ORDER: tuple[Level, ...] = ("low", "medium", "high")
REASONS = 50  # of one skill
LOOKED = 1 << 20  # characters of a skill that are looked at: some seconds at worst
LINE, OVERLAP = 2000, 400  # characters of a line that are looked at together


URL = re.compile(r"https?://[^\s)\]}>\"'`]{1,300}", re.IGNORECASE)
WIDE = re.compile(r"\*|Bash(?:\(\*?:?\*?\))?", re.IGNORECASE)  # whatever there is, or whatever command


def scan(tree: Tree, document: Document, recipe: Recipe | None) -> tuple[Level, list[Reason]]:
    """Return the level and why; high reasons first, each sign once per file."""
    found = [*_files(tree), *_tools(document)]
    if document.hooks:
        found.append(Reason(level="high", what="has hooks: commands that run by themselves", file=MAIN))
    if AT_ONCE.search(document.body):
        found.append(Reason(level="high", what="holds a command that is run when it is read", file=MAIN))
    if recipe is not None:
        found += _steps(recipe)
    for one in document.permissions or ():
        found.append(Reason(level="high" if one == "shell" else "medium", what=f"asks for the permission {one}"))
    found.sort(key=lambda reason: (-ORDER.index(reason.level), reason.file or "", reason.line or 0))
    unique = list(dict.fromkeys(found))
    return (unique[0].level if unique else "low"), unique[:REASONS]


def _files(tree: Tree) -> Iterator[Reason]:
    hosts: set[str] = set()
    left = LOOKED
    for path in sorted(tree, key=lambda one: (one != MAIN, one)):
        file = tree[path]
        if file.executable:
            yield Reason(level="medium", what="can be executed", file=path)
        text = file.text
        if text is None:
            if path.rpartition(".")[2].lower() not in ("png", "jpg", "jpeg", "gif", "pdf", "webp", "ico", "woff2"):
                yield Reason(level="medium", what="is binary: nobody can read what it does", file=path)
            continue
        seen: set[str] = set()
        for number, line in _lines(text[:left]):
            for sign in SIGNS:
                if sign.what not in seen and sign.pattern.search(line):
                    seen.add(sign.what)
                    yield Reason(level=sign.level, what=sign.what, file=path, line=number, text=line.strip()[:200])
            for url in URL.findall(line):
                host = _host(url.rstrip(".,;:!?"))
                if host and host not in hosts and len(hosts) < REASONS:
                    hosts.add(host)
                    level: Level = "low" if path.endswith(".md") else "medium"
                    yield Reason(level=level, what=f"names the host {host}", file=path, line=number)
        if len(text) > left:
            what = f"was not looked at to its end: of a skill, {LOOKED:,} characters are"
            yield Reason(level="high", what=what, file=path)
        left = max(0, left - len(text))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers; a long one in pieces that overlap, so that no sign is cut."""
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        for start in range(0, max(1, len(line) - OVERLAP), LINE - OVERLAP):
            yield number, line[start : start + LINE]


def _tools(document: Document) -> Iterator[Reason]:
    for tool in document.tools:
        if WIDE.fullmatch(tool):
            yield Reason(level="high", what=f"lets the model use {tool} without asking", file=MAIN)
        elif tool not in HARMLESS:
            yield Reason(level="medium", what=f"lets the model use {tool} without asking", file=MAIN)


def _steps(recipe: Recipe) -> Iterator[Reason]:
    for step in recipe.steps:
        if isinstance(step, Shell):
            yield Reason(level="medium", what=f"step {step.name} runs a command as the agent", file=STEPS)
        elif isinstance(step, Http):
            host = _host(step.url)
            which = f"sends a request to {host}" if host and not PLACE.search(host) else "sends a request to any host"
            yield Reason(level="medium", what=f"step {step.name} {which}", file=STEPS)
        elif step.kind == "fs" and step.op in ("write", "append"):
            yield Reason(level="low", what=f"step {step.name} writes files of the agent", file=STEPS)


def _host(url: str) -> str | None:
    try:
        return urlsplit(PLACE.sub("x" if "://" in url.partition("{{")[0] else "", url)).hostname
    except ValueError:
        return None
