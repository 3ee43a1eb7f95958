"""Archives and folders are taken in whole, or refused before anything is written."""

from __future__ import annotations

import base64
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from aetherd.core.errors import Exhausted, Forbidden, Invalid, NotFound
from tests.kernel.skill.conftest import Pair, fresh

pytestmark = pytest.mark.anyio


TOOLS = "Read, Grep"


def main(name: str) -> bytes:
    return f"---\nname: {name}\ndescription: Packed.\nallowed-tools: {TOOLS}\n---\n\nDo it.\n".encode()


def zipped(*entries: tuple[str, bytes, int]) -> bytes:
    """Return a zip of names, contents and modes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def tarred(*entries: tuple[str, bytes, int], kind: bytes = tarfile.REGTYPE, packing: Any = "w:gz") -> bytes:
    """Return a tar of names, contents and modes; the last is of this kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=packing) as archive:
        for number, (name, data, mode) in enumerate(entries, 1):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            if number == len(entries):
                entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def sent(data: bytes) -> str:
    return base64.b64encode(data).decode()


PLAIN = stat.S_IFREG | 0o644
RUNS = stat.S_IFREG | 0o755


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar.gz"])
async def test_an_archive_is_taken_in_with_or_without_a_directory_around_it(
    pair: Pair, pack: Callable[..., bytes]
) -> None:
    one, two = fresh(), fresh()
    bare = pack(("SKILL.md", main(one), PLAIN), ("scripts/go.sh", b"echo go\n", RUNS))
    made = await pair(None, "install", archive=sent(bare))
    assert (made.name, made.tools) == (one, ["Read", "Grep"])
    files = {one.path: one.executable for one in (await pair(None, "get", skill=one)).files}
    assert files == {"SKILL.md": False, "scripts/go.sh": True}
    around = pack((f"{two}/SKILL.md", main(two), PLAIN), (f"{two}/a.txt", b"a", PLAIN))
    await pair(None, "install", archive=sent(around))
    assert [one.path for one in (await pair(None, "get", skill=two)).files] == ["SKILL.md", "a.txt"]
    assert (await pair(None, "versions", skill=two)).versions[0].source == "install"


HOSTILE: dict[str, tuple[bytes, str]] = {
    "zip ..": (zipped(("SKILL.md", main("x"), PLAIN), ("../../etc/cron.d/x", b"", PLAIN)), "leads out"),
    "zip absolute": (zipped(("SKILL.md", main("x"), PLAIN), ("/tmp/x", b"", PLAIN)), "is absolute"),
    "zip backslash": (zipped(("SKILL.md", main("x"), PLAIN), ("a\\..\\b", b"", PLAIN)), "characters"),
    "zip link": (
        zipped(("SKILL.md", main("x"), PLAIN), ("a", b"/etc/passwd", stat.S_IFLNK | 0o777)),
        "link or a device",
    ),
    "zip setuid": (zipped(("SKILL.md", main("x"), PLAIN), ("a", b"", PLAIN | stat.S_ISUID)), "setuid"),
    "zip twice": (zipped(("SKILL.md", main("x"), PLAIN), ("skill.MD", b"", PLAIN)), "there twice"),
    "zip bomb": (zipped(("SKILL.md", main("x"), PLAIN), ("a", bytes(9 << 20), PLAIN)), "more than 8,388,608 bytes"),
    "zip many": (
        zipped(("SKILL.md", main("x"), PLAIN), *((f"{n}", b"", PLAIN) for n in range(301))),
        "more than 300 files",
    ),
    "zip without": (zipped(("README.md", b"x", PLAIN)), "no SKILL.md at its top"),
    "tar ..": (tarred(("SKILL.md", main("x"), 0o644), ("../x", b"", 0o644)), "leads out"),
    "tar absolute": (tarred(("SKILL.md", main("x"), 0o644), ("/etc/x", b"", 0o644)), "is absolute"),
    "tar link": (tarred(("SKILL.md", main("x"), 0o644), ("a", b"", 0o644), kind=tarfile.SYMTYPE), "link or a device"),
    "tar hard link": (tarred(("SKILL.md", main("x"), 0o644), ("a", b"", 0o644), kind=tarfile.LNKTYPE), "link or a"),
    "tar device": (tarred(("SKILL.md", main("x"), 0o644), ("a", b"", 0o644), kind=tarfile.CHRTYPE), "link or a device"),
    "tar setuid": (tarred(("SKILL.md", main("x"), 0o644), ("a", b"", 0o4755)), "setuid"),
    "tar bomb": (tarred(("SKILL.md", main("x"), 0o644), ("a", bytes(64 << 20), 0o644)), "more than 8,388,608 bytes"),
    "nothing": (b"hello", "no zip or tar archive"),
    "cut": (zipped(("SKILL.md", main("x"), PLAIN))[:-30], "no zip or tar archive"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_archive_is_refused_before_anything_is_written(pair: Pair, what: str) -> None:
    data, said = HOSTILE[what]
    before = sorted(os.listdir(pair.lab.home / "skills"))
    with pytest.raises(Invalid, match=said):
        await pair("ann", "install", archive=sent(data))
    assert sorted(os.listdir(pair.lab.home / "skills")) == before


async def test_an_agent_installs_from_its_home_and_its_workspaces_and_from_nowhere_else(
    pair: Pair, tmp_path: Path
) -> None:
    name, other = fresh(), fresh()
    write = {"path": f"work/{name}/SKILL.md", "content": main(name).decode()}
    await pair.lab("fs.write", pair.call("ann"), **write)
    assert (await pair("ann", "install", path=f"work/{name}")).agent == pair.agents["ann"].id
    space = await pair.lab("workspace.create", pair.call("ann"), name=fresh("space"))
    packed = sent(zipped(("SKILL.md", main(other), PLAIN)))
    await pair.lab("fs.write", pair.call("ann"), workspace=space.id, path="s.zip", content=packed, base64=True)
    assert (await pair("ann", "install", path="s.zip", workspace=space.id)).name == other
    (tmp_path / "SKILL.md").write_bytes(main(fresh()))
    with pytest.raises(Forbidden, match="outside of what you have"):
        await pair("ann", "install", path=str(tmp_path))
    with pytest.raises(Forbidden, match="leads out"):
        await pair("ann", "install", path="../../secrets")
    with pytest.raises(Forbidden):
        await pair("bob", "install", path="s.zip", workspace=space.id)
    (pair.home("ann") / "work" / name / "link").symlink_to("/etc/passwd")
    with pytest.raises(Invalid, match="is a link"):
        await pair("ann", "install", path=f"work/{name}")


async def test_a_person_installs_from_any_path_but_the_houses_own(pair: Pair, tmp_path: Path) -> None:
    name = fresh()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "SKILL.md").write_bytes(main(name))
    (tmp_path / "scripts" / "go.sh").write_text("echo go\n")
    assert (await pair(None, "install", path=str(tmp_path))).everyone
    with pytest.raises(Forbidden, match="belongs to aetherd"):
        await pair(None, "install", path=str(pair.lab.home / "secrets"))
    with pytest.raises(NotFound):
        await pair(None, "install", path=str(tmp_path / "nothing"))
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(Invalid, match="is a link"):
        await pair(None, "install", path=str(tmp_path))


async def test_a_pipe_a_device_or_a_sparse_terabyte_is_no_skill(pair: Pair, tmp_path: Path) -> None:
    for home, call, top in ((pair.home("ann") / "work", "ann", "work"), (tmp_path, None, str(tmp_path))):
        os.mkfifo(home / "pipe")
        with (home / "huge.zip").open("wb") as file:
            file.truncate(1 << 40)
        (home / "folder").mkdir()
        (home / "folder" / "SKILL.md").write_bytes(main(fresh()))
        os.mkfifo(home / "folder" / "pipe")
        (home / "folder").chmod(0o755)
        with fail_after(10):
            for name in ("pipe", "huge.zip", "folder"):
                with pytest.raises((Invalid, Exhausted)):
                    await pair(call, "install", path=f"{top}/{name}")
    with fail_after(10), pytest.raises(Invalid):
        await pair(None, "install", path="/dev/zero")
