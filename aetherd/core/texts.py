"""Texts made short."""

from __future__ import annotations


def one_line(text: str, length: int) -> str:
    """Return a text on one line of at most `length` characters; `…` is the last of them where it was cut."""
    plain = " ".join(text.split())
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"
