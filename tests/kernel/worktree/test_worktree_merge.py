"""The merge queue: in order, rebased, tested; conflicts said before and after; a kill costs nothing."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from sqlmodel import select

from aetherd.core.errors import Conflict, Forbidden, PendingApproval
from aetherd.kernel.worktree.tables import MergeRow
from aetherd.kernel.worktree.theirs import Theirs
from fakes import PATIENCE_S, Estate, Lab
from tests.kernel.worktree.conftest import ENDED, Ground, git, repository

pytestmark = pytest.mark.anyio


async def test_two_worktrees_are_merged_in_order_each_tested_on_top_of_the_other(ground: Ground) -> None:
    ground.test = 'grep -c "of" lines.txt > "$HOME/count"; cat "$HOME/count"; test -z "$(git status --short)"'
    await ground.open("ann")
    await ground.open("bob")
    await ground.work("ann", 1, "of ann")
    await ground.work("bob", 8, "of bob")
    first = await ground("ann", "merge", ground.call("ann"))
    second = await ground("bob", "merge", ground.call("bob"))
    assert (first.state, second.ahead) in {("queued", 1), ("queued", 0)}
    with anyio.fail_after(PATIENCE_S):
        await ground.lab.event("worktree.merge_changed", merge=second.id, to_state="merged")
    assert ground.log() == ["bob changes line 8", "ann changes line 1", "first"]
    assert [(await ground.seen(who)).merge.output for who in ("ann", "bob")] == ["1\n", "2\n"]
    told = [one["data"] for one in ground.lab.events if one["type"] == "worktree.merge_changed"]
    steps = [(one["from_state"], one["to_state"]) for one in told if one["merge"] == second.id]
    assert steps == [(None, "queued"), ("queued", "rebasing"), ("rebasing", "testing"), ("testing", "merged")]
    author = git(ground.path, "log", "-1", "--format=%an %cn", "main")
    assert author == "Pat Person Pat Person"
    assert (ground.path / "lines.txt").read_text().count("of") == 0  # the person has another branch checked out
    seen = await ground.seen("bob")
    assert (seen.merged, seen.merge.commit) == (True, git(ground.path, "rev-parse", "main"))
    with pytest.raises(Conflict, match="nothing to merge"):
        await ground("bob", "merge")
    inbox = await ground.lab("message.inbox", ground.call("ann"))
    assert any("merged" in one.text for one in inbox.messages)


async def test_a_test_that_fails_keeps_the_base_as_it_was_and_its_output_is_kept(ground: Ground) -> None:
    ground.test = "echo looking; id -u; ! grep bad lines.txt"
    await ground.open("ann")
    await ground.work("ann", 4, "bad")
    failed = await ground.merged("ann")
    assert failed.state == "failed_tests"
    assert failed.output.splitlines()[0] == "looking"
    assert "exit code 1" in failed.reason
    if ground.lab.kernel.lifecycle.own_uids:
        assert failed.output.splitlines()[1] == str(ground.tree("ann").stat().st_uid)
    assert ground.log() == ["first"]
    with pytest.raises(Forbidden, match="a person has set"):
        await ground("ann", "merge", ground.call("ann"), test="true")
    late = await ground("ann", "merge", test="sleep 100", wait_s=0)
    with pytest.raises(Conflict, match="in the queue already"):
        await ground("ann", "merge")
    await ground.lab.event("worktree.merge_changed", merge=late.id, to_state="testing")
    with pytest.raises(Conflict, match="is at work"):
        await ground("ann", "remove")


async def test_who_may_run_no_program_brings_no_test_of_its_own(ground: Ground) -> None:
    await ground.open("ann")
    await ground.work("ann", 4, "good")
    few = ground.call("ann", tools=frozenset({"worktree.merge", "worktree.commit", "fs.write"}))
    with pytest.raises(Forbidden, match="it runs a program"):
        await ground("ann", "merge", few, test="id > /tmp/x")
    assert (await ground("ann", "merge", few, wait_s=PATIENCE_S)).state == "merged"


async def test_a_conflict_is_forecast_then_found_in_the_queue_and_mended_by_the_agent(ground: Ground) -> None:
    await ground.open("ann")
    await ground.open("bob")
    await ground.open("eve")
    ground.edit("ann", 5, "ann's")
    await ground.work("bob", 5, "bob's")
    await ground.work("eve", 0, "eve's")
    seen = {one.id: one for one in (await ground.lab("worktree.list", repository=str(ground.path))).worktrees}
    ann, bob, eve = (seen[ground.trees[who].id] for who in ("ann", "bob", "eve"))
    assert [(one.worktree, one.name, one.files) for one in ann.conflicts] == [(bob.id, bob.name, ["lines.txt"])]
    assert [one.worktree for one in bob.conflicts] == [ann.id]
    assert eve.conflicts == []
    await ground("ann", "commit", message="ann changes line 5")
    assert (await ground.merged("bob")).state == "merged"
    lost = await ground.merged("ann")
    assert (lost.state, lost.files) == ("conflict", ["lines.txt"])
    assert "git rebase base/main" in lost.reason
    process = await ground.lab.sh(
        f"cd {ann.path} && ! git rebase base/main && sed -i '/^[<=>|]/d;/bob/d' lines.txt && git add lines.txt && "
        "GIT_EDITOR=true git rebase --continue",
        agent=ann.agent,
    )
    assert (await ground.lab.ended(process.pid)).exit_code == 0
    assert (await ground.merged("ann")).state == "merged"
    assert ground.log() == ["ann changes line 5", "bob changes line 5", "first"]
    assert (await ground.merged("eve", how="merge")).state == "merged"
    assert git(ground.path, "log", "-1", "--format=%s", "main").startswith("Merge agent/eve")


async def test_the_persons_checkout_follows_when_it_is_clean_and_is_never_touched_when_it_is_not(
    ground: Ground,
) -> None:
    await ground.open("ann")
    git(ground.path, "checkout", "-q", "main")
    await ground.work("ann", 1, "one")
    (ground.path / "mine.txt").write_text("not git's")
    assert (await ground.merged("ann")).reason is None
    assert (ground.path / "lines.txt").read_text().splitlines()[1] == "one"
    assert git(ground.path, "status", "--short") == "?? mine.txt"
    await ground.work("ann", 2, "two")
    (ground.path / "lines.txt").write_text("the person is writing here\n")
    refused = await ground.merged("ann")
    assert refused.state == "failed"
    assert f"checked out at {ground.path} with changes" in refused.reason
    assert (ground.path / "lines.txt").read_text() == "the person is writing here\n"
    git(ground.path, "checkout", "-q", "lines.txt")
    ground.write("ann", "mine.txt", "the agent's")
    await ground("ann", "commit", message="a file the person has, too")
    blocked = await ground.merged("ann")
    assert blocked.state == "failed"
    assert "in the way" in blocked.reason
    assert (ground.path / "mine.txt").read_text() == "not git's"
    assert ground.log()[0] == "ann changes line 1"


async def test_a_merge_that_a_kill_cut_short_is_done_once(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the test, and after the base has moved but nobody had written that."""
    place = repository(tmp_path / "repository")
    land, landed = Theirs.land, anyio.Event()

    async def land_and_die(self: Theirs, *facts: str) -> str | None:
        assert await land(self, *facts) is not None  # type: ignore[arg-type]
        landed.set()
        await anyio.sleep_forever()
        return None

    async with estate.open() as lab:
        ground = Ground(lab, place, test='while [ ! -e "$HOME/gate" ]; do sleep 0.02; done')
        await ground.open("ann")
        await ground.work("ann", 1, "one")
        made = await ground("ann", "merge")
        await lab.event("worktree.merge_changed", merge=made.id, to_state="testing")
    with monkeypatch.context() as patch:
        patch.setattr(Theirs, "land", land_and_die)
        async with estate.open() as lab:
            assert (await state_of(lab, made.id)).state in ("testing", "rebasing")
            home = lab.home / "worktrees" / "tests" / made.id / "home"
            with anyio.fail_after(PATIENCE_S):
                while not home.exists():
                    await anyio.sleep(0.02)
                (home / "gate").touch()
                await landed.wait()
    async with estate.open() as lab:
        ended = await lab.event("worktree.merge_changed", merge=made.id, to_state="merged")
        assert ended["data"]["commit"] == git(place, "rev-parse", "main")
        assert git(place, "log", "--format=%s", "main").splitlines() == ["ann changes line 1", "first"]
        assert (await state_of(lab, made.id)).state in ENDED
        assert list((lab.home / "worktrees" / "tests").iterdir()) == []


async def state_of(lab: Lab, key: str) -> MergeRow:
    """Return a merge as it is written."""
    return await lab.kernel.store.read(lambda session: session.exec(select(MergeRow).where(MergeRow.id == key)).one())


async def test_a_push_takes_the_branch_to_a_remote_and_an_agent_asks_first(ground: Ground, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    git(ground.path, "remote", "add", "origin", str(tmp_path / "remote.git"))
    await ground.open("ann")
    await ground.work("ann", 1, "one")
    with pytest.raises(PendingApproval):
        await ground("ann", "push", ground.call("ann"))
    pushed = await ground("ann", "push", branch="feature/one")
    assert git(tmp_path / "remote.git", "rev-parse", "feature/one") == pushed.commit
    assert git(ground.path, "log", "-1", "--format=%s", "origin/feature/one") == "ann changes line 1"
    assert git(ground.path, "for-each-ref", "refs/aetherd") == ""
    with pytest.raises(Exception, match="no remote 'elsewhere'"):
        await ground("ann", "push", remote="elsewhere")
    assert (await ground("ann", "remove", dry_run=True)).unmerged == 0


async def test_what_is_left_of_a_repository_that_is_gone_is_kept_whole(ground: Ground, tmp_path: Path) -> None:
    made = await ground.open("ann")
    await ground.work("ann", 1, "one")
    ground.path.rename(tmp_path / "moved")
    assert "has no branch main any more" in (await ground.seen("ann")).trouble
    gone = await ground("ann", "remove")
    git(tmp_path, "init", "-q", "fresh")
    git(tmp_path / "fresh", "fetch", "-q", gone.archive, f"refs/archive/{made.id}/*:refs/heads/restored/*")
    subjects = git(tmp_path / "fresh", "log", "--format=%s", f"restored/heads/{made.branch}")
    assert subjects.splitlines() == ["ann changes line 1", "first"]


async def test_removal_keeps_whatever_is_nowhere_else(ground: Ground) -> None:
    made = await ground.open("ann")
    await ground.work("ann", 1, "committed")
    process = await ground.lab.sh(
        f"cd {made.path} && git switch -qc side && echo side > side && git add side && git commit -qm side && "
        "echo stashed >> lines.txt && git stash -q && git switch -q -",
        agent=made.agent,
    )
    assert (await ground.lab.ended(process.pid)).exit_code == 0
    ground.write("ann", "draft.txt", "never committed\n")
    would = await ground("ann", "remove", dry_run=True)
    assert (would.done, would.dirty, would.archive) == (False, ["draft.txt"], None)
    assert ground.tree("ann").is_dir()
    gone = await ground("ann", "remove")
    assert not ground.tree("ann").exists()
    assert gone.unmerged >= 3
    assert "+never committed" in Path(gone.patch).read_text()
    git(ground.path, "fetch", "-q", gone.archive, f"refs/archive/{made.id}/*:refs/heads/restored/*")
    assert git(ground.path, "show", "restored/uncommitted:draft.txt") == "never committed"
    assert git(ground.path, "show", "restored/heads/side:side") == "side"
    assert git(ground.path, "show", "restored/stash/1:lines.txt").endswith("stashed")
    listed = (await ground.lab("worktree.list", removed=True, repository=str(ground.path))).worktrees
    assert [(one.id, one.archive) for one in listed] == [(made.id, gone.archive)]
    with pytest.raises(Conflict, match=r"removed; what it held is in .*\.bundle"):
        await ground("ann", "diff")
    again = await ground.open("ann", branch=made.branch)
    assert (await ground("ann", "remove")).archive is None
    assert again.id != made.id


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as the owner of somebody else's repository")
async def test_in_a_repository_of_another_user_everything_stays_that_users(lab: Lab, meadow: Path) -> None:
    ground, owner = Ground(lab, repository(meadow / "repository")), 4321
    git(ground.path, "checkout", "-q", "main")
    for place in (ground.path, *ground.path.rglob("*")):
        os.chown(place, owner, owner)
    await ground.open("ann")
    await ground.work("ann", 1, "one")
    assert (await ground.merged("ann")).state == "merged"
    assert (ground.path / "lines.txt").read_text().splitlines()[1] == "one"
    assert {place.stat().st_uid for place in ground.path.rglob("*")} == {owner}
