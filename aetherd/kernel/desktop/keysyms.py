"""Names of keys, and their numbers in X."""

from __future__ import annotations

from typing import Final

from aetherd.core.errors import Invalid

MODIFIERS: Final = {
    "ctrl": 0xFFE3, "control": 0xFFE3, "shift": 0xFFE1, "alt": 0xFFE9, "meta": 0xFFE7, "super": 0xFFEB, "win": 0xFFEB,
    "cmd": 0xFFEB, "altgr": 0xFE03,
}  # fmt: skip
_NAMED: Final = {
    "return": 0xFF0D, "enter": 0xFF0D, "tab": 0xFF09, "escape": 0xFF1B, "esc": 0xFF1B, "backspace": 0xFF08,
    "delete": 0xFFFF, "del": 0xFFFF, "insert": 0xFF63, "home": 0xFF50, "end": 0xFF57, "left": 0xFF51, "up": 0xFF52,
    "right": 0xFF53, "down": 0xFF54, "pageup": 0xFF55, "pagedown": 0xFF56, "prior": 0xFF55, "next": 0xFF56,
    "space": 0x20, "plus": 0x2B, "minus": 0x2D, "menu": 0xFF67, "print": 0xFF61, "pause": 0xFF13,
    "capslock": 0xFFE5, "numlock": 0xFF7F, "scrolllock": 0xFF14,
    **{f"f{number}": 0xFFBD + number for number in range(1, 25)},
}  # fmt: skip


def keysym_of(character: str) -> int:
    """Return the number of the key that types a character; raises `Invalid` for what no key types."""
    if character in "\r\n":
        return _NAMED["return"]
    if character == "\t":
        return _NAMED["tab"]
    code = ord(character)
    if code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
        raise Invalid(f"text holds U+{code:04X}, which no key types; desktop.key presses keys by name")
    return code if code < 0x100 else 0x0100_0000 + code


def chord_of(chord: str) -> list[int]:
    """Return the keys of a chord such as `ctrl+shift+t`, in the order they are pressed."""
    before, last = (chord[:-2], "+") if chord.endswith("++") else (chord.rpartition("+")[0], chord.rpartition("+")[2])
    if chord == "+":
        before, last = "", "+"
    found = [_key(name) for name in before.split("+")] if before else []
    return [*found, _key(last)]


def _key(name: str) -> int:
    plain = name.lower().replace("_", "").replace("-", "") or name
    if plain in MODIFIERS:
        return MODIFIERS[plain]
    if plain in _NAMED:
        return _NAMED[plain]
    if len(name) == 1:
        return keysym_of(name)
    raise Invalid(f"no key {name!r}; keys are Return, Tab, Escape, Up, Page_Down, F1, ctrl+c, alt+F4, é and the like")
