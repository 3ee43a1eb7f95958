"""What a policy permits, in all the spellings that somebody could try."""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherd.core.errors import Invalid
from aetherd.kernel.network.rules import Policy, plain, policy, rule, spelled, wished

SPELLINGS = {
    "PyPI.org": "pypi.org",
    "pypi.org.": "pypi.org",
    "Bücher.example": "xn--bcher-kva.example",
    "ＬＯＣＡＬＨＯＳＴ": "127.0.0.1",
    "①②⑦.0.0.1": "127.0.0.1",
    "[::1]": "::1",
    "0:0::0:1": "::1",
    "::FFFF:10.0.0.5": "::ffff:a00:5",
    "_dmarc.example": "_dmarc.example",
    "127.1": "127.1",  # a name: what it leads to is looked at once it is looked up
}
NO_HOSTS = [
    "", ".", "a..b", "a" * 64 + ".b", "a." * 200 + "b", "me@b", "a b", "a\r\nb", "b\n", "a/b", "a\\b", "a%00b",
    "fe80::1%lo", "[::1", "::1]", "[b]x", "a:b", "*.b", "a,b",
]  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), SPELLINGS.items())
def test_a_host_has_one_spelling(said: str, meant: str) -> None:
    assert spelled(said) == meant


@pytest.mark.parametrize("said", NO_HOSTS)
def test_what_is_no_host_has_none(said: str) -> None:
    assert spelled(said) is None


@pytest.mark.parametrize(
    "text",
    ["", "*", "*.", "*.*.b", "a*.b", "http//b", "b:0", "b:65536", "b:²", "b:x", "1.2.3", "2130706433", "0x7f.1",
     "10.0.0.0/33", "https://b/x", "GET https://b/x", "get http://b/", "GET http://b/x?y", "GET http://b/../x", "b\nc",
     "user@b", "[::1", "b" * 501, "fe80::1%lo", "a..b"],
)  # fmt: skip
def test_what_is_no_rule_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(Invalid):
        rule(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "named"),
    [
        ("pypi.org", "pypi.org", 443, True),
        ("PyPI.org.", "pypi.org", 443, True),
        ("pypi.org", "evil-pypi.org", 443, False),
        ("*.pypi.org", "files.pypi.org", 443, True),
        ("*.pypi.org", "pypi.org", 443, False),
        ("*.pypi.org", "evilpypi.org", 443, False),
        ("pypi.org:443", "pypi.org", 80, False),
        ("bücher.example", "xn--bcher-kva.example", 80, True),
        ("localhost:8000", "127.0.0.1", 8000, True),
        ("[::1]:8000", "::1", 8000, True),
        ("10.0.0.0/8", "10.9.9.9", 1, True),
        ("10.0.0.0/8", "::ffff:a00:5", 1, False),
        ("10.0.0.0/8", "10.1", 1, False),
    ],
)
def test_a_rule_names_its_hosts(text: str, host: str, port: int, named: bool) -> None:
    assert rule(text).names(host, port) is named


@pytest.mark.parametrize(
    "path",
    ["/public/../admin", "/public/%2e%2e/admin", "/public/%252E%252e/admin", "/public/..%2fadmin", "/public/..;/admin",
     "/public\\..\\admin", "/public/%5c..%5cadmin", "/public/..", "/admin", "/public/./x"],
)  # fmt: skip
def test_a_path_is_not_escaped_by_writing_it_otherwise(path: str) -> None:
    walled = policy("rules", ["GET http://web.test/public/*"])
    assert walled.permits("web.test", 80, "GET", "/public/a..b/c;d") is None
    assert walled.permits("web.test", 80, "GET", path) is not None
    assert walled.permits("web.test", 80, "POST", "/public/a") is not None
    assert walled.permits("web.test", 80, None, None) is not None  # a tunnel could hold anything


def test_a_rule_about_a_path_opens_no_more_of_a_private_address_than_that() -> None:
    walled = policy("all", ["GET http://10.0.0.5:80/public/*"])
    private = ipaddress.ip_address("10.0.0.5")
    assert walled.closes(private, 80, "GET", "/public/x") is None
    for method, path in (("POST", "/public/x"), ("GET", "/admin"), (None, None), ("TCP", None)):
        assert walled.closes(private, 80, method, path) is not None
    assert policy("rules", ["GET http://127.0.0.1:80/x"]).loopback_ports == []


def test_an_address_wrapped_into_another_is_what_it_leads_to() -> None:
    wide = policy("all", [])
    for text in ("::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "0.0.0.0", "::",
                 "169.254.169.254", "168.63.129.16", "192.0.0.192",
                 "100.64.0.1", "224.0.0.1", "fe80::1", "fc00::1", "255.255.255.255", "192.0.0.8"):  # fmt: skip
        assert wide.closes(ipaddress.ip_address(text), 80) is not None, text
    assert wide.closes(ipaddress.ip_address("8.8.8.8"), 80) is None


def test_a_network_with_public_ends_is_not_taken_for_a_public_one() -> None:
    assert not policy("all", []).covers(policy("all", ["8.0.0.0/6"]))  # 10.0.0.0/8 lies in it
    assert policy("all", []).covers(policy("rules", ["8.8.8.8"]))


def test_a_wish_is_one_word_or_a_list() -> None:
    assert wished("none").mode == "none"
    assert [one.text for one in wished("a.example, 127.0.0.1:80\nb.example").rules] == [
        "a.example", "127.0.0.1:80", "b.example",
    ]  # fmt: skip
    for text in ("", ",", "all, none", "none, a.example", "a.example;b"):
        with pytest.raises(Invalid):
            wished(text)


RULES = st.sampled_from(
    ["a.test", "*.a.test", "b.a.test", "*.b.a.test", "a.test:80", "GET http://a.test/x*", "GET http://a.test:80/x*",
     "10.0.0.0/8", "10.0.0.5", "10.0.0.5:80", "GET http://10.0.0.5/x", "8.0.0.0/6", "8.8.8.8", "0.0.0.0/0",
     "127.0.0.1:80", "::1", "::/0", "POST http://10.0.0.0/"]
)  # fmt: skip
POLICIES = st.builds(policy, st.sampled_from(["none", "all", "rules"]), st.lists(RULES, max_size=4))


@given(
    own=POLICIES,
    other=POLICIES,
    host=st.sampled_from(["a.test", "b.a.test", "c.b.a.test", "else.test", "10.0.0.5", "8.8.8.8", "127.0.0.1", "::1"]),
    port=st.sampled_from([80, 443]),
    said=st.sampled_from([(None, None), ("GET", "/x"), ("GET", "/xy"), ("GET", "/"), ("POST", "/x"), ("TCP", None)]),
    address=st.sampled_from(["10.0.0.5", "10.1.1.1", "8.8.8.8", "127.0.0.1", "::1", "2606:4700::1"]),
)
def test_whatever_a_covered_policy_permits_the_covering_one_permits(
    own: Policy, other: Policy, host: str, port: int, said: tuple[str | None, str | None], address: str
) -> None:
    place = ipaddress.ip_address(address)

    def allowed(by: Policy) -> bool:
        return by.permits(host, port, *said) is None and by.closes(place, port, *said) is None

    if own.covers(other) and allowed(other):
        assert allowed(own)


@given(st.text(alphabet="/.%2eE5cfF;\\ab", max_size=12))
def test_a_plain_path_has_no_step_upwards_once_it_is_decoded(path: str) -> None:
    if plain(path):
        decoded = unquote(unquote(path)).replace("\\", "/")
        assert not any(part.partition(";")[0] in ("..", ".") for part in decoded.split("/"))
