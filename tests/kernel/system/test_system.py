"""The daemon about itself: how it is, how it is set, what this machine lacks, and how it is ended."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from pydantic import SecretStr

from aetherd import __version__
from aetherd.core.config import Settings
from aetherd.core.errors import Forbidden
from aetherd.kernel.runtime import service
from aetherd.runtime import Report
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio


async def test_the_status_counts_what_there_is(lab: Lab) -> None:
    before = await lab("system.status")
    gone, alive = await lab.sh("true"), await lab.sh("exec sleep 1000")
    asking = await lab.spawn(goal="ask Bash ls")
    await lab.ended(gone.pid)
    await lab.event("approval.requested", pid=asking.pid)
    await lab("process.pause", pid=alive.pid)
    now = await lab("system.status")
    for state in ("exited", "paused", "running"):
        assert now.processes[state] == before.processes.get(state, 0) + 1
    assert now.approvals == before.approvals + 1
    assert now.newest_event == max(lab.log)
    assert (now.version, now.os_pid, now.home) == (__version__, os.getpid(), str(lab.home))
    assert 0 <= before.uptime_s <= now.uptime_s


async def test_what_is_not_well_is_told_with_its_cure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    host = lab.kernel.rooms["process"]._w.host
    monkeypatch.setattr(host, "own_uids", False)
    monkeypatch.setattr(host, "why_shared", "it is a test")
    status = await lab("system.status")
    assert not status.health["process"].ok
    assert status.health["store"].ok
    (warning,) = status.warnings
    assert warning == status.health["process"].detail
    assert "could read the owner's token: it is a test" in warning
    doctor = await lab("system.doctor")
    assert [(one.name, one.state) for one in doctor.tiers][-1] == ("host", "failed")
    (separation,) = [one for one in doctor.checks if one.name == "agent separation"]
    assert (separation.state, separation.fix) == ("failed", "run aetherd as root, or wait for the sandbox tiers")


async def test_every_setting_is_shown_with_its_name_and_meaning_and_no_secret(estate: Estate) -> None:
    async with estate.open(secret=SecretStr("canary-77cd"), max_running=7) as lab:
        config = await lab("system.config")
        shown = {one.name: one for one in config.settings}
        assert set(shown) == set(Settings.model_fields)
        assert (shown["max_running"].value, shown["max_running"].env) == (7, "AETHER_MAX_RUNNING")
        assert shown["secret"].value == "**********"
        assert "canary-77cd" not in config.model_dump_json()
        assert all(one.doc for one in config.settings)
        assert config.file == str(lab.home / "aetherd.toml")


async def test_the_doctor_says_how_to_get_a_runtime_that_is_missing(lab: Lab) -> None:
    doctor = await lab("system.doctor")
    found = {one.name: one for one in doctor.runtimes}
    assert list(found) == ["command", "builtin", "puppet"]
    assert (found["command"].available, found["command"].missing) == (True, None)
    puppet = found["puppet"]
    assert (puppet.available, puppet.missing, puppet.needs) == (False, "buy strings", ["PUPPET_KEY"])
    assert puppet.capabilities["takeover"]
    assert not found["command"].capabilities["takeover"]


async def test_a_runtime_whose_check_breaks_or_hangs_hides_no_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def hang() -> Report:
        go_on.wait(20)
        return Report(available=True)

    def crash() -> Report:
        raise OSError("no disk")

    monkeypatch.setattr(service, "CHECK_S", 0.2)
    for check, words in ((crash, "its check failed: no disk"), (hang, "its check did not end in 0.2 s")):
        monkeypatch.setattr(lab.puppet, "check", check)
        found = {one.name: one for one in (await lab("system.doctor")).runtimes}
        assert (found["puppet"].available, found["puppet"].missing) == (False, words)
        assert found["command"].available
    go_on.set()


async def test_the_doctor_looks_at_this_machine(lab: Lab) -> None:
    doctor = await lab("system.doctor")
    checks = {one.name: one for one in doctor.checks}
    assert set(checks) == {*("platform", "database", "agent separation", "process trees", "disk", "browser", "gpu")}
    assert (checks["platform"].state, checks["database"].state) == ("ok", "ok")
    assert all((one.fix is None) == (one.state == "ok") for one in doctor.checks)
    assert [one.name for one in doctor.tiers] == ["docker", "bwrap", "host"]


@pytest.mark.parametrize("agents", [False, True])
async def test_a_shutdown_asks_the_daemon_to_end_and_agents_only_when_told(estate: Estate, agents: bool) -> None:
    async with estate.open() as lab:
        stopped: list[bool] = []
        lab.kernel.lifecycle.stop = lambda: stopped.append(True)
        made = [await lab.sh("exec sleep 1000"), await lab.spawn(goal="work")]
        answer = await lab("system.shutdown", agents=agents)
        assert (answer.agents_ended, stopped) == (2 if agents else 0, [True])
        found = [await lab("process.get", pid=one.pid) for one in made]
        assert {one.state for one in found} == {"exited" if agents else "running"}
        assert {one.ended_by for one in found} == {"user:owner" if agents else None}


@pytest.mark.parametrize("name", ["system.config", "system.doctor", "system.shutdown"])
async def test_agents_see_the_status_and_nothing_more(lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await lab.sh("exec sleep 1000")
    called: list[Any] = []
    monkeypatch.setattr(lab.kernel.lifecycle, "stop", lambda: called.append(True))
    assert (await lab("system.status", lab.agent_of(made))).version == __version__
    mighty = lab.running.call(actor=f"agent:{made.agent}", agent=made.agent, pid=made.pid)  # with every scope
    for call in (lab.agent_of(made), mighty):
        with pytest.raises(Forbidden):
            await lab(name, call)
    assert called == []
