"""Named keys."""

from __future__ import annotations

import pytest

from aetherd.core.errors import Invalid
from aetherd.kernel.terminal.keys import bytes_of


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("Enter", b"\r"), ("enter", b"\r"), ("Escape", b"\x1b"), ("Up", b"\x1b[A"), ("C-c", b"\x03"),
        ("C-C", b"\x03"), ("C-@", b"\0"), ("C-Space", b"\0"), ("C-\\", b"\x1c"), ("C-?", b"\x7f"),
        ("M-x", b"\x1bx"), ("M-X", b"\x1bX"), ("C-M-c", b"\x1b\x03"), ("M-Enter", b"\x1b\r"), ("F12", b"\x1b[24~"),
        ("C-Left", b"\x1b[1;5D"), ("S-Up", b"\x1b[1;2A"), ("C-S-Home", b"\x1b[1;6H"), ("S-Tab", b"\x1b[Z"),
        ("M-é", b"\x1b\xc3\xa9"), ("M--", b"\x1b-"), ("PageDown", b"\x1b[6~"),
    ],
)  # fmt: skip
def test_a_key_is_what_a_terminal_sends(key: str, sent: bytes) -> None:
    assert bytes_of(key, application=False) == sent


def test_cursor_keys_follow_the_terminals_mode() -> None:
    assert bytes_of("Down", application=True) == b"\x1bOB"


@pytest.mark.parametrize("key", ["", "x", "C-", "-", "C-C-c", "C-é", "Hyper-x", "F13", "S-x", "C-1"])
def test_an_unknown_key_is_told(key: str) -> None:
    with pytest.raises(Invalid, match="no key"):
        bytes_of(key, application=False)
