"""The page of worktrees: what each branch changed, what would clash, how it is merged, and what is kept of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.console_lab import Console, narrow


def repository(place: Path) -> Path:
    """Make a repository with one commit."""
    place.mkdir()
    (place / "site.txt").write_text("".join(f"line {n}\n" for n in range(20)))
    git = ["git", "-c", "user.name=ann", "-c", "user.email=ann@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], cwd=place, check=True)
    return place


def test_worktrees_are_made_compared_merged_and_removed(console: Console, tmp_path: Path) -> None:
    daemon, page = console.daemon, console.page
    place = repository(tmp_path / "site")
    daemon.demo("wait message", name="ann-of-the-trees")
    bob = daemon.call("agent.create", name="bob-of-the-trees")
    page.keyboard.press("/")
    page.get_by_role("combobox").fill("git branch")
    page.get_by_role("option", name="Worktrees").click()
    console.at("worktree-new").click()
    page.get_by_role("combobox", name="Repository").fill(str(place))
    page.get_by_role("combobox", name="Agent").select_option(label="ann-of-the-trees")
    page.get_by_label("Branch").fill("four")
    page.get_by_label("Test before each merge").fill("grep -q four site.txt")
    page.get_by_role("button", name="Make it").click()
    ann = console.at("worktree-four")
    expect(ann).to_contain_text("as main")

    trees = daemon.call("worktree.list", agent="ann-of-the-trees")["worktrees"]
    mine = Path(trees[0]["path"])
    (mine / "site.txt").write_text((mine / "site.txt").read_text().replace("line 4\n", "line four\n"))
    daemon.call("worktree.commit", worktree="four", message="Say four")
    other = daemon.call("worktree.create", repository=str(place), agent=bob["id"], branch="iv")
    theirs = Path(other["path"]) / "site.txt"
    theirs.write_text(theirs.read_text().replace("line 4\n", "line IV\n"))
    daemon.call("worktree.commit", worktree="iv", message="Say IV")
    (Path(other["path"]) / "late.txt").write_text("not committed\n")
    expect(ann).to_contain_text("1 ahead, 0 behind main")
    expect(ann.get_by_label("Would conflict")).to_contain_text("iv (bob-of-the-trees) in site.txt")
    ann.get_by_role("button", name="Diff").click()
    expect(ann.get_by_test_id("diff")).to_contain_text("line four")

    ann.get_by_role("button", name="Merge into main").click()
    expect(ann.get_by_test_id("merge")).to_have_attribute("data-state", "merged")
    expect(ann).to_contain_text("grep -q four site.txt")
    assert "line four" in subprocess.check_output(["git", "show", "main:site.txt"], cwd=place, text=True)
    bobs = console.at("worktree-iv")
    bobs.get_by_role("button", name="Merge into main").click()
    expect(bobs.get_by_test_id("merge")).to_have_attribute("data-state", "conflict")
    expect(bobs.get_by_test_id("merge")).to_contain_text("site.txt")

    bobs.get_by_role("button", name="Remove…").click()
    kept = console.at("archived")
    expect(kept).to_contain_text("1 commit that is neither merged nor pushed")
    expect(kept).to_contain_text("late.txt")
    console.at("confirm").click()
    expect(bobs).to_have_count(0)
    page.get_by_role("radio", name="Removed").click()
    expect(bobs).to_contain_text("kept in")
    page.set_viewport_size({"width": 390, "height": 844})
    narrow(console)
