"""Providers: where each is, what it speaks, and whose it is."""

from __future__ import annotations

from pathlib import Path

from aetherd.kernel.model.providers import Book


def test_a_name_that_two_people_gave_speaks_for_each_what_that_one_said(tmp_path: Path) -> None:
    book = Book(tmp_path, {})
    for user, dialect in (("ada", "anthropic"), ("bob", "gemini"), ("cleo", None)):
        settings = {"base_url": f"http://127.0.0.1/{user}"} | ({"dialect": dialect} if dialect else {})
        book.configured[user, "home"] = {"mine": settings}
    found = [book.place("mine", user, "home") for user in ("ada", "bob", "cleo")]
    assert [(one.dialect, one.base_url.rpartition("/")[2]) for one in found] == [
        ("anthropic", "ada"),
        ("gemini", "bob"),
        ("openai", "cleo"),
    ]


def test_a_key_goes_to_the_address_it_was_given_for_and_the_houses_to_none_that_somebody_set(tmp_path: Path) -> None:
    book = Book(tmp_path, {"ANTHROPIC_API_KEY": "of the house", "ANTHROPIC_BASE_URL": "http://127.0.0.1/house"})
    assert (key := book.place("anthropic", "ada", "home").key) is not None
    assert key.source == "environment"
    book.configured["ada", "home"] = {"anthropic": {"base_url": "http://127.0.0.1/elsewhere"}}
    assert book.place("anthropic", "ada", "home").key is None
