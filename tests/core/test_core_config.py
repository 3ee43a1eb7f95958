"""Settings: file < environment < flags, and a wrong one says which and why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aetherd
import aetherd_mcp
from aetherd.core.config import WITHOUT_EFFECT, Settings, load
from aetherd.core.errors import Invalid


def test_the_file_is_weaker_than_the_environment_which_is_weaker_than_a_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aetherd.toml").write_text("port = 4001\nmax_running = 3\nlog_level = 'debug'\n")
    monkeypatch.setenv("AETHER_PORT", "4002")
    monkeypatch.setenv("AETHER_MAX_RUNNING", "4")
    settings = load(home=tmp_path, port=4003)
    assert (settings.port, settings.max_running, settings.log_level) == (4003, 4, "debug")


def test_an_environment_value_equal_to_the_default_still_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aetherd.toml").write_text("port = 4001\n")
    monkeypatch.setenv("AETHER_PORT", "3001")
    assert load(home=tmp_path).port == 3001


def test_a_flag_that_was_not_given_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHER_PORT", "4002")
    assert load(home=tmp_path, port=None).port == 4002


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"port": 70_000}, "setting port"),
        ({"host": "0.0.0.0"}, "only loopback"),
        ({"database_url": "postgresql://db"}, "only sqlite:///PATH"),
        ({"cluster_url": "nats://x"}, "not built yet"),
        ({"log_level": "loud"}, "debug, info, warning or error"),
    ],
)
def test_a_wrong_setting_is_invalid_and_says_why(tmp_path: Path, flags: dict[str, object], told: str) -> None:
    with pytest.raises(Invalid, match=told):
        load(home=tmp_path, **flags)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"port = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"prot = 1\n", "unknown setting 'prot'"),
    ],
)
def test_a_wrong_file_is_invalid_and_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "aetherd.toml").write_bytes(content)
    with pytest.raises(Invalid, match=told):
        load(home=tmp_path)


def test_settings_cannot_be_changed_after_load(settings: Settings) -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_the_database_is_a_file_of_the_home_unless_named(tmp_path: Path) -> None:
    assert load(home=tmp_path).database == tmp_path / "aether.db"
    assert load(home=tmp_path, database_url=f"sqlite:///{tmp_path}/x.db").database == tmp_path / "x.db"


def test_every_setting_is_documented() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_setting_does_something_or_says_that_it_does_not() -> None:
    folders = [Path(aetherd.__path__[0]), Path(aetherd_mcp.__path__[0])]
    source = "\n".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    read = {name for name in Settings.model_fields if re.search(rf'(settings|self)\.{name}\b|r\("{name}"', source)}
    assert set(Settings.model_fields) - read == set(WITHOUT_EFFECT)
    told = {name for name, field in Settings.model_fields.items() if "no effect yet" in (field.description or "")}
    assert told == set(WITHOUT_EFFECT)


def test_what_is_set_and_does_nothing_is_named_to_whoever_set_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(home=tmp_path, port=4003).without_effect == []
    (tmp_path / "aetherd.toml").write_text("node_name = 'n'\nmax_running = 3\n")
    monkeypatch.setenv("AETHER_REGISTRATION_OPEN", "true")
    assert load(home=tmp_path).without_effect == ["registration_open", "node_name"]


def test_a_secret_setting_is_never_printed(tmp_path: Path) -> None:
    assert "canary" not in repr(load(home=tmp_path, secret="canary"))
