"""What each operation of the fs room does to files."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import fail_after

from aetherd.core import openat
from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound, Unavailable
from aetherd.kernel.fs import quota, search
from aetherd.kernel.fs.beneath import inside
from aetherd.kernel.fs.ports import Place
from aetherd.kernel.fs.staged import PART

pytestmark = pytest.mark.anyio


async def test_what_is_written_is_read_back_and_told(files: Any) -> None:
    written = await files("write", path="work/notes.md", content="héllo\n")
    assert (written.size, written.created) == (7, True)
    content = await files("read", path="work/notes.md")
    assert (content.text, content.base64, content.eof, content.next_offset) == ("héllo\n", None, True, 7)
    event = files.seen[-1].event
    assert (event.type, event.agent, event.pid, event.path, event.what) == (
        "fs.changed", "ann", 7, "work/notes.md", "written",
    )  # fmt: skip


async def test_every_byte_survives_a_write_and_a_read(files: Any) -> None:
    data = bytes(range(256)) * 300 + b"\xff\x00\xed\xa0\x80"
    await files("write", path="b", content=base64.b64encode(data).decode(), base64=True)
    got = b""
    while True:
        part = await files("read", path="b", offset=len(got), limit=10_000)
        assert part.text == ""
        got += base64.b64decode(part.base64)
        if part.eof:
            break
    assert got == data


async def test_text_is_never_cut_inside_a_character(files: Any) -> None:
    await files("write", path="t", content="aéé")
    first = await files("read", path="t", limit=2)
    assert (first.text, first.next_offset, first.eof) == ("a", 1, False)
    rest = await files("read", path="t", offset=first.next_offset)
    assert (rest.text, rest.eof) == ("éé", True)
    whole = await files("read", path="t", offset=2, encoding="text")
    assert whole.text == "\ufffdé"


async def test_create_refuses_what_exists_and_append_adds(files: Any) -> None:
    await files("write", path="f", content="a", mode="create")
    with pytest.raises(Conflict, match="exists"):
        await files("write", path="f", content="b", mode="create")
    assert (await files("write", path="f", content="b", mode="append")).size == 2
    assert (await files("write", path="new", content="b", mode="append")).created
    assert (files.home / "f").read_text() == "ab"


async def test_overwriting_keeps_the_mode_and_replaces_the_file_as_a_whole(files: Any) -> None:
    await files("write", path="run.sh", content="old")
    (files.home / "run.sh").chmod(0o755)
    with (files.home / "run.sh").open() as old:
        await files("write", path="run.sh", content="new")
        assert old.read() == "old"
    assert (files.home / "run.sh").stat().st_mode & 0o777 == 0o755
    assert sorted(os.listdir(files.home)) == ["run.sh"]


async def test_bad_base64_and_missing_parents_are_told(files: Any) -> None:
    with pytest.raises(Invalid, match="base64"):
        await files("write", path="f", content="%%%", base64=True)
    with pytest.raises(NotFound):
        await files("write", path="no/f", content="x", parents=False)


async def test_writing_to_a_link_writes_to_its_target(files: Any) -> None:
    await files("write", path="d/target", content="1")
    (files.home / "link").symlink_to("d/target")
    await files("write", path="link", content="2")
    assert (files.home / "link").is_symlink()
    assert (await files("read", path="d/target")).text == "2"


async def test_edit_replaces_exactly_one_place_unless_all_is_meant(files: Any) -> None:
    await files("write", path="f", content="one two two")
    with pytest.raises(Conflict, match="2 times") as many:
        await files("edit", path="f", old="two", new="2")
    assert many.value.data["matches"] == 2
    with pytest.raises(Conflict, match="does not hold"):
        await files("edit", path="f", old="three", new="3")
    assert (await files("edit", path="f", old="one", new="1")).replaced == 1
    assert (await files("edit", path="f", old="two", new="2", all=True)).replaced == 2
    assert (await files("read", path="f")).text == "1 2 2"


async def test_concurrent_edits_of_one_file_are_all_kept(files: Any) -> None:
    await files("write", path="f", content="".join(f"<{n}>" for n in range(20)))
    async with anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(lambda n=n: files("edit", path="f", old=f"<{n}>", new=f"[{n}]"))
    assert (await files("read", path="f")).text == "".join(f"[{n}]" for n in range(20))


async def test_a_list_is_sorted_paged_and_hides_dot_names(files: Any) -> None:
    for name in ("b", "a/x", "a/y/z", "a-b", ".hidden"):
        await files("write", path=name, content="")
    (files.home / PART).write_text("unfinished")
    (files.home / "l").symlink_to("b")
    page = await files("list")
    assert [(entry.path, entry.kind) for entry in page.entries] == [
        ("a", "dir"), ("a-b", "file"), ("b", "file"), ("l", "link"),
    ]  # fmt: skip
    assert page.entries[-1].target == "b"
    found: list[str] = []
    cursor = None
    for _ in range(10):
        page = await files("list", recursive=True, hidden=True, limit=2, cursor=cursor)
        found += [entry.path for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [".hidden", "a", "a/x", "a/y", "a/y/z", "a-b", "b", "l"]
    page = await files("list", path="a", recursive=True, limit=1)
    page = await files("list", path="a", recursive=True, cursor=page.cursor)
    assert [entry.path for entry in page.entries] == ["a/y", "a/y/z"]


async def test_a_name_that_is_not_unicode_does_not_break_a_list(files: Any) -> None:
    Path(os.fsdecode(os.fsencode(files.home) + b"/bad\xff")).write_text("x")
    page = await files("list")
    assert page.entries[0].name == "bad\ufffd"
    assert page.model_dump_json()


async def test_listing_a_file_is_a_conflict_and_nothing_is_not_found(files: Any) -> None:
    await files("write", path="f", content="")
    with pytest.raises(Conflict, match="not a directory"):
        await files("list", path="f")
    with pytest.raises(NotFound):
        await files("list", path="none")
    with pytest.raises(Invalid, match="cursor"):
        await files("list", cursor="*")


async def test_stat_describes_a_link_itself(files: Any) -> None:
    (files.home / "l").symlink_to("../../etc/passwd")
    stat = await files("stat", path="l")
    assert (stat.kind, stat.target) == ("link", "../../etc/passwd")
    assert (await files("stat", path=".")).kind == "dir"


async def test_search_finds_names_and_lines(files: Any) -> None:
    await files("write", path="src/a.py", content="import os\nx = 1\n")
    await files("write", path="src/b.txt", content="import os\n")
    await files("write", path=".git/c.py", content="import os\n")
    await files("write", path="bin", content=base64.b64encode(b"\0import os").decode(), base64=True)
    found = await files("search", name="*.py", content="import")
    assert [(match.path, match.line, match.text) for match in found.matches] == [("src/a.py", 1, "import os")]
    assert found.complete
    found = await files("search", content=r"^X\s=", regex=True, ignore_case=True)
    assert [(match.path, match.line) for match in found.matches] == [("src/a.py", 2)]
    found = await files("search", name="src/*", limit=1)
    assert ([match.path for match in found.matches], found.complete) == (["src/a.py"], False)
    found = await files("search", path="src/b.txt", content="os")
    assert [match.path for match in found.matches] == ["src/b.txt"]
    with pytest.raises(Invalid, match="regular expression"):
        await files("search", content="(", regex=True)
    with pytest.raises(Invalid, match="what to look for"):
        await files("search")


async def test_a_regular_expression_that_never_ends_is_ended(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SECONDS", 0.1)
    monkeypatch.setattr(search, "GRACE", 0.3)
    await files("write", path="f", content="a" * 60 + "!\n")
    with fail_after(5):
        found = await files("search", content="(a+)+$", regex=True)
    assert not found.complete


async def test_directories_are_made_moved_copied_and_removed(files: Any) -> None:
    await files("mkdir", path="a/b")
    await files("mkdir", path="a/b")
    with pytest.raises(Conflict, match="exists"):
        await files("mkdir", path="a/b", parents=False)
    await files("write", path="a/b/f", content="x")
    (files.home / "a/l").symlink_to("b/f")
    assert (await files("copy", path="a", to="c")).kind == "dir"
    assert (files.home / "c/b/f").read_text() == "x"
    assert os.readlink(files.home / "c/l") == "b/f"
    assert (await files("copy", path="a", to="a/inner")).kind == "dir"
    with pytest.raises(Conflict, match="exists"):
        await files("copy", path="a/b/f", to="c/b/f")
    assert (await files("move", path="c", to="d/e")).path == "d/e"
    with pytest.raises(Conflict, match="exists"):
        await files("move", path="a/b/f", to="d/e/b/f")
    await files("move", path="a/b/f", to="d/e/b/f", overwrite=True)
    with pytest.raises(Conflict, match="not empty"):
        await files("remove", path="d")
    assert (await files("remove", path="d", recursive=True)).kind == "dir"
    assert (await files("remove", path="a/l")).kind == "link"
    with pytest.raises(NotFound):
        await files("remove", path="d")
    for verb, more in (("remove", {"recursive": True}), ("move", {"to": "x"})):
        with pytest.raises(Conflict, match="home"):
            await files(verb, path=".", **more)
    assert [entry for entry in os.listdir(files.home) if entry.startswith(PART)] == []


async def test_a_failed_copy_leaves_nothing(files: Any) -> None:
    await files("mkdir", path="a")
    os.mkfifo(files.home / "a/pipe")
    with pytest.raises(Invalid, match="pipe"):
        await files("copy", path="a", to="b")
    assert sorted(os.listdir(files.home)) == ["a"]


async def test_watch_tells_what_any_program_does(files: Any) -> None:
    await files("mkdir", path="w/deep")
    seen: list[tuple[str, str]] = []
    steps = [
        lambda: (files.home / "w/deep/f").write_text("x"),
        lambda: (files.home / "w/new/inner").mkdir(parents=True),
        lambda: (files.home / "w/new/inner/g").write_text("y"),
        lambda: (files.home / "w/new/inner/g").rename(files.home / "w/h"),
    ]
    awaited = [("w/deep/f", "modified"), ("w/new/inner", "created"), ("w/new/inner/g", "modified"), ("w/h", "moved_to")]
    stream = await files("watch", path="w", follow=True)
    with fail_after(10):
        async for item in stream:
            seen += [(change.path, change.kind) for change in item.changes]
            if not steps and awaited[-1] in seen:
                break
            if steps and (len(steps) == len(awaited) or awaited[len(awaited) - len(steps) - 1] in seen):
                steps.pop(0)()
    await stream.aclose()
    assert ("w/deep/f", "created") in seen
    assert files.service.metrics()["aetherd_fs_watches"] == 0


async def test_watch_without_follow_answers_when_the_time_is_up(files: Any) -> None:
    items = [item async for item in await files("watch", timeout_s=0.01)]
    assert [item.changes for item in items] == [[]]


async def test_the_quota_refuses_writes_and_knows_what_was_freed(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "BYTES", 100_000)
    monkeypatch.setattr(quota, "STALE_S", 0.0)
    await files("write", path="a", content="x" * 80_000)
    for verb, raw in (
        ("write", {"path": "b", "content": "x" * 40_000}),
        ("write", {"path": "a", "content": "x" * 40_000, "mode": "append"}),
        ("copy", {"path": "a", "to": "b"}),
        ("edit", {"path": "a", "old": "x" * 80_000, "new": "x" * 160_000}),
    ):
        with pytest.raises(Exhausted, match="remove something"):
            await files(verb, **raw)
    await files("remove", path="a")
    await files("write", path="b", content="x" * 40_000)
    monkeypatch.setattr(quota, "FILES", 3)
    await files("write", path="c", content="")
    await files("write", path="d", content="")
    for verb, raw in (("write", {"path": "e", "content": ""}), ("mkdir", {"path": "e"})):
        with pytest.raises(Exhausted):
            await files(verb, **raw)
    await files("write", path="d", content="what exists may be replaced")


async def test_what_a_killed_write_left_is_never_listed_and_later_removed(
    files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.home / f"{PART}dead").write_text("half")
    (files.home / "d").mkdir()
    (files.home / f"d/{PART}tree").mkdir()
    if os.geteuid() == 0:
        os.chown(files.home / "d", 20_101, 20_101)
    assert [entry.path for entry in (await files("list", recursive=True, hidden=True)).entries] == ["d"]
    monkeypatch.setattr(quota, "LEFTOVER_S", -1.0)
    await files("write", path="f", content="")
    assert sorted(os.listdir(files.home)) == ["d", "f"]
    assert os.listdir(files.home / "d") == []


async def test_a_kernel_without_openat2_is_told_in_words(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openat, "_OPENAT2", 9999)
    with pytest.raises(Unavailable, match="openat2"):
        await files("list")


async def test_agents_reach_only_themselves_and_people_name_one(files: Any) -> None:
    await files("write", files.as_agent("bob"), path="secret", content="bob's")
    with pytest.raises(Forbidden, match="somebody else"):
        await files("read", agent="bob", path="secret")
    with pytest.raises(Invalid, match="name the agent"):
        await files("read", files.as_owner(), path="secret")
    assert (await files("read", files.as_owner(), agent="bob", path="secret")).text == "bob's"
    with pytest.raises(Forbidden):
        await files("read", files.as_owner(user="stranger"), agent="bob", path="secret")
    with pytest.raises(Forbidden, match="fs:write"):
        await files("write", files.as_owner(scopes=frozenset({"*:read"})), agent="bob", path="x", content="")


async def test_a_directory_of_any_depth_and_mode_is_removed(files: Any) -> None:
    await files("mkdir", path="deep")
    with inside(Place.home(files.agents.homes["ann"])) as root:
        here = os.open("deep", os.O_RDONLY, dir_fd=root.descriptor)
        for _ in range(3000):
            os.mkdir("d", dir_fd=here)
            os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.fchmod(here, 0o500)
        os.close(here)
    page = await files("list", path="deep", recursive=True, limit=500)
    assert len(page.entries) == 500
    await files("remove", path="deep", recursive=True)
    assert os.listdir(files.home) == []
