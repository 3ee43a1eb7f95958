"""Agents work in worktrees of a person's repository: what they see, commit, and are kept from."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from aetherd.core import disk
from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.kernel.worktree.conftest import Ground, git, repository

pytestmark = pytest.mark.anyio


async def test_an_agent_works_in_a_branch_of_its_own_and_is_named_in_what_it_commits(ground: Ground) -> None:
    made = await ground.open("ann")
    assert (made.branch, made.base, made.ahead, made.dirty, made.state) == (
        f"agent/{made.name}",
        "main",
        0,
        [],
        "active",
    )
    with pytest.raises(Conflict, match="is for agent"):
        await ground.lab.sh("true", workspace=made.id)
    process = await ground.lab.sh(
        f"pwd | grep -q {made.path} && echo new > 'a file' && sed -i 's/line 3/LINE 3/' lines.txt && git add . && "
        "git commit -qm 'by hand' && echo more > other && git -c color.ui=false status --short && "
        "git -c core.pager=cat log -1 --format=%an%n%ae",
        agent=made.agent,
        workspace=made.branch,
    )
    assert (await ground.lab.ended(process.pid)).exit_code == 0
    printed = (await ground.lab("process.output", pid=process.pid)).text.split()
    assert printed[:4] == ["??", "other", made.name, f"{made.agent}@aetherd.invalid"]
    seen = await ground.seen("ann")
    assert (seen.ahead, seen.behind, seen.dirty, seen.merged) == (1, 0, ["other"], False)
    assert seen.bytes > 0
    committed = await ground("ann", "commit", ground.call("ann"), message="the rest")
    assert (committed.files, committed.author) == (1, "Pat Person <pat@example.org>")
    message = git(ground.tree("ann"), "-c", f"safe.directory={made.path}", "log", "-1", "--format=%an%n%B")
    assert message == f"Pat Person\nthe rest\n\nCo-authored-by: {made.name} <{made.agent}@aetherd.invalid>"
    assert (await ground("ann", "commit", ground.call("ann"), message="nothing")).commit is None
    assert ground.log() == ["first"]


async def test_only_what_is_named_is_committed_and_what_was_staged_stays_staged(ground: Ground) -> None:
    made = await ground.open("ann")
    for name in ("one", "two", "*"):
        ground.write("ann", name, name)
    safe = ("-c", f"safe.directory={made.path}")
    ground.stage("ann", "two")
    assert (await ground("ann", "commit", message="one", paths=["one"])).files == 1
    assert git(ground.tree("ann"), *safe, "status", "--short").splitlines() == ["A  two", '?? "*"'.replace('"', "")]
    assert (await ground("ann", "commit", message="star", paths=["*"])).files == 1
    for path in ("../x", "/etc/passwd", ".git/config", ":(top)x"):
        with pytest.raises(Invalid, match="no path in the worktree"):
            await ground("ann", "commit", message="x", paths=[path])
    with pytest.raises(Conflict, match="nowhere"):
        await ground("ann", "commit", message="x", paths=["nowhere"])


async def test_a_diff_shows_what_is_not_committed_too_and_comes_in_parts(ground: Ground) -> None:
    await ground.open("ann")
    await ground.work("ann", 2, "committed")
    ground.write("ann", "new.txt", "".join(f"row {number}\n" for number in range(500)))
    diff = await ground("ann", "diff", limit=1000)
    assert [(one.path, one.added, one.removed) for one in diff.files] == [("lines.txt", 1, 1), ("new.txt", 500, 0)]
    text, parts = diff.patch, 1
    while diff.truncated:
        diff = await ground("ann", "diff", limit=1000, cursor=diff.cursor)
        text, parts = text + diff.patch, parts + 1
    assert parts > 3
    assert text.splitlines()[-1] == "+row 499"
    assert text.count("+row") == 500
    only = await ground("ann", "diff", committed=True)
    assert [one.path for one in only.files] == ["lines.txt"]
    assert (await ground("ann", "diff", paths=["new.txt"])).files_total == 1
    first = await ground("ann", "diff", limit=1000)
    ground.write("ann", "new.txt", "changed\n")
    with pytest.raises(Conflict, match="changed meanwhile"):
        await ground("ann", "diff", cursor=first.cursor)
    with pytest.raises(Invalid, match="not a cursor"):
        await ground("ann", "diff", cursor="HEAD.main.0")


async def test_an_agent_may_only_work_where_a_person_has_let_it_and_sees_only_its_own(
    ground: Ground, tmp_path: Path
) -> None:
    await ground.open("ann")
    await ground.open("bob")
    other = repository(tmp_path / "other")
    for path in (str(other), "/nowhere/at/all", "/root"):
        with pytest.raises(Forbidden, match="no person has named"):
            await ground.lab("worktree.create", ground.call("ann"), repository=path)
    with pytest.raises(Forbidden, match="no person has named"):
        await ground.lab("worktree.create", ground.call("ann"), repository=str(ground.path), base="desk", branch="x")
    with pytest.raises(Forbidden, match="only a person sets the test"):
        await ground.lab("worktree.create", ground.call("ann"), repository=str(ground.path), branch="x", test="true")
    with pytest.raises(Forbidden, match="is not yours"):
        await ground.lab(
            "worktree.create", ground.call("ann"), repository=str(ground.path), agent=ground.trees["bob"].agent
        )
    second = await ground.lab("worktree.create", ground.call("ann"), repository=str(ground.path), branch="second")
    mine = await ground.lab("worktree.list", ground.call("ann"))
    assert [one.id for one in mine.worktrees] == [second.id, ground.trees["ann"].id]
    assert [(one.path, one.base) for one in mine.repositories if one.id == second.repository] == [
        (str(ground.path), "main")
    ]
    if ground.lab.kernel.lifecycle.own_uids:
        store = ground.lab.home / "worktrees/store" / second.repository
        process = await ground.lab.sh(
            f"ls {second.path} && ls {store}/base.git/objects; for at in {ground.tree('bob')} {store}/work.git "
            f"{ground.lab.home}/worktrees/shadow; do ls $at && echo seen; done; "
            f"touch {store}/base.git/objects/x && echo wrote",
            agent=ground.trees["ann"].agent,
        )
        await ground.lab.ended(process.pid)
        printed = (await ground.lab("process.output", pid=process.pid)).text.split()
        assert {"lines.txt", "pack"} <= set(printed)
        assert not {"seen", "wrote"} & set(printed)
    for verb, raw in (("diff", {}), ("commit", {"message": "x"}), ("merge", {}), ("push", {}), ("remove", {})):
        with pytest.raises(Forbidden):
            await ground("bob", verb, ground.call("ann"), **raw)


async def test_what_cannot_be_is_said(ground: Ground, tmp_path: Path) -> None:
    made = await ground.open("ann")
    agent = made.agent
    create = {"agent": agent, "repository": str(ground.path)}
    with pytest.raises(Conflict, match=f"is that of worktree {made.id}"):
        await ground.lab("worktree.create", **create, base="main")
    for bad in ("a..b", "x.lock", "main"):
        with pytest.raises(Invalid, match="cannot be the branch"):
            await ground.lab("worktree.create", **create, base="main", branch=bad)
    with pytest.raises(Invalid, match="has no branch 'gone'"):
        await ground.lab("worktree.create", **create, base="gone")
    with pytest.raises(NotFound, match="no directory"):
        await ground.lab("worktree.create", agent=agent, repository=str(tmp_path / "nowhere"))
    with pytest.raises(Invalid, match="not a git repository"):
        await ground.lab("worktree.create", agent=agent, repository=str(tmp_path))
    with pytest.raises(Invalid, match="belongs to aetherd"):
        await ground.lab("worktree.create", agent=agent, repository=made.path)
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{ground.path}", str(tmp_path / "shallow")], check=True)
    with pytest.raises(Invalid, match="shallow"):
        await ground.lab("worktree.create", agent=agent, repository=str(tmp_path / "shallow"))
    with pytest.raises(Invalid, match="which agent"):
        await ground.lab("worktree.create", repository=str(ground.path))
    with pytest.raises(NotFound, match="no worktree 'x'"):
        await ground.lab("worktree.diff", worktree="x")
    with pytest.raises(Conflict, match="nothing to merge"):
        await ground("ann", "merge")


async def test_nothing_an_agent_or_the_repository_has_configured_is_run(ground: Ground, meadow: Path) -> None:
    def trap(name: str) -> str:
        return f"touch {meadow}/{name}; cat"

    def rig(git_dir: Path, who: str, uid: int) -> None:
        (git_dir / "hooks").mkdir(exist_ok=True)
        for hook in ("pre-commit", "commit-msg", "post-commit", "post-checkout", "post-merge", "pre-push", "update",
                     "reference-transaction", "pre-receive", "post-rewrite", "post-index-change"):  # fmt: skip
            place = git_dir / "hooks" / hook
            place.write_text(f"#!/bin/sh\n{trap(f'{who}-{hook}')}\n")
            place.chmod(0o755)
            os.chown(place, uid, uid)
        with (git_dir / "config").open("a") as file:
            file.write(
                f'[core]\n\tfsmonitor = "{trap(f"{who}-fsmonitor")}"\n\thooksPath = {git_dir}/hooks\n'
                f'\tsshCommand = "{trap(f"{who}-ssh")}"\n\tpager = "{trap(f"{who}-pager")}"\n'
                f'\teditor = "{trap(f"{who}-editor")}"\n\talternateRefsCommand = "{trap(f"{who}-refs")}"\n'
                f'[gpg]\n\tprogram = "{trap(f"{who}-gpg")}"\n[commit]\n\tgpgSign = true\n'
                f'[diff]\n\texternal = "{trap(f"{who}-diff")}"\n[diff "x"]\n\ttextconv = "{trap(f"{who}-conv")}"\n'
                f'[merge "x"]\n\tdriver = "{trap(f"{who}-merge")}"\n[uploadpack]\n\tpackObjectsHook = "{trap("up")}"\n'
            )

    def filters(git_dir: Path, who: str) -> None:
        with (git_dir / "config").open("a") as file:
            file.write(f'[filter "x"]\n\tclean = "{trap(f"{who}-clean")}"\n\tsmudge = "{trap(f"{who}-smudge")}"\n')

    await ground.open("ann", test="true")
    await ground.open("bob")
    rig(ground.path / ".git", "person", ground.path.stat().st_uid)
    rig(ground.tree("ann") / ".git", "agent", ground.tree("ann").stat().st_uid)
    filters(ground.tree("ann") / ".git", "agent")
    ground.write("ann", ".gitattributes", "* filter=x diff=x merge=x\n")
    assert (await ground.seen("ann")).dirty == [".gitattributes"]
    with pytest.raises(Conflict, match=r"a filter is set and not run here.*\.gitattributes: filter: x"):
        await ground("ann", "commit", message="x")
    ground.write("ann", ".gitattributes", "* diff=x merge=x\n")
    assert (await ground.work("ann", 1, "ann's")).files == 2
    ground.write("ann", ".gitattributes", "* filter=x diff=x merge=x\n")
    ground.write("ann", "left", "not committed\n")
    await ground.work("bob", 1, "bob's")
    assert "ann's" in (await ground("ann", "diff")).patch
    assert (await ground.seen("ann")).conflicts
    git(ground.path, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "checkout", "-q", "main")
    merged = await ground.merged("ann")
    assert (merged.state, merged.reason) == ("merged", None)
    assert (ground.path / "lines.txt").read_text().splitlines()[1] == "ann's"
    assert (await ground.merged("bob", how="merge")).state == "conflict"
    assert (await ground("ann", "remove")).archive is not None
    assert os.listdir(meadow) == []
    git(ground.path, "status")
    assert "person-fsmonitor" in os.listdir(meadow)  # the traps do work


async def test_a_worktree_that_lies_about_its_objects_is_found_out(ground: Ground) -> None:
    """Links to files of others, replaced objects and a broken .git give the daemon nothing and cost nothing."""
    await ground.open("ann")
    secret = ground.lab.home / "secrets" / "owner.token"
    secret.write_text("the owner's secret")
    place = ground.tree("ann")
    (place / "link").symlink_to(secret)
    (place / "lines.txt").unlink()
    (place / "lines.txt").symlink_to(secret)
    assert "the owner's secret" not in (await ground("ann", "diff")).patch
    (place / ".git" / "HEAD").write_text("ref: refs/heads/../../../x\n")
    seen = await ground.seen("ann")
    assert seen.state == "broken"
    assert "git cannot work in it" in seen.trouble
    with pytest.raises(Conflict, match="git cannot work in it"):
        await ground("ann", "merge")
    gone = await ground("ann", "remove")
    assert gone.archive.endswith(".tar.gz")
    assert Path(gone.archive).stat().st_size > 0


DIG = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"


async def test_a_worktree_as_deep_as_an_agent_can_dig_is_shown_packed_and_removed(ground: Ground) -> None:
    """Nor does a pipe, or a link to what its agent may not read, hold up or get into the archive."""
    await ground.open("ann")
    place, secret = ground.tree("ann"), ground.lab.home / "secrets" / "owner.token"
    subprocess.run((sys.executable, "-c", DIG), cwd=place, check=True)
    assert (await ground.seen("ann")).bytes > 0
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to(secret)
    (place / ".git" / "HEAD").write_text("ref: refs/heads/../../../x\n")
    gone = await ground("ann", "remove")
    with tarfile.open(gone.archive) as archive:
        names = archive.getnames()
        assert archive.getmember(f"{place.name}/link").issym()
    assert (f"{place.name}/lines.txt" in names, f"{place.name}/pipe" in names) == (True, False)
    assert not place.exists()


async def test_what_is_swapped_while_it_is_packed_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "secret").write_text("of the person")
    for name in ("one", "two"):
        (tmp_path / "tree" / "inner" / name).write_text("mine")
    stat = os.stat

    def swapped(name: Any, *more: Any, **how: Any) -> os.stat_result:
        found = stat(name, *more, **how)
        if name in ("one", "two"):  # as an agent does that is quick enough
            (tmp_path / "tree" / "inner" / name).unlink()
            if name == "one":
                (tmp_path / "tree" / "inner" / name).symlink_to(tmp_path / "secret")
            else:
                os.mkfifo(tmp_path / "tree" / "inner" / name)
        return found

    monkeypatch.setattr(os, "stat", swapped)
    disk.pack(tmp_path / "tree", tmp_path / "packed")
    with tarfile.open(tmp_path / "packed") as archive:
        assert archive.getnames() == ["tree", "tree/inner"]
