"""Manifests that somebody changed, with the hash to match: refused before anything is written."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from aetherd.core.errors import Conflict
from aetherd.kernel.snapshot.building import build
from aetherd.kernel.snapshot.manifest import Entry, Manifest, decode, encode
from aetherd.kernel.snapshot.objects import Objects
from aetherd.kernel.snapshot.taking import Source, take
from aetherd_runtimes.claude_portable import KEEPING

HEAD = {"parts": [{"name": "home", "path": "/x"}]}
TOP, FILE = Entry("home", "", "dir"), Entry("home", "a", "file", 0o644, size=1, object="0" * 64)
LINK = Entry("home", "l", "link", to="/etc")


def read(*entries: Entry) -> Manifest:
    data = encode(Manifest(dict(HEAD), list(entries)))
    return decode(data, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([replace(FILE, path="../a")], "no plain relative path"),
        ([replace(FILE, path="/etc/passwd")], "no plain relative path"),
        ([replace(FILE, path="a//b")], "no plain relative path"),
        ([replace(FILE, path="a\0b")], "no plain relative path"),
        ([replace(FILE, path="./a")], "no plain relative path"),
        ([LINK, replace(FILE, path="l/passwd")], "does not lie in a directory"),
        ([FILE, replace(FILE, path="a/b")], "does not lie in a directory"),
        ([replace(FILE, path="d/a"), Entry("home", "d", "dir")], "does not lie in a directory"),
        ([FILE, FILE], "stands twice"),
        ([LINK, replace(FILE, path="l")], "stands twice"),
        ([LINK, Entry("home", "b", "same", to="l")], "no file before it"),
        ([Entry("home", "b", "same", to="../../etc/shadow")], "no file before it"),
        ([Entry("home", "b", "device")], "no kind"),  # type: ignore[arg-type]
        ([replace(FILE, part="elsewhere")], "no part"),
        ([replace(FILE, size=1 << 60)], "too large"),
        ([replace(FILE, object="../../../etc/passwd")], "names no object"),
        ([replace(FILE, extents=[[5, 5], [0, 5]], size=20)], "not in order"),
        ([replace(FILE, extents=[[0, 50]], size=20)], "past its end"),
        ([replace(FILE, path="/".join("d" * 300))], "too long or too deep"),
        ([replace(FILE, mode="x")], "another kind"),  # type: ignore[arg-type]
    ],
)
def test_a_path_that_leads_out_or_through_a_link_is_refused(entries: list[Entry], why: str) -> None:
    with pytest.raises(Conflict, match=why):
        read(TOP, *entries)


def test_a_manifest_that_is_a_bomb_or_no_manifest_is_refused() -> None:
    bomb = zstandard.ZstdCompressor().compress(b"[" * (64 << 20))
    for data in (bomb, b"", b"garbage", zstandard.ZstdCompressor().compress(b'{"version":1}\n{"surprise":1}\n')):
        with pytest.raises(Conflict):
            decode(data, hashlib.sha256(data).hexdigest())


def test_an_object_that_unpacks_to_more_than_was_said_is_cut_off(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    name = hashlib.sha256(b"x").hexdigest()
    objects.path(name).parent.mkdir(parents=True)
    objects.path(name).write_bytes(zstandard.ZstdCompressor().compress(b"x" * (1 << 26)))
    chunks = objects.read(name, 1)
    with pytest.raises(Conflict, match="torn or was changed"):
        next(chunks)


def test_what_is_built_has_no_setuid_bit_and_follows_no_link(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    objects.open()
    with objects.writing() as writing:
        name, size = writing.put(None, lambda: iter((b"x",)), 1)  # type: ignore[arg-type]
    entries = [TOP, Entry("home", "x", "file", 0o6777, size=size, object=name), replace(LINK, to=str(tmp_path))]

    def whose(_: Any) -> tuple[int, int]:
        return -1, -1

    build(tmp_path / "new", entries, objects, whose, 0o777, lambda _: None)
    assert (tmp_path / "new/x").stat().st_mode & 0o7777 == 0o777
    # A manifest nobody looked at would find no link either: those are made after all files.
    with pytest.raises(FileNotFoundError):
        build(tmp_path / "other", [*entries, replace(entries[1], path="l/x")], objects, whose, 0o777, lambda _: None)
    assert sorted(os.listdir(tmp_path)) == ["new", "objects", "other"]


def test_a_conversation_that_is_a_terabyte_or_a_pipe_is_left_out_and_read_in_bounds(tmp_path: Path) -> None:
    home, objects = tmp_path / "home", Objects(tmp_path / "objects")
    objects.open()
    talks = home / ".claude/projects/-work"
    talks.mkdir(parents=True)
    (talks / "good.jsonl").write_text('{"type":"user"}\n{"torn')
    with (talks / "huge.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(talks / "pipe.jsonl")
    source = Source("home", home, lambda _: True, KEEPING)
    with objects.writing() as writing:
        found = take([source], {}, writing, 1 << 30, lambda _: None)
    left = {path.rpartition("/")[2]: why for path, why in found.left}
    assert sorted(left) == ["huge.jsonl", "pipe.jsonl"]
    assert "longer than the 128 MB" in left["huge.jsonl"]
    (good,) = [entry for entry in found.entries if entry.kind == "file"]
    assert b"".join(objects.read(good.object, good.size)) == b'{"type":"user"}\n'
