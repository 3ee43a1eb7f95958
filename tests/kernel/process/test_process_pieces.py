"""The parts of the process room that need no process: states, lines, windows, limits, files, secrets."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherd.core.clock import SystemClock
from aetherd.core.errors import Conflict
from aetherd.kernel.process.bounds import rlimits
from aetherd.kernel.process.events import ProcessStateChanged
from aetherd.kernel.process.launch import write_beneath
from aetherd.kernel.process.lines import LINE, Lines
from aetherd.kernel.process.models import Limits, ProcessSpawn
from aetherd.kernel.process.queries import changed_files
from aetherd.kernel.process.record import Record
from aetherd.kernel.process.states import ENDED, LIVE, TRANSITIONS, State, legal
from aetherd.kernel.process.tables import ProcessRow
from aetherd.kernel.process.vault import Secrets, Vault
from aetherd.shim.views import windows

SOMEBODY = 54_321  # a uid that owns nothing
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


# States ----------------------------------------------------------------------------------------------


def test_every_state_is_in_the_table_and_no_state_leads_to_itself() -> None:
    assert set(TRANSITIONS) == set(State)
    assert not [state for state in State if legal(state, state)]


def test_what_lives_can_end_and_what_has_ended_stays_so() -> None:
    for state in State:
        assert bool(TRANSITIONS[state]) is (state not in ENDED)
        if state not in ENDED:
            assert State.EXITED in TRANSITIONS[state]
    assert not ENDED & LIVE


@given(st.lists(st.sampled_from(list(State)), max_size=30))
def test_no_walk_through_the_table_starts_a_process_twice_or_revives_it(wishes: list[State]) -> None:
    now, path = State.CREATED, [State.CREATED]
    for wish in wishes:
        if legal(now, wish):
            now = wish
            path.append(now)
    queued = path.count(State.QUEUED)  # before its first start, and while a provider's limit keeps it parked
    assert path.count(State.STARTING) <= queued + 1
    assert sum(state in ENDED for state in path) <= 1
    assert all(state not in ENDED for state in path[:-1])


@given(st.sampled_from(list(State)), st.sampled_from(list(State)))
def test_an_illegal_step_is_a_conflict_and_changes_nothing_and_a_legal_one_is_one_event(
    before: State, after: State
) -> None:
    told: list[Any] = []
    tx: Any = SimpleNamespace(session=SimpleNamespace(add=lambda row: None), emit=told.append)
    record = Record(SystemClock(), None, None, [])  # type: ignore[arg-type]
    row = ProcessRow(pid=7, agent="a", state=str(before))
    if before is after or legal(before, after):
        record.state(tx, row, after, reason="why")
        assert row.state == after
        steps = [(one.from_state, one.to_state, one.reason) for one in told if isinstance(one, ProcessStateChanged)]
        assert steps == ([] if before is after else [(before, after, "why")])
    else:
        with pytest.raises(Conflict, match=f"process 7 is {before}"):
            record.state(tx, row, after)
        assert (row.state, told) == (before, [])


# Lines -----------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"x", b"\n"))), st.integers(0, 99))
def test_lines_are_the_same_however_output_is_cut(chunks: list[bytes], start: int) -> None:
    lines, found, whole = Lines(start), [], b"".join(chunks)
    at = start
    for chunk in chunks:
        found += lines.take(at, chunk)
        at += len(chunk)
        assert lines.offset == start + whole[: at - start].rfind(b"\n") + 1
    assert [*found, *lines.rest()] == [line for line in whole.split(b"\n") if line]
    assert lines.offset == at


def test_a_line_too_long_is_cut_in_two_and_none_takes_longer_for_being_long() -> None:
    lines, piece = Lines(0), b"x" * 65_536
    found = [lines.take(at, piece) for at in range(0, LINE + 65_536, 65_536)]
    assert [len(line) for lines in found for line in lines] == [LINE]
    assert lines.take(LINE + 65_536, b"end\nmore") == [piece + b"end"]
    assert lines.rest() == [b"more"]


# Windows: what a uid of its own gets to see ----------------------------------------------------------


def closed(place: Path, *names: str) -> Path:
    """Make a directory that only its owner may enter, and directories in it."""
    place.mkdir(mode=0o700)
    for name in names:
        (place / name).mkdir(parents=True)
    return place


def test_paths_that_everybody_can_reach_need_no_window() -> None:
    assert windows(SOMEBODY, [(Path("/usr/bin"), True), (Path("/etc/passwd"), True)]) is None


def test_what_lies_behind_a_closed_directory_is_bound_over_its_empty_place(tmp_path: Path) -> None:
    place = closed(tmp_path / "closed", "home", "tool", "secret")
    found = windows(SOMEBODY, [(place / "home", False), (place / "tool", True)])
    assert found is not None
    assert found["binds"] == [
        {"path": str(place / "home"), "readonly": False},
        {"path": str(place / "tool"), "readonly": True},
    ]
    (cover,) = found["cover"]
    assert Path(cover) in (place, *place.parents)  # the topmost closed directory above


def test_a_path_inside_one_that_is_bound_is_bound_again_only_to_be_writable(tmp_path: Path) -> None:
    place = closed(tmp_path / "closed", "tool/share", "tool/state")
    asked = [(place / "tool", True), (place / "tool" / "share", True), (place / "tool" / "state", False)]
    found = windows(SOMEBODY, asked)
    assert found is not None
    assert [(Path(one["path"]).name, one["readonly"]) for one in found["binds"]] == [("tool", True), ("state", False)]


def test_a_path_asked_for_twice_is_writable_when_one_needs_it_so(tmp_path: Path) -> None:
    place = closed(tmp_path / "closed", "home")
    for order in ([False, True], [True, False]):
        found = windows(SOMEBODY, [(place / "home", readonly) for readonly in order])
        assert found is not None
        assert [one["readonly"] for one in found["binds"]] == [False]


def test_a_link_is_bound_with_what_it_leads_to_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    place = closed(tmp_path / "closed", "real")
    (place / "link").symlink_to(place / "real")
    found = windows(SOMEBODY, [(place / "link", True), (place / "gone", True)])
    assert found is not None
    assert [Path(one["path"]).name for one in found["binds"]] == ["link", "real"]


def test_the_owner_of_a_closed_directory_walks_through_it(tmp_path: Path) -> None:
    place = closed(tmp_path / "closed", "home")
    found = windows(os.geteuid(), [(place / "home", False)])
    assert found is None or str(place) not in found["cover"]


# Limits and files ------------------------------------------------------------------------------------


def test_limits_are_given_to_the_kernel_in_its_own_units() -> None:
    assert rlimits(Limits(), (), own_uid=True) == {}
    assert rlimits(Limits(wall_s=5), (), own_uid=True) == {}
    wished = Limits(open_files=64, memory_mb=512, file_mb=2, pids=50)
    carried = {"nofile": (64, 64), "fsize": (2 << 20, 2 << 20)}
    assert rlimits(wished, ("memory", "pids", "cpu"), own_uid=True) == carried
    without_groups = carried | {"as": (512 << 20, 512 << 20)}
    assert rlimits(wished, (), own_uid=False) == without_groups
    assert rlimits(wished, (), own_uid=True) == without_groups | {"nproc": (50, 50)}


def test_a_file_is_written_beneath_with_its_mode_and_replaces_the_old_one(tmp_path: Path) -> None:
    for content in ("first", "second"):
        write_beneath(tmp_path, Path("a/b/config.json"), content, 0o640, None)
    file = tmp_path / "a" / "b" / "config.json"
    assert file.read_text() == "second"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]


@as_root
def test_what_is_written_beneath_belongs_to_the_agent(tmp_path: Path) -> None:
    write_beneath(tmp_path, Path("a/config"), "x", 0o600, SOMEBODY)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (tmp_path / "a").rglob("*")} == {(SOMEBODY, SOMEBODY)}
    assert (tmp_path / "a").stat().st_uid == SOMEBODY


def test_a_directory_the_agent_replaced_by_a_link_is_not_followed(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.mkdir()
    (home / "a").symlink_to(outside)
    (home / "b").mkdir()
    (home / "b" / "c").symlink_to(outside)
    for name in ("a/config", "b/c/config"):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            write_beneath(home, Path(name), "x", 0o600, None)
    assert list(outside.iterdir()) == []


def test_a_file_the_agent_replaced_by_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    home, victim = tmp_path / "home", tmp_path / "victim"
    home.mkdir()
    victim.write_text("mine")
    (home / "config").symlink_to(victim)
    write_beneath(home, Path("config"), "x", 0o600, None)
    assert victim.read_text() == "mine"
    assert (home / "config").read_text() == "x"
    assert not (home / "config").is_symlink()


def test_files_changed_are_those_since_then_without_what_tools_keep(tmp_path: Path) -> None:
    for name in ("new", "old", ".git/index", "sub/new", "node_modules/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / "old", (1000, 1000))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert changed_files(tmp_path, 2000) == ["dangling", "new", "sub/new"]
    assert changed_files(tmp_path / "gone", 0) == []
    assert changed_files(tmp_path, 0, until=1) == []


def test_a_list_of_changed_files_has_a_bound(tmp_path: Path) -> None:
    for number in range(510):
        (tmp_path / str(number)).touch()
    assert len(changed_files(tmp_path, 0)) == 500


# Secrets ---------------------------------------------------------------------------------------------


def test_secrets_are_kept_in_a_file_for_us_alone_until_they_are_dropped(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    (tmp_path / "secrets").mkdir(mode=0o700)
    vault.keep("k", Secrets({"KEY": "canary"}, "token"))
    file = tmp_path / "secrets" / "process" / "k.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["k.json"]
    assert vault.take("k") == Secrets({"KEY": "canary"}, "token")
    vault.drop("k")
    vault.drop("k")
    with pytest.raises(FileNotFoundError):
        vault.take("k")


def test_a_request_to_spawn_shows_names_and_hides_values_of_its_environment() -> None:
    wish = ProcessSpawn(env={"KEY": "canary"})  # type: ignore[dict-item]
    assert json.loads(wish.model_dump_json())["env"] == {"KEY": "********"}
    assert "canary" not in repr(wish)
