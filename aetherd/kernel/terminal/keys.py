"""Names of keys, and the bytes a terminal sends for them."""

from __future__ import annotations

from typing import Final

from aetherd.core.errors import Invalid

_PLAIN: Final = {
    "enter": b"\r", "return": b"\r", "tab": b"\t", "btab": b"\x1b[Z", "s-tab": b"\x1b[Z", "space": b" ",
    "escape": b"\x1b", "esc": b"\x1b", "backspace": b"\x7f", "bspace": b"\x7f", "delete": b"\x1b[3~",
    "insert": b"\x1b[2~", "pageup": b"\x1b[5~", "pagedown": b"\x1b[6~", "c-space": b"\0",
    "f1": b"\x1bOP", "f2": b"\x1bOQ", "f3": b"\x1bOR", "f4": b"\x1bOS", "f5": b"\x1b[15~", "f6": b"\x1b[17~",
    "f7": b"\x1b[18~", "f8": b"\x1b[19~", "f9": b"\x1b[20~", "f10": b"\x1b[21~", "f11": b"\x1b[23~",
    "f12": b"\x1b[24~",
}  # fmt: skip
_CURSOR: Final = {"up": b"A", "down": b"B", "right": b"C", "left": b"D", "home": b"H", "end": b"F"}
_MODIFIER: Final = {"s": 1, "m": 2, "c": 4}


def bytes_of(key: str, *, application: bool) -> bytes:
    """Return the bytes of one named key; `application` is the terminal's cursor key mode."""
    name = key.lower()
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _CURSOR:
        return (b"\x1bO" if application else b"\x1b[") + _CURSOR[name]
    before, last = (key[:-2], "-") if key.endswith("--") else (key.rpartition("-")[0], key.rpartition("-")[2])
    modifiers = before.lower().split("-")
    if set(modifiers) <= set(_MODIFIER) and len(set(modifiers)) == len(modifiers):
        if last.lower() in _CURSOR:
            number = 1 + sum(_MODIFIER[modifier] for modifier in modifiers)
            return b"\x1b[1;%d" % number + _CURSOR[last.lower()]
        found = _modified(modifiers, last)
        if found is not None:
            return found
    raise Invalid(
        f"no key {key!r}; keys are Enter, Tab, Escape, Up, PageUp, F1, C-c, M-x, C-Left and the like", key=key
    )


def _modified(modifiers: list[str], character: str) -> bytes | None:
    if character.lower() in _PLAIN and modifiers == ["m"]:
        return b"\x1b" + _PLAIN[character.lower()]
    if len(character) != 1 or "s" in modifiers:
        return None
    data = character.encode()
    if "c" in modifiers:
        code = ord(character.upper())
        if character == "?":
            data = b"\x7f"
        elif 64 <= code <= 95:
            data = bytes([code - 64])
        else:
            return None
    return b"\x1b" + data if "m" in modifiers else data
